"""What importing `runtime` costs: a device has neither torch nor onnx, and `--help` loads no numpy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import runtime

ROOT = Path(__file__).resolve().parents[2]
ALL = "from runtime import *; import runtime.cli, runtime.engines"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import runtime", ["numpy", "PIL", "typer"]),
        ("import runtime.cli", ["numpy", "PIL", "onnxruntime"]),
        (ALL, ["torch", "onnx", "onnxruntime", "scipy", "skimage"]),
    ],
)
def test_what_an_import_does_not_load(statement: str, absent: list[str]):
    code = f"import sys\n{statement}\nprint([name for name in {absent} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_every_public_name_is_there():
    for name in runtime.__all__:
        assert getattr(runtime, name) is not None
    assert dir(runtime) == sorted(runtime.__all__)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        _ = runtime.paint

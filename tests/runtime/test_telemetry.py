"""Nobody is told what brushlet's users do, and nothing is left in their homes, whatever the engines do by default."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).resolve().parents[2]
_STYLIZE = """
import sys
told = []
sys.addaudithook(lambda event, _: told.append(event) if event.startswith(("socket.", "os.fork")) else None)
import numpy as np
from runtime import Stylizer
with Stylizer.load(sys.argv[1], sys.argv[2], threads=1) as stylizer:
    stylizer(np.zeros((8, 8, 3), np.uint8), "warm")
print(told)
"""


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_stylizing_connects_to_nothing_and_leaves_nothing(tmp_path: Path, engine: str):
    """Sockets opened by native code are not seen here; what such code keeps to identify the machine is."""
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    bundle, home = make_tiny_bundle(tmp_path / "tiny"), tmp_path / "home"
    home.mkdir()
    unset = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")  # what silences the engines by itself
    environment = {key: value for key, value in os.environ.items() if key not in unset} | {"HOME": str(home)}
    command = [sys.executable, "-c", _STYLIZE, str(bundle), engine]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout.strip() == "[]"
    assert list(home.rglob("*")) == []


def test_who_wants_telemetry_keeps_it():
    code = "import os, runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == "0"

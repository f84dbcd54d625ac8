"""The Python example of docs/video.md runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.runtime.video.clips import drawn, make_clip

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "video.md"


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    make_clip(Path("clip.mp4"), drawn(4), sound="aac")
    shown: list[tuple[int, ...]] = []
    names = {"frame": drawn(1)[0], "frames": drawn(3), "show": lambda picture: shown.append(picture.shape)}
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(code, names)
    assert capsys.readouterr().out.startswith("4 ") and shown == [(48, 64, 3)] * 3

"""docs/python.md: every example on the page runs and gives what the page says."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from runtime import write_picture
from tests.smooth_picture import smooth_picture

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "python.md"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_picture("photo.jpg", smooth_picture(128, 0)[:96])
    write_picture("painting.jpg", smooth_picture(80, 1))
    result = doctest.testfile(str(GUIDE), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted >= 40 and result.failed == 0

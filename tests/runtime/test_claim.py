"""`runtime.claim`: one writer at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from runtime.claim import Claim
from runtime.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from runtime.claim import Claim
claim = Claim(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    locks = tmp_path / "locks"
    locks.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(locks))
    monkeypatch.setenv("TMPDIR", str(locks))
    return locks


def test_a_second_writer_is_told_until_the_first_is_done(tmp_path: Path, own_folder: Path):
    path = tmp_path / "out.png"
    with Claim(path):
        (tmp_path / "link").symlink_to(tmp_path)
        for same in (path, tmp_path / "link" / "out.png"):
            with pytest.raises(UserError, match="another process is writing .*out.png"):
                Claim(same)
        Claim(tmp_path / "other.png").release()
    Claim(path).release()
    assert os.listdir(own_folder) == []


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path):
    path = tmp_path / "out.png"
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True, cwd=root) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another process is writing"):
            Claim(path)
        other.send_signal(signal.SIGKILL)
    Claim(path).release()


def test_without_a_folder_for_locks_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    Claim(tmp_path / "out.png").release()

"""Slow teachers paint before a run: every picture once, in processes, in shares, and again after an interrupt."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

import brushlet
from distill import teachers
from distill.distil import distil, open_sources, paint_share, samples_of
from distill.kept_teacher import KeptTeacher
from distill.paint_ahead import RunPairs, Share, paint_ahead
from distill.run import Request, settings_of
from distill.teachers.analogies import AnalogiesTeacher, Matching
from runtime.errors import UserError
from tests.distill import tiny

ROOT = Path(__file__).resolve().parents[2]


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


def crops(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        tuple(torch.randint(256, (1, 3, 32, 32), generator=generator) / 255 for _ in range(2)) for _ in range(count)
    ]


@pytest.mark.parametrize("processes", [1, 2])
def test_all_that_is_missing_is_painted(tmp_path, processes):
    """With two, by processes of their own: this one paints nothing."""
    pairs = crops(5)
    pairs.append(pairs[0])
    kept = KeptTeacher(AnalogiesTeacher(Matching(levels=1)), tmp_path)
    kept.stylize(*pairs[2])
    assert paint_ahead(kept, pairs, quiet(), processes=processes) == 4
    assert all(kept.holds(*pair) for pair in pairs)
    assert kept.painted == (5 if processes == 1 else 1)
    assert paint_ahead(kept, pairs, quiet(), processes=processes) == 0
    fresh = AnalogiesTeacher(Matching(levels=1)).stylize(*pairs[4])
    assert (kept.stylize(*pairs[4]) - fresh).abs().max() <= 0.51 / 255


def test_shares_are_disjoint_and_all_together_everything(tmp_path):
    pairs, painted = crops(7), []
    for number in (1, 2, 3):
        kept = KeptTeacher(tiny.Negative(), tmp_path / str(number))
        painted.append(paint_ahead(kept, pairs, quiet(), Share(number, 3), 1))
        held = [kept.holds(*pair) for pair in pairs]
        assert held == [index % 3 == number - 1 for index in range(7)]
    assert painted == [3, 2, 2]


def test_what_a_share_is_called():
    assert Share.parse("2/8") == Share(2, 8) and Share.parse("1/1") == Share()
    for text in ("0/8", "9/8", "2", "2/", "a/b", "2/8/9", "-1/3", "1/0", "²/8"):
        with pytest.raises(UserError, match="write which share of how many, from 1/8 to 8/8 of eight"):
            Share.parse(text)


class Stubborn(tiny.Negative):
    def forward(self, content, style):
        raise UserError("this one I cannot paint")


def test_what_a_teacher_cannot_paint_is_said(tmp_path):
    with pytest.raises(UserError, match="this one I cannot paint"):
        paint_ahead(KeptTeacher(Stubborn(), tmp_path), crops(3), quiet(), processes=2)


class Fatal(tiny.Negative):
    def forward(self, content, style):
        os._exit(9)


def test_a_process_that_dies_is_said(tmp_path):
    with pytest.raises(UserError, match="want of memory: try fewer --teacher-processes"):
        paint_ahead(KeptTeacher(Fatal(), tmp_path), crops(3), quiet(), processes=2)


class SlowNegative(tiny.Negative):
    slow = True


@pytest.fixture
def settings(small, pictures, monkeypatch):
    """A run of a slow negative: 12 steps, 4 pairs, judged on 2."""
    listing = replace(tiny.LISTING, module="tests.distill.test_paint_ahead")
    monkeypatch.setattr(teachers, "TEACHERS", {**teachers.TEACHERS, "slow": listing})
    where = {kind: str(pictures / folder) for kind, folder in (("content", "photos"), ("style", "paintings"))}
    return settings_of(Request(), teacher="slow", preset="tiny", seed=5, **where)


def load(weights: str | Path | None) -> SlowNegative:
    teacher = SlowNegative()
    teacher.name = "slow"
    return teacher


def test_a_run_asks_for_nothing_that_was_not_painted_ahead(settings, tmp_path, monkeypatch):
    """Neither training, nor its contact sheets, nor the judgement."""
    sources = open_sources(settings, lambda line: None)
    pairs = RunPairs(samples_of(settings, sources, 1 << 30), sources.pictures, 2)
    assert len(pairs) == 4 + 2
    paint_ahead(sources.teacher, pairs, quiet(), processes=1)
    assert len(list(sources.teacher.folder.iterdir())) == 4 + 2
    monkeypatch.setattr(SlowNegative, "forward", lambda self, content, style: pytest.fail("painted again"))
    distil(settings, tmp_path / "run", "cpu", console=quiet())
    assert (tmp_path / "run" / "student.safetensors").exists()


def test_machines_share_the_work(settings, tmp_path, small, monkeypatch):
    console = quiet()
    for number in (1, 2):
        paint_share(settings, Share(number, 2), 1, 1 << 30, console)
    shown = console.file.getvalue()
    (folder,) = {line.split(": ")[-1] for line in shown.splitlines() if line.startswith("share ")}
    assert Path(folder).parent == small / "teacher-pictures"
    monkeypatch.setattr(SlowNegative, "forward", lambda self, content, style: pytest.fail("painted again"))
    distil(settings, tmp_path / "run", "cpu", console=quiet())


def test_a_fast_teacher_has_no_shares(settings):
    with pytest.raises(UserError, match="negative is fast enough .*: leave --teacher-shard out"):
        paint_share(replace(settings, teacher="negative"), Share(1, 2), 1, 1 << 30, quiet())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--teacher-shard", "3/2"], "--teacher-shard 3/2: write which share of how many"),
        (["--teacher-processes", "0"], "--teacher-processes must be at least 1"),
    ],
)
def test_options_that_make_no_sense(options, reason, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(brushlet.app, ["distill", "--teacher", "negative", "--preset", "tiny", *options])
    assert result.exit_code == 1 and reason in result.stderr
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys, time
from pathlib import Path
from rich.console import Console
from distill.kept_teacher import KeptTeacher
from distill.paint_ahead import paint_ahead
from tests.distill.test_paint_ahead import Dawdling, crops
if __name__ == "__main__":
    paint_ahead(KeptTeacher(Dawdling(), Path(sys.argv[1])), crops(40), Console(stderr=True), processes=2)
"""


class Dawdling(tiny.Negative):
    def forward(self, content, style):
        time.sleep(0.3)
        return super().forward(content, style)


def started(folder: Path) -> subprocess.Popen:
    """Two processes that paint forty pictures into ``folder``, in a group of their own; the first one is there."""
    (folder / "script.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, folder / "script.py", folder / "kept"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("kept/*/*.png")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def group_ends(group: int) -> bool:
    """Whether no process of a group is left, soon."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a group of processes")
def test_an_interrupt_leaves_whole_pictures_and_no_processes(tmp_path):
    """Ctrl-C reaches the whole group, as from a terminal; what is there then is good, and the rest is painted later."""
    process = started(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode != 0 and "KeyboardInterrupt" in shown.splitlines()[-1]
    assert group_ends(process.pid)
    kept = KeptTeacher(Dawdling(), tmp_path / "kept")
    there = [kept.holds(*pair) for pair in crops(40)]
    assert 1 <= sum(there) < 40 and len(list(kept.folder.iterdir())) == sum(there)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL to one process of a group")
def test_painters_do_not_outlive_a_parent_that_was_killed(tmp_path):
    process = started(tmp_path)
    process.kill()
    process.communicate(timeout=60)
    assert group_ends(process.pid)

"""What a run writes about its steps, and what a run that goes on makes of it."""

from __future__ import annotations

import io
import json
import sys
import types
from pathlib import Path

import pytest
from rich.console import Console

from distill.progress import RunProgress, drop_rows_after, read_metrics


def console(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=200)


def run_steps(out: Path, steps: range, total: int = 40, shown: Console | None = None, main: bool = True) -> str:
    shown = shown or console()
    with RunProgress(out, total, batch=2, start=steps.start - 1, console=shown, main=main) as progress:
        for step in steps:
            progress(step, {"style": 1.0 / step, "content": 0.5})
    return shown.file.getvalue()


def steps_in(out: Path) -> list[int]:
    return [row["step"] for row in read_metrics(out / "metrics.jsonl")]


def test_a_row_per_step(tmp_path):
    run_steps(tmp_path, range(1, 5))
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert rows[3]["loss"] == 0.75 and rows[3]["style"] == 0.25 and rows[3]["content"] == 0.5
    assert rows[3]["pictures_per_s"] > 0


def test_rows_are_on_disk_at_once(tmp_path):
    """So that a kill right after a checkpoint leaves the rows that it covers."""
    with RunProgress(tmp_path, 40, 2, 0, console()) as progress:
        progress(1, {"style": 1.0})
        assert steps_in(tmp_path) == [1]
        progress(2, {"style": 1.0})
        assert steps_in(tmp_path) == [1, 2]


def test_a_run_that_goes_on_has_each_step_once(tmp_path):
    run_steps(tmp_path, range(1, 9))
    run_steps(tmp_path, range(6, 13))
    assert steps_in(tmp_path) == list(range(1, 13))


def test_a_new_run_starts_with_no_rows(tmp_path):
    run_steps(tmp_path, range(1, 4))
    run_steps(tmp_path, range(1, 2))
    assert steps_in(tmp_path) == [1]


def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path):
    run_steps(tmp_path, range(1, 4))
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-7])
    assert steps_in(tmp_path) == [1, 2]
    drop_rows_after(metrics, 5)
    assert [json.loads(line)["step"] for line in metrics.read_text().splitlines()] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_no_file_is_no_rows(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_other_processes_write_and_show_nothing(tmp_path):
    assert run_steps(tmp_path, range(1, 30), main=False) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_log_gets_about_twenty_lines(tmp_path):
    lines = run_steps(tmp_path, range(1, 41)).splitlines()
    assert len(lines) == 20
    assert lines[-1].startswith("step 40/40 loss ") and "style " in lines[-1]
    assert lines[-1].endswith(" pictures/s")


def test_a_terminal_gets_a_bar(tmp_path):
    shown = run_steps(tmp_path, range(1, 41), shown=console(terminal=True))
    assert "distilling" in shown and "40/40" in shown and "pictures/s" in shown


def test_shown_losses_are_smoothed(tmp_path):
    with RunProgress(tmp_path, 400, 1, 0, console()) as progress:
        progress(1, {"style": 1.0})
        assert progress.mean["style"] == 1.0
        progress(2, {"style": 0.0})
        assert progress.mean["style"] == pytest.approx(0.98)


class Writer:
    """Stands for TensorBoard's SummaryWriter."""

    made: list[Writer] = []

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step, self.scalars, self.closed = folder, purge_step, [], False
        self.made.append(self)

    def add_scalar(self, *scalar: object) -> None:
        self.scalars.append(scalar)

    def close(self) -> None:
        self.closed = True


def test_tensorboard_where_it_is_installed(tmp_path, monkeypatch):
    Writer.made.clear()
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    run_steps(tmp_path, range(6, 8))
    (writer,) = Writer.made
    assert writer.folder == str(tmp_path / "tensorboard") and writer.closed
    assert writer.purge_step == 6
    assert ("style", 1.0 / 7, 7) in writer.scalars and ("content", 0.5, 6) in writer.scalars


def test_and_where_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run_steps(tmp_path, range(1, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]

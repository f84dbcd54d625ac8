"""What a run shows and writes while it works: a progress bar, metrics.jsonl, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runtime.atomic_write import write_atomically

SMOOTHING = 0.98
LINES = 20


class RunProgress:
    """Reports the steps of a run; a context manager. Only the main process shows and writes anything."""

    def __init__(
        self,
        out: Path,
        steps: int,
        batch: int,
        start: int,
        console: Console,
        main: bool = True,
        label: str = "distilling",
    ):
        self.out, self.steps, self.batch, self.main, self.console = out, steps, batch, main, console
        self.mean: dict[str, float] = {}
        self.first, self.begun = start, time.perf_counter()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("{task.fields[speed]} pictures/s"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console, disable=not main or not console.is_terminal)
        self.task = self.bar.add_task(label, total=steps, completed=start, loss="–", speed="–")
        self.board, self.rows = None, None
        if main:
            self.board = tensorboard_writer(out, start)
            drop_rows_after(out / "metrics.jsonl", start)
            # Line by line: what a kill leaves beyond the last checkpoint is dropped by the run that goes on.
            self.rows = open(out / "metrics.jsonl", "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - closed at exit

    def __enter__(self) -> RunProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
        for open_file in (self.rows, self.board):
            if open_file is not None:
                open_file.close()

    def __call__(self, step: int, losses: dict[str, float]) -> None:
        """Show one step and write its row; called before the checkpoint that covers it is written."""
        if not self.main:
            return
        losses = {"loss": sum(losses.values()), **losses}
        self.mean = {k: SMOOTHING * self.mean.get(k, v) + (1 - SMOOTHING) * v for k, v in losses.items()}
        speed = (step - self.first) * self.batch / (time.perf_counter() - self.begun)
        row = {"step": step, **{k: round(v, 6) for k, v in losses.items()}, "pictures_per_s": round(speed, 2)}
        self.rows.write(json.dumps(row) + "\n")
        self.bar.update(self.task, completed=step, loss=f"{self.mean['loss']:.3f}", speed=f"{speed:.1f}")
        if self.board is not None:
            for name, value in losses.items():
                self.board.add_scalar(name, value, step)
        if not self.console.is_terminal and step % max(1, self.steps // LINES) == 0:
            parts = " ".join(f"{k} {v:.3f}" for k, v in self.mean.items())
            self.console.print(f"step {step}/{self.steps} {parts} {speed:.1f} pictures/s", soft_wrap=True)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of a metrics.jsonl; a last line that was cut off by a kill is left out."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows


def drop_rows_after(path: Path, step: int) -> None:
    """Forget rows past ``step``: a resumed run trains those steps again."""
    rows = [row for row in read_metrics(path) if row["step"] <= step]
    write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def tensorboard_writer(out: Path, start: int) -> Any | None:
    """A TensorBoard writer that forgets steps past ``start``, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(out / "tensorboard"), purge_step=start + 1)

"""A progress bar on the terminal, and lines printed beside it."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class ProgressBar:
    """How far a number of pictures is; shown on standard error if that is a terminal.

    Args:
        count: how many pictures.
        shown: False shows no bar, and `say` prints to standard error only.
        work: what is done to them.
    """

    def __init__(self, count: int, shown: bool = True, work: str = "painting") -> None:
        self._console = Console(stderr=True)
        columns = TextColumn(work), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        hidden = not (shown and count and self._console.is_terminal)
        self._progress = Progress(
            *columns,
            console=self._console,
            transient=True,
            disable=hidden,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=max(count, 1))
        self._done = 0

    def part(self, done: int, count: int) -> None:
        """`done` of `count` parts of the next picture are painted."""
        self._progress.update(self._task, completed=self._done + done / count)

    def advance(self) -> None:
        """One more picture is done."""
        self._done += 1
        self._progress.update(self._task, completed=self._done)

    def say(self, line: str, to_stderr: bool = False) -> None:
        """Print a line."""
        if not self._progress.disable and (to_stderr or sys.stdout.isatty()):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)  # above the bar
        else:
            print(line, file=sys.stderr if to_stderr else sys.stdout, flush=True)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

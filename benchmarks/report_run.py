"""A benchmark from the command line: measure, keep the record, show it."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from benchmarks.bench_bundle import bench
from benchmarks.budget import require_kept
from benchmarks.entrants import Request
from benchmarks.pareto import require_plot_file, write_plot
from benchmarks.record import Record, read_record
from benchmarks.table import render
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

RECORDS = Path("records")


def run_and_report(
    request: Request, output: Path | None, as_json: bool, plot: Path | None = None, resume: Path | None = None
) -> None:
    """Run the benchmark, write its record to ``output`` or into records/, and print a table or the record.

    The record is written whenever a part of the matrix is done, so that ``resume``, a record's file, can go on after
    an interrupt or a failure; it is then written to the same file. Where peers were judged, their plot goes to
    ``plot``, or beside the record.

    Everything but the result goes to standard error. Raises UserError as ``bench`` does, and when the record cannot be
    written, which is found out before the measurement; and BudgetMissed, once all that is done.
    """
    output = output or resume
    folder = RECORDS if output is None else output.parent
    earlier = None if resume is None else read_record(resume)
    _require_writable(folder, output)
    _require_plot(request, plot)
    words = sys.argv[1:]
    command = ["brushlet", *([] if words[:1] == ["bench"] else ["bench"]), *words]
    kept = _Kept(output, folder)
    try:
        record = bench(request, command, lambda line: print(line, file=sys.stderr, flush=True), earlier, kept.write)
    except (KeyboardInterrupt, UserError):
        kept.say_how_to_go_on()
        raise
    path = kept.write(record)
    if as_json:
        print(record.to_text(), end="")
    else:
        # Piped output has no width of its own; a table that is cut off would be of no use there.
        Console(width=None if sys.stdout.isatty() else 100, highlight=False).print(render(record))
    print(f"record: {path}", file=sys.stderr)
    if request.peers and request.peers.pairs:
        _plot(record, plot or path.with_suffix(".svg"))
    require_kept(record.checks)
    if record.checks:
        print(f"within budget: {'; '.join(map(str, record.checks))}", file=sys.stderr)


class _Kept:
    """The record's file: named when there is something to write, and written again whenever there is more."""

    def __init__(self, output: Path | None, folder: Path) -> None:
        self._path, self._folder, self._last = output, folder, None

    def write(self, record: Record) -> Path:
        """Write it, whole or not at all; returns the file."""
        self._path = self._path or record_path(record, self._folder)
        record.write(self._path)
        self._last = record
        return self._path

    def say_how_to_go_on(self) -> None:
        """After an interrupt: what is kept, if anything new is, and how to go on."""
        if self._last is not None:
            counts = f"{len(self._last.results)} measured, {len(self._last.unfinished)} to do"
            print(f"kept: {counts}: the same command with --resume {self._path} goes on", file=sys.stderr)


def record_path(record: Record, folder: Path) -> Path:
    """``<folder>/<bundle>-<time>.json``, with a number at the end where that exists already."""
    stem = f"{record.subjects[0].name}-{record.created.replace('-', '').replace(':', '')}"
    for number in range(1, 1000):
        path = folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
        if not path.exists():
            return path
    raise UserError(f"{folder} holds a thousand records of this second: name the file with -o")


def _require_plot(request: Request, plot: Path | None) -> None:
    if plot is None:
        return
    if request.peers is None or not request.peers.pairs:
        raise UserError("--plot shows peers beside the bundle: add --peers, and judge them on at least one of --pairs")
    require_plot_file(plot)
    _require_writable(plot.parent, plot)


def _plot(record: Record, path: Path) -> None:
    try:
        write_plot(record, path)
    except UserError as error:  # the measurement is kept already, and worth more than its plot
        print(f"no plot: {error}", file=sys.stderr)
    else:
        print(f"plot: {path}", file=sys.stderr)


def _require_writable(folder: Path, output: Path | None) -> None:
    """Minutes of measuring should not be lost to a folder that takes no file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    if output is not None and output.exists() and not output.is_file():
        raise UserError(f"cannot write {output}: it is not a file")
    probe = folder / ".brushlet-bench-probe"
    write_atomically(probe, b"")
    probe.unlink()

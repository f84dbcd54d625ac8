"""A benchmark from the command line: measure, keep the record, show it."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from benchmarks.bench_bundle import Request, bench, record_path
from benchmarks.table import render
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

RECORDS = Path("records")


def run_and_report(request: Request, output: Path | None, as_json: bool) -> None:
    """Run the benchmark, write its record to ``output`` or into records/, and print a table or the record.

    Everything but the result goes to standard error. Raises UserError as ``bench`` does, and when the record cannot be
    written, which is found out before the measurement.
    """
    folder = RECORDS if output is None else output.parent
    _require_writable(folder, output)
    words = sys.argv[1:]
    command = ["brushlet", *([] if words[:1] == ["bench"] else ["bench"]), *words]
    record = bench(request, command, lambda line: print(line, file=sys.stderr, flush=True))
    path = output or record_path(record, folder)
    record.write(path)
    if as_json:
        print(record.to_text(), end="")
    else:
        # Piped output has no width of its own; a table that is cut off would be of no use there.
        Console(width=None if sys.stdout.isatty() else 100, highlight=False).print(render(record))
    print(f"record: {path}", file=sys.stderr)


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

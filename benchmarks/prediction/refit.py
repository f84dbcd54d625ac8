"""Fit from the command line: records in, a fitted file and a table out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.progress import track
from rich.table import Table
from rich.text import Text

from benchmarks.prediction.fit import Fit, LeaveOneOut, fit_all
from benchmarks.prediction.fitted import SHIPPED, Fitted, SourceRecord, read_fitted
from benchmarks.prediction.observations import read_observations
from benchmarks.record import read_record
from benchmarks.wording import short
from runtime.bundle import sha256_of
from runtime.errors import UserError

#: A prediction beside the records of a folder is not one of them.
_PREDICTED = ".predicted.json"


def refit(records: Sequence[Path], bundles: Sequence[Path], output: Path | None) -> None:
    """Read records, fit, write the file and print its table. Raises UserError where there is too little to fit."""
    files = list(_files(records))
    observations, unused = read_observations(files, bundles)
    for line in dict.fromkeys(unused):
        print(f"not used: {line}", file=sys.stderr)
    bar = partial(track, description="leaving out", console=Console(stderr=True), transient=True)
    fits = fit_all(observations, lambda line: print(f"fitting {line}", file=sys.stderr, flush=True), bar)
    if not fits:
        raise UserError("there is nothing to fit: measure at least two bundles at several sizes first")
    fitted = Fitted(
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=_command(records, bundles),
        records=tuple(_source(file) for file in files),
        fits=tuple(fits),
    )
    path = output or SHIPPED
    fitted.write(path)
    Console(highlight=False).print(_tables(fitted))
    print(f"fitted: {path}", file=sys.stderr)


def show(file: Path | None) -> None:
    """Print a fitted file. Raises UserError where it cannot be read."""
    Console(highlight=False).print(_tables(read_fitted(file or SHIPPED)))


def _command(records: Sequence[Path], bundles: Sequence[Path]) -> str:
    """The line that makes the same fit; where the file was written says nothing of what is in it."""
    words = ["python", "-m", "benchmarks.prediction", "fit", *map(str, records)]
    return shlex.join([*words, *(word for bundle in bundles for word in ("--bundles", str(bundle)))])


def _files(records: Sequence[Path]) -> Iterator[Path]:
    for path in records:
        if path.is_dir():
            yield from (file for file in sorted(path.glob("*.json")) if not file.name.endswith(_PREDICTED))
        else:
            yield path


def _source(file: Path) -> SourceRecord:
    record = read_record(file)
    machine = record.environment.get("machine", {})
    name = machine.get("name") if isinstance(machine, dict) else None
    return SourceRecord(file.name, sha256_of(file), record.created, str(name or "unknown"), len(record.warnings))


def _tables(fitted: Fitted) -> Group:
    warned = sum(record.warnings > 0 for record in fitted.records)
    head = f"fitted {fitted.created} on {len(fitted.records)} records"
    doubt = f"; {warned} of them with warnings, as of a busy machine: fit again on a quiet one" if warned else ""
    return Group(Text(head + doubt), *(part for fit in fitted.fits for part in (_table(fit), *_sentences(fit))))


def _table(fit: Fit) -> Table:
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, title=fit.group, title_justify="left")
    table.add_column("parameter")
    table.add_column("value", justify="right")
    for name, value in fit.parameters.items():
        table.add_row(name, short(value))
    return table


def _sentences(fit: Fit) -> list[str]:
    return [
        f"{fit.measurements} measurements of {len(fit.bundles)} bundles on {', '.join(fit.machines)}; what was fitted "
        f"is off by a factor of {fit.residual:.2f}",
        f"left out one measurement at a time: {_errors(fit.without_a_measurement)}",
        f"left out one bundle at a time: {_errors(fit.without_a_bundle)}",
    ]


def _errors(left: LeaveOneOut) -> str:
    return f"typically off by a factor of {left.typical:.2f}, at worst {left.worst:.2f} ({left.of})"

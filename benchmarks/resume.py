"""A matrix that was interrupted goes on: which cells of an earlier record are kept, and whether they may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.entrants import Entrant, Request
from benchmarks.labels import counted
from benchmarks.measurements import SizeResult, Subject
from benchmarks.record import Record
from runtime.bundle import MANIFEST_NAME, sha256_of
from runtime.errors import UserError


@dataclass(frozen=True)
class Cell:
    """One combination that all entrants are measured at, in one process: side in pixels, threads, pictures at once."""

    size: int
    threads: int
    batch: int
    cpus: tuple[int, ...] | None = field(compare=False)

    def __str__(self) -> str:
        return f"{self.size}x{self.size}, {counted(self.threads, self.batch)}"

    @classmethod
    def of(cls, result: SizeResult) -> Cell:
        """The cell that a result is of."""
        return cls(result.width, result.threads, result.batch, result.cpus)


def plan_cells(request: Request, pinned: Mapping[int, tuple[int, ...] | None]) -> list[Cell]:
    """Every size, number of threads and number of pictures at once, in the order in which they are measured."""
    return [
        Cell(size, threads, batch, cpus)
        for threads, cpus in pinned.items()
        for batch in request.batches
        for size in request.sizes
    ]


def kept_results(
    earlier: Record, request: Request, entrants: Sequence[Entrant], environment: dict[str, Any]
) -> dict[Cell, SizeResult]:
    """The results of ``earlier`` by cell.

    Raises:
        UserError: the earlier record is of other subjects, files, package versions, effort or another machine, so that
            its figures do not belong beside new ones.
    """
    same = {
        "what is measured": ([_identity(each) for each in earlier.subjects], [_asked(each) for each in entrants]),
        "--runs and --seconds": (
            (earlier.settings.runs, earlier.settings.seconds),
            (request.runs, request.seconds),
        ),
        "the machine": (earlier.environment.get("machine"), environment["machine"]),
        "the versions of packages": (earlier.environment.get("packages"), environment["packages"]),
    }
    for what, (then, now) in same.items():
        if then != now:
            raise UserError(f"--resume: {what} changed since that record, so it cannot go on: measure anew without it")
    return {Cell.of(result): result for result in earlier.results}


def told_before(earlier: Record) -> dict[int, dict[str, Any]]:
    """What the entrants' own processes said of them, by number, as `benchmarks.worker` answers."""
    fields = ("description", "engine", "engine_version", "providers")
    return {
        number: {field: getattr(subject, field) for field in fields}
        for number, subject in enumerate(earlier.subjects)
        if any(result.start(number) for result in earlier.results)
    }


def left_to_do(cells: Sequence[Cell], results: Mapping[Cell, SizeResult], judging: bool) -> tuple[str, ...]:
    """What a record that is kept on the way still lacks, in words."""
    return (*(str(cell) for cell in cells if cell not in results), *(["judging the pictures"] if judging else []))


def _identity(subject: Subject) -> tuple[object, ...]:
    return subject.kind, subject.name, subject.engine, subject.precision, subject.manifest_sha256, subject.graphs


def _asked(entrant: Entrant) -> tuple[object, ...]:
    bundle = entrant.bundle
    manifest = sha256_of(bundle.directory / MANIFEST_NAME) if bundle else None
    return entrant.kind, entrant.name, entrant.engine, entrant.precision, manifest, entrant.files

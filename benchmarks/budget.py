"""Limits that a build has to keep: latency at a percentile, peak memory, and likeness to the float32 student.

They apply to the first subject of a record, the bundle in the first engine and precision asked for, at every size and
number of threads that was measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.labels import counted
from benchmarks.measurements import DIGITS, SizeResult
from benchmarks.statistics import percentiles
from runtime.bundle import Bundle
from runtime.engines import ENGINES
from runtime.errors import UserError
from runtime.json_fields import Fields

#: What a limit on latency may be about, and how it is called.
BUDGET_PARTS = {"end_to_end": "end to end", "model": "model only", "files": "with files"}
#: Roles of parity records that say how like a precision's picture is to the float32 student's.
_PICTURE_ROLES = ("paint", "picture")
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class BudgetMissed(UserError):
    """A measurement was made, and is over a limit."""


@dataclass(frozen=True)
class Budget:
    """Limits; None is no limit.

    Attributes:
        milliseconds: most that the ``percentile`` of the samples of ``part`` may be.
        memory: most that the peak memory of a process with this subject may be, in bytes.
        psnr: least likeness that the bundle's own parity record may hold for the precision, in dB.
    """

    milliseconds: float | None = None
    percentile: float = 90.0
    part: str = "end_to_end"
    memory: int | None = None
    psnr: float | None = None

    def require_sensible(self) -> None:
        """Raises UserError for a limit that nothing can keep or a part that there is not."""
        if self.milliseconds is not None and not 0 < self.milliseconds < math.inf:
            raise UserError(f"--budget-ms must be above 0, not {self.milliseconds:g}")
        if not 0 < self.percentile <= 100:
            raise UserError(f"--percentile must be above 0 and at most 100, not {self.percentile:g}")
        if self.part not in BUDGET_PARTS:
            raise UserError(f"--part must be end_to_end, model or files, not {self.part!r}")
        if self.psnr is not None and not math.isfinite(self.psnr):
            raise UserError(f"--min-psnr must be a number of decibels, not {self.psnr:g}")


@dataclass(frozen=True)
class Check:
    """A limit and what was found. ``found`` is None where the system does not tell; then the limit counts as missed.

    ``least`` is True for a limit from below.
    """

    what: str
    unit: str
    limit: float
    found: float | None
    least: bool = False

    @property
    def met(self) -> bool:
        if self.found is None:
            return False
        return self.found >= self.limit if self.least else self.found <= self.limit

    def __str__(self) -> str:
        limit = f"{self.limit:g} {self.unit}"
        if self.found is None:
            return f"{self.what}: this system does not tell, so {limit} cannot be checked"
        found = f"{self.what} is {_short(self.found)} {self.unit}"
        bound = "least" if self.least else "most"
        if self.met:
            return f"{found} (at {bound} {limit})"
        apart = abs(self.found - self.limit)
        share = f" ({100 * apart / abs(self.limit):.2g} %)" if self.limit and apart < abs(self.limit) else ""
        side = "below" if self.least else "over"
        return f"{found}, {_short(apart)} {self.unit}{share} {side} {limit}"

    @classmethod
    def read(cls, fields: Fields, found: object) -> Check:
        return cls(
            what=fields.text("what"),
            unit=fields.text("unit", 20),
            limit=fields.number("limit", -1e12, 1e12),
            found=None if found is None else fields.number("found", -1e12, 1e12),
            least=fields.boolean("least"),
        )


def check_budget(budget: Budget, results: Sequence[SizeResult], psnr: float | None) -> tuple[Check, ...]:
    """Every limit against every result; ``psnr`` is what `recorded_psnr` gave, if there is such a limit."""
    return tuple(_checks(budget, results, psnr))


def recorded_psnr(bundle: Bundle, engine: str, precision: str) -> float:
    """The least PSNR in dB, against the float32 student, that the bundle's export measured for this precision.

    Raises UserError where the manifest has no parity record for it.
    """
    wanted = precision, ENGINES[engine].format
    found = [
        record["psnr"]
        for record in bundle.manifest.parity
        if (record.get("precision"), record.get("format", "onnx")) == wanted
        and record.get("role") in _PICTURE_ROLES
        and isinstance(record.get("psnr"), (int, float))
    ]
    if not found:
        raise UserError(
            f"--min-psnr: {bundle.directory} has no parity record of its {precision} {wanted[1]} painter: export it "
            "again with this brushlet"
        )
    return float(min(found))


def parse_bytes(text: str) -> int:
    """ "200MB", "1.5 GiB" or "250000000" in bytes. Raises UserError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    factor = _UNITS.get(found[2].upper()) if found else None
    if not found or factor is None or not float(found[1]) * factor >= 1:
        raise UserError(f"--max-memory must be a size such as 200MB or 1.5GiB, not {text!r}")
    return int(float(found[1]) * factor)


def require_kept(checks: Sequence[Check]) -> None:
    """Raises BudgetMissed, with one line that says by how much, unless all limits were kept."""
    missed = [str(check) for check in checks if not check.met]
    if missed:
        raise BudgetMissed(f"over budget: {'; '.join(missed)}")


def _checks(budget: Budget, results: Sequence[SizeResult], psnr: float | None) -> Iterator[Check]:
    for result in results:
        at = f"at {result.width}x{result.height} with {counted(result.threads, result.batch)}"
        if budget.milliseconds is not None and (timing := result.timing(0, budget.part)):
            (found,) = percentiles(timing.samples_ms, [budget.percentile])
            what = f"p{budget.percentile:g} {BUDGET_PARTS[budget.part]} {at}"
            yield Check(what, "ms", budget.milliseconds, round(found, DIGITS))
        if budget.memory is not None:
            start = result.start(0)
            peak = start.peak_bytes if start else None
            yield Check(f"peak memory {at}", "MB", budget.memory / 1e6, None if peak is None else peak / 1e6)
    if budget.psnr is not None:
        yield Check("PSNR in the bundle's own parity record", "dB", budget.psnr, psnr, least=True)


def _short(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}" if abs(number) < 100 else f"{number:.1f}"

"""The fitted efficiencies that ship, with what they were fitted on: written by the tool, never edited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.prediction.efficiency import PARAMETERS
from benchmarks.prediction.fit import Fit, LeaveOneOut
from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json

SHIPPED = Path(__file__).with_name("efficiencies.json")
SCHEMA = 1
MOST_BYTES = 2**20
_MOST = 1000


@dataclass(frozen=True)
class SourceRecord:
    """A record that was fitted on: what it measured, when, on what, and its file's hash."""

    file: str
    sha256: str
    created: str
    machine: str
    warnings: int

    @classmethod
    def read(cls, fields: Fields) -> SourceRecord:
        texts = (fields.text(name, 400) for name in ("file", "sha256", "created", "machine"))
        return cls(*texts, fields.integer("warnings", 0, 10**6))


@dataclass(frozen=True)
class Fitted:
    """Fits by device and engine, and their provenance."""

    created: str
    command: str
    records: tuple[SourceRecord, ...]
    fits: tuple[Fit, ...]

    def fit(self, group: str) -> Fit | None:
        """The fit of that device and engine, None where nothing of it was measured."""
        return next((fit for fit in self.fits if fit.group == group), None)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises UserError where that is not possible."""
        text = json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(path, (text + "\n").encode())


def read_fitted(path: Path = SHIPPED) -> Fitted:
    """Read and check a file of fitted efficiencies. Raises UserError with one line that says what is wrong."""
    fields = Fields(read_json(path, MOST_BYTES), str(path))
    if fields.integer("schema", 1, 10**6) != SCHEMA:
        raise UserError(f"{path} has another schema than {SCHEMA}: fit it again with this brushlet")
    return Fitted(
        created=fields.text("created"),
        command=fields.text("command", 4000),
        records=tuple(SourceRecord.read(item) for item in fields.each("records", _MOST)),
        fits=tuple(_read_fit(item) for item in fields.each("fits", _MOST)),
    )


def _read_fit(fields: Fields) -> Fit:
    parameters = fields.inner("parameters")
    return Fit(
        group=fields.text("group"),
        parameters={
            name: parameters.number(name, known.low * 0.99, known.high * 1.01) for name, known in PARAMETERS.items()
        },
        measurements=fields.integer("measurements", 1, 10**6),
        machines=_texts(fields, "machines"),
        bundles=_texts(fields, "bundles"),
        residual=fields.number("residual", 1, 1e6),
        without_a_measurement=_read_leave_one_out(fields.inner("without_a_measurement")),
        without_a_bundle=_read_leave_one_out(fields.inner("without_a_bundle")),
    )


def _read_leave_one_out(fields: Fields) -> LeaveOneOut:
    factors = (fields.number(name, 1, 1e6) for name in ("typical", "worst"))
    return LeaveOneOut(fields.integer("count", 1, 10**6), *factors, fields.text("of"))


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    values: Sequence[object] = fields.sequence(name, _MOST)
    if not values or not all(isinstance(value, str) for value in values):
        raise fields.fail(name, "must be a list of at least one text")
    return tuple(map(str, values))

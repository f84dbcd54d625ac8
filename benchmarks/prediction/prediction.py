"""A prediction as a file. It can't be mistaken for a measurement: it is of another kind and has no field of samples.

What reads records refuses it by name, and `read_prediction` refuses records.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.budget import Check
from benchmarks.prediction.forecast import BASES, Basis, Forecast
from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json

KIND = "predicted"
SCHEMA = 1
MOST_BYTES = 2**22
#: Digits after the point of a predicted millisecond: one more is known of nothing.
DIGITS = 4
_MOST = 1000


@dataclass(frozen=True)
class Row:
    """A forecast, and of what: precision, picture size in pixels, threads (None where the unit has none).

    ``macs``, ``bytes`` and ``steps`` are what the graph asks for, read off its file.
    """

    precision: str
    width: int
    height: int
    threads: int | None
    forecast: Forecast
    macs: int
    bytes: int
    steps: int

    @classmethod
    def read(cls, fields: Fields, raw: dict[str, Any]) -> Row:
        shown = fields.inner("forecast")
        numbers = [shown.number(f"{name}_ms", 0, 1e12) for name in ("predicted", "low", "high", "bound")]
        predicted, low, high, bound = numbers
        if not 0 < bound <= low <= predicted <= high:
            raise fields.fail("forecast", "must have bound <= low <= predicted <= high")
        return cls(
            precision=fields.text("precision", 40),
            width=fields.integer("width", 1, 2**20),
            height=fields.integer("height", 1, 2**20),
            threads=None if raw.get("threads") is None else fields.integer("threads", 1, 4096),
            forecast=Forecast(*numbers),
            macs=fields.integer("macs", 0, 10**18),
            bytes=fields.integer("bytes", 0, 10**18),
            steps=fields.integer("steps", 0, 10**9),
        )


@dataclass(frozen=True)
class Prediction:
    """Predicted latencies of a bundle's paint graph on a device.

    Attributes:
        bundle, manifest_sha256: whose paint graph.
        device, title: as the catalogue has them; ``mode`` is the power mode that its figures hold in.
        unit, engine: what would run it.
        basis: where the efficiencies come from.
        fitted: when they were fitted.
        notes: what was assumed.
        checks: limits that were held against the upper ends of the intervals.
    """

    created: str
    command: tuple[str, ...]
    bundle: str
    manifest_sha256: str
    device: str
    title: str
    unit: str
    engine: str
    mode: str | None
    rows: tuple[Row, ...]
    basis: Basis
    fitted: str
    notes: tuple[str, ...]
    checks: tuple[Check, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        data = {"schema": SCHEMA, "kind": KIND, **asdict(self), "based_on": str(self.basis)}
        for check, shown in zip(self.checks, data["checks"], strict=True):
            shown["met"] = check.met
        return json.loads(json.dumps(data, allow_nan=False))

    def to_text(self) -> str:
        """JSON for a file."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises UserError where that is not possible."""
        write_atomically(path, self.to_text().encode())

    @classmethod
    def from_json(cls, data: Any, where: str = "prediction") -> Prediction:
        """Check ``data``. Raises UserError for the first thing that is wrong."""
        fields = Fields(data, where)
        if data.get("kind") == "measured":
            raise UserError(f"{where} is a measurement and no prediction: benchmarks.read_record reads it")
        fields.choice("kind", (KIND,))
        if fields.integer("schema", 1, 10**6) != SCHEMA:
            raise UserError(f"{where} is a prediction of another schema than {SCHEMA}: predict again")
        rows = fields.each("rows", _MOST)
        prediction = cls(
            created=_created(fields),
            command=_texts(fields, "command"),
            **{
                name: fields.text(name, 400)
                for name in ("bundle", "manifest_sha256", "device", "title", "unit", "engine")
            },
            mode=None if data.get("mode") is None else fields.text("mode"),
            rows=tuple(Row.read(item, raw) for item, raw in zip(rows, data["rows"], strict=True)),
            basis=_read_basis(fields.inner("basis")),
            fitted=fields.text("fitted"),
            notes=_texts(fields, "notes"),
            checks=tuple(Check.read(item, 0) for item in fields.each("checks", _MOST)),
        )
        if not prediction.rows:
            raise UserError(f"{where} holds no prediction")
        return prediction


def read_prediction(path: str | Path) -> Prediction:
    """Read and check a prediction's file. Raises UserError with one line that says what is wrong."""
    return Prediction.from_json(read_json(Path(path), MOST_BYTES), str(path))


def _read_basis(fields: Fields) -> Basis:
    return Basis(
        kind=fields.choice("kind", BASES),
        group=fields.text("group"),
        measurements=fields.integer("measurements", 1, 10**6),
        machines=_texts(fields, "machines"),
        typical_error=fields.number("typical_error", 1, 1e6),
    )


def _created(fields: Fields) -> str:
    created = fields.text("created", 40)
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created):
        raise fields.fail("created", "must be a UTC time such as 2026-01-31T12:00:00Z")
    return created


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    values = fields.sequence(name, _MOST)
    if not all(isinstance(value, str) for value in values):
        raise fields.fail(name, "must be a list of texts")
    return tuple(values)

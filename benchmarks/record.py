"""The record of a benchmark: a JSON file with every sample, what was measured, on what, and how.

Records are written by the tool and never edited: reading one checks its schema and that its percentiles are those of
its samples.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.budget import Check
from benchmarks.judged import Judged
from benchmarks.measurements import MOST_SUBJECTS, Settings, SizeResult, Subject, objects, texts
from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json

#: 1 had one number of threads and one set of CPUs for all results; 2 had neither sensors nor energy.
SCHEMA = 3
READABLE = (1, 2, SCHEMA)
MOST_BYTES, MOST_ABSENT = 256 * 2**20, 4096


class RecordError(UserError):
    """A record that is damaged, edited, or of another schema."""


@dataclass(frozen=True)
class Absent:
    """A peer that was asked for and did not take part, or not at every size, or a suite's picture; and why."""

    name: str
    reason: str

    @classmethod
    def read(cls, fields: Fields) -> Absent:
        return cls(fields.text("name"), fields.text("reason", 2000))


@dataclass(frozen=True)
class Record:
    """A whole benchmark.

    Attributes:
        environment: the machine, the package versions, the load before the start, the power mode, and what the
            sensors cannot tell.
        checks: the limits that were given, and what was found.
        judged: what the pictures of bundle and peers score; None where they were not judged.
        absent: peers that were asked for and are not there.
        unfinished: what was asked for and is still to be done, in words, when the record was kept on the way; see
            `benchmarks.resume`.
    """

    created: str
    command: tuple[str, ...]
    settings: Settings
    subjects: tuple[Subject, ...]
    results: tuple[SizeResult, ...]
    environment: dict[str, Any]
    warnings: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    judged: Judged | None = None
    absent: tuple[Absent, ...] = ()
    unfinished: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON data, with the derived numbers that readers want beside the samples."""
        data = {"schema": SCHEMA, "kind": "measured", **asdict(self)}
        data["judged"] = self.judged and self.judged.to_json()
        for result, shown in zip(self.results, data["results"], strict=True):
            for timing, target in zip(result.timings, shown["timings"], strict=True):
                samples = target.pop("samples_ms"), target.pop("warmup_ms")
                target.update(zip(("p50_ms", "p90_ms", "p99_ms"), timing.percentiles_ms, strict=True))
                target["samples_ms"], target["warmup_ms"] = samples
            for energy, target in zip(result.energies, shown["energies"], strict=True):
                target |= {"total_j": energy.total_j, "above_idle_j": energy.above_idle_j}
        for check, shown in zip(self.checks, data["checks"], strict=True):
            shown["met"] = check.met
        return json.loads(json.dumps(data, allow_nan=False))

    @classmethod
    def from_json(cls, data: Any, where: str = "record") -> Record:
        """Check ``data``, a parsed record. Raises RecordError for the first thing that is wrong."""
        fields = Fields(data, where, RecordError)
        if data.get("kind") == "predicted":
            raise RecordError(f"{where} is a prediction and no measurement: benchmarks.read_prediction reads it")
        schema = fields.integer("schema", 1, 10**6)
        if schema not in READABLE:
            raise RecordError(
                f"{where} has schema {schema}, not {SCHEMA}: use the brushlet that wrote it, or measure again"
            )
        if schema == 1:
            fields = Fields(_from_schema_1(data), where, RecordError)
        fields.choice("kind", ("measured",))
        subjects = tuple(Subject.read(*item) for item in objects(fields, "subjects", MOST_SUBJECTS))
        record = cls(
            created=_read_time(fields),
            command=texts(fields, "command"),
            settings=Settings.read(fields.inner("settings")),
            subjects=subjects,
            results=tuple(SizeResult.read(*item, len(subjects)) for item in objects(fields, "results", 1000)),
            environment=fields.mapping("environment"),
            warnings=texts(fields, "warnings"),
            checks=_read_checks(fields),
            judged=None if data.get("judged") is None else Judged.read(fields.inner("judged"), len(subjects)),
            absent=tuple(Absent.read(item) for item in fields.each("absent", MOST_ABSENT, optional=True)),
            unfinished=texts(fields, "unfinished", optional=True),
        )
        if not record.subjects or not record.results:
            raise RecordError(f"{where} holds no measurement")
        return record

    def to_text(self) -> str:
        """JSON for a file: indented, but each list of numbers on one line."""
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False)
        # A line break right after the bracket cannot be inside a JSON text.
        return re.sub(r"\[\n[-\d.,e\s]+\]", lambda found: " ".join(found[0].split()), text) + "\n"

    def write(self, path: str | Path) -> None:
        """Write the record, whole or not at all. Raises UserError when that is not possible."""
        write_atomically(path, self.to_text().encode())


def read_record(path: str | Path) -> Record:
    """Read and check a record file. Raises RecordError with one line that says what is wrong; a prediction is none."""
    return Record.from_json(read_json(Path(path), MOST_BYTES, RecordError), str(path))


def _read_checks(fields: Fields) -> tuple[Check, ...]:
    raw = fields.sequence("checks", 1000, optional=True)
    items = fields.each("checks", 1000, optional=True)
    return tuple(Check.read(item, each.get("found", 0)) for item, each in zip(items, raw, strict=True))


def _from_schema_1(data: Any) -> dict[str, Any]:
    """The same in schema 2, as far as it is there: what is missing or of a wrong type is left for the checks."""
    settings, results = data.get("settings"), data.get("results")
    if not isinstance(settings, dict) or not isinstance(results, list):
        return data
    shared = {name: settings[name] for name in ("threads", "cpus") if name in settings}
    return {
        **data,
        "settings": {**settings, "threads": [settings.get("threads")]},
        "results": [{**shared, **result} if isinstance(result, dict) else result for result in results],
    }


def _read_time(fields: Fields) -> str:
    created = fields.text("created", 40)
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created):
        raise fields.fail("created", "must be a UTC time such as 2026-01-31T12:00:00Z")
    return created

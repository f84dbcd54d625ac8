"""The record of a benchmark: a JSON file with every sample, what was measured, on what, and how.

Records are written by the tool and never edited: reading one checks its schema and that its percentiles are those of
its samples.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.job import PARTS
from benchmarks.measure import MOST_RUNS
from benchmarks.statistics import percentiles
from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json

SCHEMA = 1
KINDS = ("bundle", "teacher")
MOST_BYTES = 256 * 2**20
#: Digits after the point of a time in milliseconds: a tenth of a microsecond.
DIGITS = 4


class RecordError(UserError):
    """A record that is damaged, edited, or of another schema."""


@dataclass(frozen=True)
class GraphFile:
    """A graph file of a bundle."""

    role: str
    precision: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Subject:
    """What was measured. ``manifest_sha256`` and ``graphs`` are for bundles; a teacher has None and none.

    ``quality`` is what the bundle's manifest says of its pictures: scores on held-back pairs, beside its teacher's.
    """

    kind: str
    name: str
    description: str
    engine: str
    engine_version: str
    providers: tuple[str, ...]
    manifest_sha256: str | None
    graphs: tuple[GraphFile, ...]
    quality: dict[str, Any] = field(default_factory=dict)

    @property
    def graph_bytes(self) -> int | None:
        """Size of all graphs together, or None without any."""
        return sum(graph.bytes for graph in self.graphs) if self.graphs else None


@dataclass(frozen=True)
class Start:
    """A fresh process with one subject: loading, the first run, and the most memory over a few runs.

    ``baseline_bytes`` is what Python with numpy and Pillow held before; None where the system does not tell.
    """

    subject: int
    load_ms: float
    first_ms: float
    baseline_bytes: int | None
    peak_bytes: int | None

    @property
    def above_baseline_bytes(self) -> int | None:
        """What the subject and its engine added."""
        if self.peak_bytes is None or self.baseline_bytes is None:
            return None
        return self.peak_bytes - self.baseline_bytes


@dataclass(frozen=True)
class Timing:
    """Samples in milliseconds, in the order of time, of one part (see PARTS) of one subject.

    ``low_ms`` and ``high_ms`` bound the median with 95 % confidence. ``steady`` and ``shortened`` as in
    ``benchmarks.measure.Series``.
    """

    subject: int
    part: str
    steady: bool
    shortened: bool
    low_ms: float
    high_ms: float
    warmup_ms: tuple[float, ...]
    samples_ms: tuple[float, ...]

    @cached_property
    def percentiles_ms(self) -> tuple[float, float, float]:
        """p50, p90 and p99."""
        p50, p90, p99 = percentiles(self.samples_ms)
        return round(p50, DIGITS), round(p90, DIGITS), round(p99, DIGITS)

    @property
    def pictures_per_second(self) -> float:
        """From the median."""
        return 1000 / self.percentiles_ms[0]


@dataclass(frozen=True)
class Ratio:
    """Median of ``part`` of ``slower`` over that of ``faster`` (subject numbers), with its 95 % interval.

    "Slower" is what it is expected to be; a value below 1 says that it is the faster one.
    """

    part: str
    slower: int
    faster: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SizeResult:
    """All that was measured at one picture size, in pixels."""

    width: int
    height: int
    starts: tuple[Start, ...]
    timings: tuple[Timing, ...]
    ratios: tuple[Ratio, ...]
    stolen: float | None


@dataclass(frozen=True)
class Settings:
    """What was asked for. ``cpus`` are the CPUs the processes were pinned to, or None where that is not possible."""

    threads: int
    cpus: tuple[int, ...] | None
    runs: int
    seconds: float


@dataclass(frozen=True)
class Record:
    """A whole benchmark. ``environment`` holds the machine, the package versions and the load before the start."""

    created: str
    command: tuple[str, ...]
    settings: Settings
    subjects: tuple[Subject, ...]
    results: tuple[SizeResult, ...]
    environment: dict[str, Any]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON data, with the derived numbers that readers want beside the samples."""
        data = {"schema": SCHEMA, "kind": "measured", **asdict(self)}
        for result, shown in zip(self.results, data["results"], strict=True):
            for timing, target in zip(result.timings, shown["timings"], strict=True):
                samples = target.pop("samples_ms"), target.pop("warmup_ms")
                target.update(zip(("p50_ms", "p90_ms", "p99_ms"), timing.percentiles_ms, strict=True))
                target["samples_ms"], target["warmup_ms"] = samples
        return json.loads(json.dumps(data, allow_nan=False))

    @classmethod
    def from_json(cls, data: object, where: str = "record") -> Record:
        """Check ``data``, a parsed record. Raises RecordError for the first thing that is wrong."""
        fields = Fields(data, where, RecordError)
        schema = fields.integer("schema", 1, 10**6)
        if schema != SCHEMA:
            raise RecordError(
                f"{where} has schema {schema}, not {SCHEMA}: use the brushlet that wrote it, or measure again"
            )
        fields.choice("kind", ("measured",))
        subjects = tuple(_read_subject(*item) for item in _objects(fields, "subjects", 16))
        record = cls(
            created=_read_time(fields),
            command=_texts(fields, "command"),
            settings=_read_settings(fields.inner("settings"), fields.mapping("settings")),
            subjects=subjects,
            results=tuple(_read_result(*item, len(subjects)) for item in _objects(fields, "results", 1000)),
            environment=fields.mapping("environment"),
            warnings=_texts(fields, "warnings"),
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
    """Read and check a record file. Raises RecordError with one line that says what is wrong."""
    return Record.from_json(read_json(Path(path), MOST_BYTES, RecordError), str(path))


Raw = dict[str, Any]


def _read_subject(fields: Fields, raw: Raw) -> Subject:
    return Subject(
        kind=fields.choice("kind", KINDS),
        name=fields.text("name"),
        description=fields.text("description", 2000),
        engine=fields.text("engine"),
        engine_version=fields.text("engine_version"),
        providers=_texts(fields, "providers"),
        manifest_sha256=_unless_null(raw, "manifest_sha256", lambda name: fields.text(name, 64)),
        graphs=tuple(_read_graph(item) for item in fields.each("graphs", 256)),
        quality=fields.mapping("quality", optional=True),
    )


def _read_graph(fields: Fields) -> GraphFile:
    return GraphFile(
        role=fields.text("role"),
        precision=fields.text("precision"),
        file=fields.text("file", 400),
        bytes=fields.integer("bytes", 1, 2**40),
        sha256=fields.text("sha256", 64),
    )


def _read_settings(fields: Fields, raw: Raw) -> Settings:
    return Settings(
        threads=fields.integer("threads", 1, 4096),
        cpus=_unless_null(raw, "cpus", lambda name: _numbers(fields, name, 4096, int)),
        runs=fields.integer("runs", 1, MOST_RUNS),
        seconds=fields.number("seconds", 0, 1e6),
    )


def _read_result(fields: Fields, raw: Raw, subjects: int) -> SizeResult:
    result = SizeResult(
        width=fields.integer("width", 1, 2**20),
        height=fields.integer("height", 1, 2**20),
        starts=tuple(_read_start(*item, subjects) for item in _objects(fields, "starts", 16)),
        timings=tuple(_read_timing(item, subjects) for item in fields.each("timings", 64)),
        ratios=tuple(_read_ratio(item, subjects) for item in fields.each("ratios", 64)),
        stolen=_unless_null(raw, "stolen", lambda name: fields.number(name, 0, 1)),
    )
    if not result.timings:
        raise fields.fail("timings", "must hold at least one measurement")
    return result


def _read_start(fields: Fields, raw: Raw, subjects: int) -> Start:
    return Start(
        subject=fields.integer("subject", 0, subjects - 1),
        load_ms=fields.number("load_ms", 0, 1e9),
        first_ms=fields.number("first_ms", 0, 1e9),
        baseline_bytes=_unless_null(raw, "baseline_bytes", lambda name: fields.integer(name, 0, 2**50)),
        peak_bytes=_unless_null(raw, "peak_bytes", lambda name: fields.integer(name, 0, 2**50)),
    )


def _read_timing(fields: Fields, subjects: int) -> Timing:
    timing = Timing(
        subject=fields.integer("subject", 0, subjects - 1),
        part=fields.choice("part", tuple(PARTS)),
        steady=fields.boolean("steady"),
        shortened=fields.boolean("shortened"),
        low_ms=fields.number("low_ms", 0, 1e9),
        high_ms=fields.number("high_ms", 0, 1e9),
        warmup_ms=_numbers(fields, "warmup_ms", MOST_RUNS, float),
        samples_ms=_numbers(fields, "samples_ms", 2 * MOST_RUNS, float),
    )
    if timing.percentiles_ms[0] <= 0:
        raise fields.fail("samples_ms", "must have a median above 0")
    stored = [fields.number(name, 0, 1e9) for name in ("p50_ms", "p90_ms", "p99_ms")]
    if not all(math.isclose(a, b, abs_tol=2 * 10**-DIGITS) for a, b in zip(stored, timing.percentiles_ms, strict=True)):
        raise fields.fail("p50_ms", "and the other percentiles are not those of the samples: the record was changed")
    return timing


def _read_ratio(fields: Fields, subjects: int) -> Ratio:
    return Ratio(
        part=fields.choice("part", tuple(PARTS)),
        slower=fields.integer("slower", 0, subjects - 1),
        faster=fields.integer("faster", 0, subjects - 1),
        value=fields.number("value", 0, 1e9),
        low=fields.number("low", 0, 1e9),
        high=fields.number("high", 0, 1e9),
    )


def _numbers(fields: Fields, name: str, most: int, kind: type) -> tuple[Any, ...]:
    """A list of at least one number from 0."""
    values = fields.sequence(name, most)
    if not values or not all(type(value) in (int, kind) and 0 <= value <= 1e9 for value in values):
        raise fields.fail(name, "must be a list of at least one number, none below 0")
    return tuple(kind(value) for value in values)


def _read_time(fields: Fields) -> str:
    created = fields.text("created", 40)
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created):
        raise fields.fail("created", "must be a UTC time such as 2026-01-31T12:00:00Z")
    return created


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    values = fields.sequence(name, 1000)
    if not all(isinstance(value, str) for value in values):
        raise fields.fail(name, "must be a list of texts")
    return tuple(values)


def _objects(fields: Fields, name: str, most: int) -> list[tuple[Fields, Raw]]:
    """The objects of a list, each for checked access and as it is."""
    return list(zip(fields.each(name, most), fields.sequence(name, most), strict=True))


def _unless_null(raw: Raw, name: str, read: Callable[[str], Any]) -> Any:
    """None for a JSON null, else what ``read`` makes of the field; an absent field is for ``read`` to refuse."""
    return None if raw.get(name, 0) is None else read(name)

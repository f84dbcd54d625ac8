"""What a record is made of, and how each piece is read back from JSON, checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmarks.energy import Energy, read_watch
from benchmarks.job import PARTS
from benchmarks.measure import MOST_RUNS
from benchmarks.statistics import percentiles
from benchmarks.together import MOST_TOGETHER
from devices.power import Watch
from runtime.json_fields import Fields

KINDS = ("bundle", "teacher", "peer")
#: Digits after the point of a time in milliseconds: a tenth of a microsecond.
DIGITS = 4
MOST_SUBJECTS = 64
Raw = dict[str, Any]


@dataclass(frozen=True)
class GraphFile:
    """A graph file that was run."""

    role: str
    precision: str
    file: str
    bytes: int
    sha256: str

    @classmethod
    def read(cls, fields: Fields) -> GraphFile:
        return cls(
            role=fields.text("role"),
            precision=fields.text("precision"),
            file=fields.text("file", 400),
            bytes=fields.integer("bytes", 1, 2**40),
            sha256=fields.text("sha256", 64),
        )


@dataclass(frozen=True)
class Subject:
    """What was measured.

    Attributes:
        precision: of the paint graph; "fp32" for a teacher.
        manifest_sha256: for bundles only.
        graphs: the files that this engine and precision run; none for a teacher in torch.
        quality: what the bundle's manifest says of its pictures: scores on held-back pairs, beside its teacher's.
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
    precision: str = "fp32"

    @property
    def graph_bytes(self) -> int | None:
        """Size of all graphs together, or None without any."""
        return sum(graph.bytes for graph in self.graphs) if self.graphs else None

    @classmethod
    def read(cls, fields: Fields, raw: Raw) -> Subject:
        return cls(
            kind=fields.choice("kind", KINDS),
            name=fields.text("name"),
            description=fields.text("description", 2000),
            engine=fields.text("engine"),
            engine_version=fields.text("engine_version"),
            providers=texts(fields, "providers"),
            manifest_sha256=unless_null(raw, "manifest_sha256", lambda name: fields.text(name, 64)),
            graphs=tuple(GraphFile.read(item) for item in fields.each("graphs", 256)),
            quality=fields.mapping("quality", optional=True),
            precision=fields.text("precision", 40, optional=True) or "fp32",
        )


@dataclass(frozen=True)
class Start:
    """A fresh process with one subject: loading, the first run, and the most memory over a few runs.

    ``baseline_bytes`` is what Python with numpy and Pillow held before; None where the system does not tell.
    ``gpu_bytes`` is by how much the memory in use on the NVIDIA GPUs grew, what the driver itself needs included; None
    where the engine uses none.
    """

    subject: int
    load_ms: float
    first_ms: float
    baseline_bytes: int | None
    peak_bytes: int | None
    gpu_bytes: int | None = None

    @property
    def above_baseline_bytes(self) -> int | None:
        """What the subject and its engine added."""
        if self.peak_bytes is None or self.baseline_bytes is None:
            return None
        return self.peak_bytes - self.baseline_bytes

    @classmethod
    def read(cls, fields: Fields, raw: Raw, subjects: int) -> Start:
        return cls(
            subject=fields.integer("subject", 0, subjects - 1),
            load_ms=fields.number("load_ms", 0, 1e9),
            first_ms=fields.number("first_ms", 0, 1e9),
            baseline_bytes=unless_null(raw, "baseline_bytes", lambda name: fields.integer(name, 0, 2**50)),
            peak_bytes=unless_null(raw, "peak_bytes", lambda name: fields.integer(name, 0, 2**50)),
            gpu_bytes=if_present(raw, "gpu_bytes", lambda name: fields.integer(name, 0, 2**50)),
        )


@dataclass(frozen=True)
class Timing:
    """Samples in milliseconds, in the order of time, of one part (see PARTS) of one subject.

    ``low_ms`` and ``high_ms`` bound the median with 95 % confidence. ``steady`` and ``shortened`` as in
    ``benchmarks.measure.Series``. A sample is the time of ``batch`` pictures that were handed over at once.
    ``stages_ms`` are the medians of what a run goes through, by name, where that was looked at (the part "files").
    """

    subject: int
    part: str
    steady: bool
    shortened: bool
    low_ms: float
    high_ms: float
    warmup_ms: tuple[float, ...]
    samples_ms: tuple[float, ...]
    batch: int = 1
    stages_ms: dict[str, float] = field(default_factory=dict)

    @cached_property
    def percentiles_ms(self) -> tuple[float, float, float]:
        """p50, p90 and p99."""
        p50, p90, p99 = percentiles(self.samples_ms)
        return round(p50, DIGITS), round(p90, DIGITS), round(p99, DIGITS)

    @property
    def pictures_per_second(self) -> float:
        """From the median."""
        return self.batch * 1000 / self.percentiles_ms[0]

    @classmethod
    def read(cls, fields: Fields, raw: Raw, subjects: int) -> Timing:
        timing = cls(
            subject=fields.integer("subject", 0, subjects - 1),
            part=fields.choice("part", tuple(PARTS)),
            steady=fields.boolean("steady"),
            shortened=fields.boolean("shortened"),
            low_ms=fields.number("low_ms", 0, 1e9),
            high_ms=fields.number("high_ms", 0, 1e9),
            warmup_ms=numbers(fields, "warmup_ms", MOST_RUNS, float),
            samples_ms=numbers(fields, "samples_ms", 2 * MOST_RUNS, float),
            batch=if_present(raw, "batch", lambda name: fields.integer(name, 1, MOST_TOGETHER)) or 1,
            stages_ms=_read_stages(fields),
        )
        if timing.percentiles_ms[0] <= 0:
            raise fields.fail("samples_ms", "must have a median above 0")
        stored = [fields.number(name, 0, 1e9) for name in ("p50_ms", "p90_ms", "p99_ms")]
        for value, own in zip(stored, timing.percentiles_ms, strict=True):
            if not math.isclose(value, own, abs_tol=2 * 10**-DIGITS):
                raise fields.fail(
                    "p50_ms", "and the other percentiles are not those of the samples: the record was changed"
                )
        return timing


@dataclass(frozen=True)
class Ratio:
    """Median of ``part`` of ``slower`` over that of ``faster`` (subject numbers), with its 95 % interval.

    "Faster" is the first subject, whatever came out: a value below 1 says that the other one takes less time.
    """

    part: str
    slower: int
    faster: int
    value: float
    low: float
    high: float

    @classmethod
    def read(cls, fields: Fields, subjects: int) -> Ratio:
        return cls(
            part=fields.choice("part", tuple(PARTS)),
            slower=fields.integer("slower", 0, subjects - 1),
            faster=fields.integer("faster", 0, subjects - 1),
            value=fields.number("value", 0, 1e9),
            low=fields.number("low", 0, 1e9),
            high=fields.number("high", 0, 1e9),
        )


@dataclass(frozen=True)
class Settings:
    """What was asked for: numbers of threads, and at least so many runs and seconds for each row."""

    threads: tuple[int, ...]
    runs: int
    seconds: float

    @classmethod
    def read(cls, fields: Fields) -> Settings:
        return cls(
            threads=numbers(fields, "threads", 64, int),
            runs=fields.integer("runs", 1, MOST_RUNS),
            seconds=fields.number("seconds", 0, 1e6),
        )


@dataclass(frozen=True)
class SizeResult:
    """All that was measured at one picture size, in pixels, with one number of threads.

    Attributes:
        cpus: the CPUs the processes were pinned to, or None where that is not possible.
        stolen: share of the machine's time that the hypervisor gave to others meanwhile, None where nothing tells.
        macs: multiplications with addition of one content pass, by subject; None where they were not counted. Empty
            where nobody asked.
        others: share of the CPUs' time that other processes took meanwhile, None where the system does not tell.
        watch: what the sensors said while the latencies were measured, all subjects in turns; None without a look.
        energies: of subjects that ran alone; empty where no sensor tells power.
    """

    width: int
    height: int
    threads: int
    cpus: tuple[int, ...] | None
    starts: tuple[Start, ...]
    timings: tuple[Timing, ...]
    ratios: tuple[Ratio, ...]
    stolen: float | None
    macs: tuple[int | None, ...] = ()
    others: float | None = None
    watch: Watch | None = None
    energies: tuple[Energy, ...] = ()

    @property
    def batch(self) -> int:
        """How many pictures were handed over at once; the same in all timings."""
        return self.timings[0].batch

    def timing(self, subject: int, part: str) -> Timing | None:
        """That part of that subject, or None where it was not measured."""
        return next((timing for timing in self.timings if (timing.subject, timing.part) == (subject, part)), None)

    def start(self, subject: int) -> Start | None:
        """The start of that subject, or None where it was not measured."""
        return next((start for start in self.starts if start.subject == subject), None)

    @classmethod
    def read(cls, fields: Fields, raw: Raw, subjects: int) -> SizeResult:
        result = cls(
            width=fields.integer("width", 1, 2**20),
            height=fields.integer("height", 1, 2**20),
            threads=fields.integer("threads", 1, 4096),
            cpus=unless_null(raw, "cpus", lambda name: numbers(fields, name, 4096, int)),
            starts=tuple(Start.read(*item, subjects) for item in objects(fields, "starts", MOST_SUBJECTS)),
            timings=tuple(Timing.read(*item, subjects) for item in objects(fields, "timings", 4 * MOST_SUBJECTS)),
            ratios=tuple(Ratio.read(item, subjects) for item in fields.each("ratios", 4 * MOST_SUBJECTS)),
            stolen=unless_null(raw, "stolen", lambda name: fields.number(name, 0, 1)),
            macs=_read_macs(fields, subjects),
            others=if_present(raw, "others", lambda name: fields.number(name, 0, 1)),
            watch=None if raw.get("watch") is None else read_watch(fields.inner("watch"), raw["watch"]),
            energies=tuple(Energy.read(*item, subjects) for item in _energies(fields, raw)),
        )
        if not result.timings:
            raise fields.fail("timings", "must hold at least one measurement")
        if len({timing.batch for timing in result.timings}) > 1:
            raise fields.fail("timings", "must all have one 'batch'")
        return result


def _energies(fields: Fields, raw: Raw) -> list[tuple[Fields, Raw]]:
    """None in records of schema 1 and 2."""
    return objects(fields, "energies", MOST_SUBJECTS) if "energies" in raw else []


def _read_macs(fields: Fields, subjects: int) -> tuple[int | None, ...]:
    values = fields.sequence("macs", MOST_SUBJECTS, optional=True)
    if values and len(values) != subjects:
        raise fields.fail("macs", f"must have one entry for each of the {subjects} subjects")
    if not all(value is None or (type(value) is int and value >= 0) for value in values):
        raise fields.fail("macs", "must hold whole numbers from 0 and nulls")
    return tuple(values)


def _read_stages(fields: Fields) -> dict[str, float]:
    stages = fields.mapping("stages_ms", optional=True)
    if len(stages) > 20 or not all(type(ms) in (int, float) and 0 <= ms <= 1e9 for ms in stages.values()):
        raise fields.fail("stages_ms", "must hold a few numbers, none below 0")
    return stages


def numbers(fields: Fields, name: str, most: int, kind: type) -> tuple[Any, ...]:
    """A list of at least one number from 0."""
    values = fields.sequence(name, most)
    if not values or not all(type(value) in (int, kind) and 0 <= value <= 1e9 for value in values):
        raise fields.fail(name, "must be a list of at least one number, none below 0")
    return tuple(kind(value) for value in values)


def texts(fields: Fields, name: str, optional: bool = False) -> tuple[str, ...]:
    """A list of strings; an absent optional one is empty."""
    values = fields.sequence(name, 1000, optional)
    if not all(isinstance(value, str) for value in values):
        raise fields.fail(name, "must be a list of texts")
    return tuple(values)


def objects(fields: Fields, name: str, most: int) -> list[tuple[Fields, Raw]]:
    """The objects of a list, each for checked access and as it is."""
    return list(zip(fields.each(name, most), fields.sequence(name, most), strict=True))


def unless_null(raw: Raw, name: str, read: Callable[[str], Any]) -> Any:
    """None for a JSON null, else what ``read`` makes of the field; an absent field is for ``read`` to refuse."""
    return None if raw.get(name, 0) is None else read(name)


def if_present(raw: Raw, name: str, read: Callable[[str], Any]) -> Any:
    """The same, and None for an absent field: it is newer than the schema's first records."""
    return None if raw.get(name) is None else read(name)

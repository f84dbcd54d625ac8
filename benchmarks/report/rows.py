"""What records and predictions hold, one row for each part of each subject at each size: for tables, CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.judged import ARTEFACTS
from benchmarks.measurements import SizeResult, Timing
from benchmarks.record import Record
from benchmarks.report.gather import Foretold, Gathered, Source
from benchmarks.report.plain_text import inner, plain


@dataclass(frozen=True)
class Row:
    """Latencies in milliseconds with the 95 % interval of the median, sizes in pixels, memory in MB, files in kB,
    energy in joules a picture, and power in watts while running.

    What belongs to a subject as a whole (memory, losses, artefacts …) is repeated in the rows of all its parts. None
    stands for what was not measured. ``number`` is the subject's in its record.

    In a prediction p50 is what is predicted, its interval how sure that is, and no engine is faster than ``bound_ms``.
    """

    file: str
    created: str
    kind: str
    device: str
    number: int
    name: str
    subject: str
    engine: str
    engine_version: str
    precision: str
    width: int
    height: int
    threads: int | None
    batch: int
    part: str
    runs: int
    steady: bool
    p50_ms: float
    low_ms: float
    high_ms: float
    p90_ms: float | None
    p99_ms: float | None
    bound_ms: float | None
    load_ms: float | None
    first_ms: float | None
    peak_mb: float | None
    graphs_kb: float | None
    gmac: float | None
    energy_j: float | None
    above_idle_j: float | None
    power_w: float | None
    throttled: str | None
    content_loss: float | None
    style_loss: float | None
    ssim: float | None
    lattice: float | None = None
    border: float | None = None
    flat: float | None = None
    bleeding: float | None = None


def rows(gathered: Gathered) -> Iterator[Row]:
    """In the order of the records, then what was predicted."""
    for source in gathered.sources:
        for result in source.record.results:
            for timing in result.timings:
                yield _row(source, result, timing)
    for foretold in gathered.foretold:
        yield from _predicted(foretold)


def device_name(record: Record) -> str:
    """What the record calls its machine."""
    return plain(inner(record.environment, "machine").get("name"), 80) or "an unknown machine"


def foretold_device(foretold: Foretold) -> str:
    """What the catalogue calls the machine that a prediction is of."""
    return plain(foretold.prediction.title, 80)


def _row(source: Source, result: SizeResult, timing: Timing) -> Row:
    record, number = source.record, timing.subject
    subject, start = record.subjects[number], result.start(number)
    score = record.judged.score(number) if record.judged else None
    macs = result.macs[number] if result.macs else None
    p50, p90, p99 = timing.percentiles_ms
    energies = result.energies
    energy = next((each for each in energies if (each.subject, each.part) == (number, timing.part)), None)
    return Row(
        file=source.file,
        created=record.created,
        kind="measured",
        device=device_name(record),
        number=number,
        name=plain(subject.name, 80),
        subject=subject.kind,
        engine=plain(subject.engine, 40),
        engine_version=plain(subject.engine_version.split("-")[0], 40),
        precision=plain(subject.precision, 40),
        width=result.width,
        height=result.height,
        threads=result.threads,
        batch=timing.batch,
        part=timing.part,
        runs=len(timing.samples_ms),
        steady=timing.steady,
        p50_ms=p50,
        low_ms=timing.low_ms,
        high_ms=timing.high_ms,
        p90_ms=p90,
        p99_ms=p99,
        bound_ms=None,
        load_ms=start.load_ms if start else None,
        first_ms=start.first_ms if start else None,
        peak_mb=_divided(start.peak_bytes if start else None, 1e6),
        graphs_kb=_divided(subject.graph_bytes, 1e3),
        gmac=_divided(macs, 1e9),
        energy_j=energy.total_j if energy else None,
        above_idle_j=energy.above_idle_j if energy else None,
        power_w=energy.running.total_w if energy else None,
        throttled=_throttled(result),
        content_loss=score.content if score else None,
        style_loss=score.style if score else None,
        ssim=score.ssim if score else None,
        **{name: value for name, value in ((score and score.artefacts) or {}).items() if name in ARTEFACTS},
    )


def _predicted(foretold: Foretold) -> Iterator[Row]:
    """A prediction is of the paint graph alone."""
    prediction = foretold.prediction
    unknown = ("p90_ms", "p99_ms", "load_ms", "first_ms", "peak_mb", "graphs_kb", "energy_j", "above_idle_j", "power_w")
    unknown += ("throttled", "content_loss", "style_loss", "ssim")
    for number, row in enumerate(prediction.rows):
        yield Row(
            file=foretold.file,
            created=prediction.created,
            kind="predicted",
            device=foretold_device(foretold),
            number=number,
            name=plain(prediction.bundle, 80),
            subject="bundle",
            engine=plain(prediction.engine, 40),
            engine_version="",
            precision=plain(row.precision, 40),
            width=row.width,
            height=row.height,
            threads=row.threads,
            batch=1,
            part="model",
            runs=0,
            steady=True,
            p50_ms=row.forecast.predicted_ms,
            low_ms=row.forecast.low_ms,
            high_ms=row.forecast.high_ms,
            bound_ms=row.forecast.bound_ms,
            gmac=_divided(row.macs, 1e9),
            **dict.fromkeys(unknown),
        )


def _throttled(result: SizeResult) -> str | None:
    """Why the machine slowed itself down meanwhile; "no" where it says that it did not, None where it does not tell."""
    reasons = result.watch.throttled if result.watch else None
    return None if reasons is None else plain(", ".join(reasons), 120) or "no"


def _divided(number: int | None, unit: float) -> float | None:
    return None if number is None else round(number / unit, 4)

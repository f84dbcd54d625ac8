"""Records to report: made up and quick to make, with whatever text and numbers a test asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.budget import Check
from benchmarks.judged import Judged, Score
from benchmarks.measurements import Ratio, Settings, SizeResult, Start, Subject, Timing
from benchmarks.record import Absent, Record
from benchmarks.report.gather import Source

#: Text that would become markup, a formula or a table's cell wherever it is not escaped.
HOSTILE = "=<script>alert(1)</script>|`\"'&"
MACHINE = {"name": "a board", "cpu": "a processor", "architecture": "aarch64", "logical_cpus": 4, "memory_bytes": 2**33}


def timing(subject: int, part: str, median: float, count: int = 40) -> Timing:
    """Samples around a median in milliseconds, always the same."""
    samples = tuple(np.round(median * np.random.default_rng(subject).lognormal(0, 0.1, count), 4).tolist())
    low, high = np.percentile(samples, [45, 55]).round(4).tolist()
    return Timing(subject, part, True, False, low, high, (3 * median, median), samples)


def result(size: int, medians: Sequence[float], threads: int = 2, count: int = 40) -> SizeResult:
    """Two parts of as many subjects as there are medians, the second one's ratio with them."""
    timings = [timing(n, "end_to_end", ms, count) for n, ms in enumerate(medians)]
    timings += [timing(n, "model", ms / 2, count) for n, ms in enumerate(medians)]
    return SizeResult(
        width=size,
        height=size,
        threads=threads,
        cpus=None,
        starts=tuple(Start(n, 100.0, 2 * ms, 10**7, 5 * 10**7) for n, ms in enumerate(medians)),
        timings=tuple(timings),
        ratios=(Ratio("end_to_end", 1, 0, 2.0, 1.8, 2.2),) if len(medians) > 1 else (),
        stolen=None,
    )


def subject(name: str, kind: str = "bundle", precision: str = "fp32") -> Subject:
    return Subject(kind, name, f"what {name} is", "onnxruntime", "1.32.0", (), "0" * 64, (), {}, precision)


def make_record(
    names: Sequence[str] = ("mine", "other"), sizes: Sequence[int] = (64,), judged: bool = False, count: int = 40
) -> Record:
    """The first name is a bundle in 10 ms at 64 pixels, the others are peers, each twice as slow as the one before."""
    medians = [10.0 * 2**n for n in range(len(names))]
    scores = tuple(Score(n, 1.0 + n, 0.8 - 0.1 * n, 0.7) for n in range(len(names)))
    return Record(
        created="2026-01-31T12:00:00Z",
        command=("brushlet", "bench", names[0]),
        settings=Settings((2,), 5, 1.0),
        subjects=tuple(subject(name, "peer" if n else "bundle") for n, name in enumerate(names)),
        results=tuple(result(size, [ms * size / 64 for ms in medians], count=count) for size in sizes),
        environment={"machine": MACHINE, "packages": {"python": "3.11"}},
        warnings=("other work keeps 1 of 2 CPUs busy",),
        checks=(Check("p90 end to end", "ms", 33.0, 41.2), Check("peak memory", "MB", 200.0, 50.0)),
        judged=Judged("vgg19", 4, 256, "photos", "paintings", 3.6, scores) if judged else None,
        absent=(Absent("absentee", "its weights are not there"),),
    )


def hostile_record() -> Record:
    """One whose every text is `HOSTILE`, as far as the reader of records lets it be."""
    record = make_record((HOSTILE, f"{HOSTILE}2"), judged=True)
    machine = {"name": HOSTILE, "cpu": HOSTILE * 2, "os": f"{HOSTILE}\n\u202e\x1b[31m", "memory_bytes": HOSTILE}
    return replace(
        record,
        command=(HOSTILE, "\ud800\x00\n"),
        environment={"machine": machine, HOSTILE: [HOSTILE, {"</pre>": "</pre>"}]},
        warnings=(HOSTILE, "two\nlines \u202e\x1b[2J"),
        checks=(Check(HOSTILE, HOSTILE[:20], 1.0, 2.0),),
        judged=replace(record.judged, judge=HOSTILE),
        absent=(Absent(HOSTILE, HOSTILE),),
    )


def source(record: Record, file: str = "record.json") -> Source:
    return Source(file, record)


def write(record: Record, path: Path) -> None:
    """As a stranger might: with text that `Record.write` has no bytes for."""
    path.write_text(json.dumps(record.to_json()))

"""Each network where it runs fastest: engine and precision may differ from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.measurements import SizeResult, Timing
from benchmarks.record import Record
from benchmarks.statistics import Interval, ratio_interval
from benchmarks.wording import heading, short, times


@dataclass(frozen=True)
class Best:
    """The subject's number, its content pass, and how many times as long it takes as the first network's best."""

    subject: int
    timing: Timing
    ratio: Interval


def best_engines(record: Record, result: SizeResult) -> list[Best]:
    """Of each network the subject whose content pass is fastest at p50, in the record's order."""
    fastest: dict[tuple[str, str], Timing] = {}
    for number, subject in enumerate(record.subjects):
        timing, key = result.timing(number, "end_to_end"), (subject.kind, subject.name)
        if timing and (key not in fastest or timing.percentiles_ms[0] < fastest[key].percentiles_ms[0]):
            fastest[key] = timing
    first = next(iter(fastest.values()), None)
    return [
        Best(timing.subject, timing, ratio_interval(timing.samples_ms, first.samples_ms)) for timing in fastest.values()
    ]


def best_lines(record: Record) -> Iterator[str]:
    """A sentence for each size, where a network was measured in more than one engine or precision."""
    networks = {(subject.kind, subject.name) for subject in record.subjects if subject.kind != "teacher"}
    if len(networks) in (1, sum(subject.kind != "teacher" for subject in record.subjects)):
        return
    for result in record.results:
        first, *others = best_engines(record, result)
        said = [_found(record, first), *(f"{_found(record, best)}, {_times(best.ratio)}" for best in others)]
        yield f"each in its fastest engine and precision at {heading(record, result)}: {'; '.join(said)}"


def _found(record: Record, best: Best) -> str:
    subject = record.subjects[best.subject]
    return f"{subject.name} {short(best.timing.percentiles_ms[0])} ms ({subject.engine} {subject.precision})"


def _times(ratio: Interval) -> str:
    return f"{times(ratio.value)}x ({times(ratio.low)} to {times(ratio.high)})"

"""What samples of an interval say: power by rail, and how far clocks and temperatures moved."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devices.power.reading import Reading
from devices.power.sampler import Sample

#: Digits after the point of watts, MHz, degrees and seconds: more than any sensor has.
DIGITS = 4


@dataclass(frozen=True)
class Rail:
    """Power of a rail in watts. ``whole`` says that it is part of the total, and part of no other such rail."""

    name: str
    mean_w: float
    peak_w: float
    whole: bool


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most of a clock in MHz, or of a temperature in degrees Celsius."""

    name: str
    least: float
    median: float
    most: float


@dataclass(frozen=True)
class Watch:
    """What the sensors said over an interval of ``seconds``; what nothing told is empty.

    Attributes:
        samples: how many looks it was.
        throttled: why clocks were held down at some time; empty where they were not, None where nothing could tell.
    """

    seconds: float
    samples: int
    rails: tuple[Rail, ...]
    clocks: tuple[Spread, ...]
    temperatures: tuple[Spread, ...]
    throttled: tuple[str, ...] | None

    @property
    def total_w(self) -> float | None:
        """Mean power of everything that is measured, None without a rail."""
        whole = [rail.mean_w for rail in self.rails if rail.whole]
        return sum(whole) if whole else None


def summarize(samples: Sequence[Sample], seconds: float) -> Watch:
    """Samples at a steady pace over ``seconds``. Means are of the samples; a rail's peak is its greatest one."""
    whole = {name for sample in samples for name in sample.reading.whole}
    reasons = [sample.reading.throttled for sample in samples if sample.reading.throttled is not None]
    return Watch(
        seconds=round(seconds, DIGITS),
        samples=len(samples),
        rails=tuple(
            Rail(name, round(statistics.fmean(values), DIGITS), round(max(values), DIGITS), name in whole)
            for name, values in _series(samples, lambda reading: reading.watts).items()
        ),
        clocks=_spreads(_series(samples, lambda reading: reading.megahertz)),
        temperatures=_spreads(_series(samples, lambda reading: reading.celsius)),
        throttled=tuple(dict.fromkeys(reason for each in reasons for reason in each)) if reasons else None,
    )


def _series(samples: Sequence[Sample], pick: Callable[[Reading], dict[str, float]]) -> dict[str, list[float]]:
    series: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in pick(sample.reading).items():
            series.setdefault(name, []).append(value)
    return series


def _spreads(series: dict[str, list[float]]) -> tuple[Spread, ...]:
    return tuple(
        Spread(name, *(round(number, DIGITS) for number in (min(values), statistics.median(values), max(values))))
        for name, values in series.items()
    )

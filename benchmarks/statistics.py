"""Percentiles of latency samples, and how far a median or a ratio of medians can be trusted.

The intervals come from a moving-block bootstrap: blocks of neighbouring samples are drawn instead of single ones,
because neighbours in time resemble each other. They say how a repetition within the same run would scatter, not how
another day, temperature or machine would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95
#: A change from a series' first third to its last is told when it is above this, and each third has so many samples.
DRIFT, FEWEST_FOR_DRIFT = 0.1, 5
#: Numbers drawn at once; bounds memory for long series.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its confidence interval; ``low`` <= ``high``."""

    value: float
    low: float
    high: float


def percentiles(samples: ArrayLike, which: Sequence[float] = (50, 90, 99)) -> tuple[float, ...]:
    """Percentiles, interpolated linearly between samples. Raises ValueError without finite samples."""
    return tuple(float(value) for value in np.percentile(_checked(samples), which))


def median_interval(samples: ArrayLike, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The median and its bootstrap interval. Raises ValueError without finite samples."""
    values = _checked(samples)
    return _interval(float(np.median(values)), _bootstrap_medians(values, np.random.default_rng(seed)), confidence)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """Ratio of the medians of two series, with its bootstrap interval.

    The two are resampled independently: where a drift of the machine moved both alike, the interval is too wide
    rather than too narrow. Raises ValueError without finite samples, or where the denominator is not above 0.
    """
    above, below = _checked(numerator), _checked(denominator)
    if below.min() <= 0:
        raise ValueError("the denominator's samples must be above 0")
    rng = np.random.default_rng(seed)
    ratios = _bootstrap_medians(above, rng) / _bootstrap_medians(below, rng)
    return _interval(float(np.median(above) / np.median(below)), ratios, confidence)


def drift(samples: Sequence[float]) -> float | None:
    """The median of the last third over that of the first, where they certainly differ by more than DRIFT; else None.

    A subject whose speed changes while it is measured (a processor that grows hot, say) has no one median.
    """
    third = len(samples) // 3
    if third < FEWEST_FOR_DRIFT or _within(float(np.median(samples[-third:]) / np.median(samples[:third]))):
        return None
    change = ratio_interval(samples[-third:], samples[:third])
    return None if change.low <= 1 + DRIFT and change.high >= 1 / (1 + DRIFT) else change.value


def _within(change: float) -> bool:
    return 1 / (1 + DRIFT) <= change <= 1 + DRIFT


def _checked(samples: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError("statistics need a list of at least one finite sample")
    return values


def _bootstrap_medians(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Medians of RESAMPLES block resamples of ``values``; the series is taken as a ring, so all samples weigh alike."""
    count = values.size
    block = max(1, round(count ** (1 / 3)))
    blocks = -(-count // block)
    rows = max(1, _CHUNK // (blocks * block))
    medians = []
    for start in range(0, RESAMPLES, rows):
        starts = rng.integers(0, count, size=(min(rows, RESAMPLES - start), blocks, 1))
        index = (starts + np.arange(block)) % count
        medians.append(np.median(values[index.reshape(len(index), -1)[:, :count]], axis=1))
    return np.concatenate(medians)


def _interval(value: float, resampled: NDArray[np.float64], confidence: float) -> Interval:
    tail = 50 * (1 - confidence)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Interval(value, float(low), float(high))

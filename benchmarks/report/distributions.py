"""Samples as drawings: how they spread, and how they came run after run.

Each drawing is an ``<svg>`` that is stretched to the width it gets and takes its colours from the page. It is made of
numbers only, so nothing in it has to be escaped.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurements import Timing
from benchmarks.report.axis import Axis

WIDTH, HEIGHT = 1000, 48
#: The curve stands on this line; the single samples lie below it.
_GROUND, _LOWEST = 30.0, 45.0
_BINS = 125
#: The range of the drawing of runs is at least this part of the median above and below it.
_LEAST_RANGE = 0.2


def spread(timing: Timing, axis: Axis, dots: int) -> str:
    """The density of all samples above up to ``dots`` of them, with median, its interval, p90 and p99."""
    places = WIDTH * axis.at(timing.samples_ms)
    p50, p90, p99 = (WIDTH * axis.at(timing.percentiles_ms)).tolist()
    low, high = (WIDTH * axis.at([timing.low_ms, timing.high_ms])).tolist()
    return _svg(
        _grid(axis),
        f'<path class="cloud" d="{_outline(places)}"/>',
        f'<path class="dots" d="{_points(places, dots)}"/>',
        f'<rect class="interval" x="{low:.1f}" y="4" width="{max(high - low, 0.5):.1f}" height="{_GROUND - 4:g}"/>',
        _upright("median", p50, 2, _LOWEST),
        _upright("tail", p90, 16, _LOWEST),
        _upright("tail", p99, 22, _LOWEST),
    )


def runs(timing: Timing, columns: int) -> str:
    """Warm-up, then the samples in their order: a line of up to ``columns`` points within the range around each."""
    low, high = shown_range(timing)
    warmup, samples = np.asarray(timing.warmup_ms), np.asarray(timing.samples_ms)
    share = min(0.35, max(0.06, len(warmup) / (len(warmup) + len(samples))))
    border = WIDTH * share

    def heights(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return HEIGHT - 3 - (HEIGHT - 6) * np.clip((values - low) / (high - low), 0, 1)

    bands = _columns(samples, columns)
    across = np.linspace(border + 6, WIDTH, len(bands)) if len(bands) > 1 else np.array([(border + WIDTH) / 2])
    least, middle, most = (heights(bands[:, each]) for each in range(3))
    around = [*zip(across, most, strict=True), *zip(across[::-1], least[::-1], strict=True)]
    early = _columns(warmup, columns // 2)[:, 1]
    begin = zip(np.linspace(0, border - 6, len(early)), heights(early), strict=True)
    return _svg(
        f'<path class="band" d="{_line(around)}Z"/>' if len(samples) > columns else "",
        f'<path class="warmup" d="{_line(begin)}h.1"/>',
        _upright("border", border, 0, HEIGHT),
        f'<path class="runs" d="{_line(zip(across, middle, strict=True))}h.1"/>',
    )


def shown_range(timing: Timing) -> tuple[float, float]:
    """The lowest and the highest milliseconds that ``runs`` draws; what is beyond is put at its edges."""
    p50, _, p99 = timing.percentiles_ms
    low = min(min(timing.samples_ms), p50 * (1 - _LEAST_RANGE))
    return low, max(1.1 * p99, p50 * (1 + _LEAST_RANGE))


def _outline(places: NDArray[np.float64]) -> str:
    """The curve of the density: a Gaussian kernel with Silverman's bandwidth over a fine histogram."""
    counts, edges = np.histogram(places, _BINS, range=(0, WIDTH))
    step = WIDTH / _BINS
    quartiles = np.percentile(places, [25, 75])
    width = 0.9 * min(places.std(), (quartiles[1] - quartiles[0]) / 1.34) * len(places) ** -0.2
    offsets = np.arange(-_BINS, _BINS + 1) * step
    density = np.convolve(counts, np.exp(-0.5 * (offsets / max(width, 0.7 * step)) ** 2), "same")
    density = density[(len(density) - _BINS) // 2 :][:_BINS]
    tall = (_GROUND - 2) * density / density.max()
    visible = np.flatnonzero(tall > 0.15)
    first, last = visible[0], visible[-1] + 1
    centres = (edges[:-1] + edges[1:]) / 2
    curve = zip(centres[first:last], _GROUND - tall[first:last], strict=True)
    return f"M{centres[first]:.0f} {_GROUND:g}L{_pairs(curve)}V{_GROUND:g}Z"


def _points(places: NDArray[np.float64], most: int) -> str:
    """Dots in a strip, so scattered that neighbours in rank are not on top of each other; both ends are among them."""
    ordered = np.sort(places)
    chosen = ordered[np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int))]
    lanes = (np.arange(len(chosen)) * 0.618034) % 1
    tops = _GROUND + 4 + (_LOWEST - _GROUND - 5) * lanes
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(chosen, tops, strict=True))


def _columns(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Least, middle and most of neighbouring values, (columns, 3)."""
    pieces = map(np.sort, np.array_split(values, min(most, len(values))))
    return np.array([(piece[0], piece[len(piece) // 2], piece[-1]) for piece in pieces])


def _grid(axis: Axis) -> str:
    return "".join(_upright("grid", WIDTH * place, 0, HEIGHT) for place, _ in axis.marks())


def _upright(name: str, x: float, top: float, bottom: float) -> str:
    return f'<path class="{name}" d="M{x:.1f} {top:g}V{bottom:g}"/>'


def _line(points: Iterable[tuple[float, float]]) -> str:
    return f"M{_pairs(points)}"


def _pairs(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.0f} {y:.1f}" for x, y in points)


def _svg(*content: str) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
    return f"{head}{''.join(content)}</svg>"

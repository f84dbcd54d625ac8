"""Palettes: a tensor's weights as indices into a table of 2, 4, 16, 64 or 256 values."""

from __future__ import annotations

import heapq

import numpy as np

_MOST_ROUNDS = 300
_LEAST_GAIN = 1e-18


def palette(weights: np.ndarray, bits: int) -> np.ndarray:
    """The values that stand for those weights with little squared error: float64, ascending, at most 2**bits.

    K-means in one dimension. The cell of weights with the largest error is cut at its mean until there are cells
    enough; then values move to the means of the weights nearest to them until none moves (Lloyd). A start at quantiles
    would leave large weights, which are few, without values of their own. The same weights give the same palette.
    """
    values = np.sort(weights.astype(np.float64).reshape(-1))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    entries = _split_cells(values, sums, 1 << bits)
    for _ in range(_MOST_ROUNDS):
        bounds = np.searchsorted(values, (entries[1:] + entries[:-1]) / 2)
        edges = np.concatenate([[0], bounds, [len(values)]])
        counts = np.diff(edges)
        means = np.where(counts > 0, (sums[edges[1:]] - sums[edges[:-1]]) / np.maximum(counts, 1), entries)
        if np.array_equal(means, entries):
            break
        entries = means
    return entries


def nearest(weights: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Each weight replaced by the nearest of the ascending ``entries``, in the weights' shape."""
    return entries[np.searchsorted((entries[1:] + entries[:-1]) / 2, weights)]


def _split_cells(values: np.ndarray, sums: np.ndarray, count: int) -> np.ndarray:
    squares = np.concatenate([[0.0], np.cumsum(values * values)])

    def cell(first: int, last: int) -> tuple[float, int, int]:
        total = sums[last] - sums[first]
        return total * total / (last - first) - (squares[last] - squares[first]), first, last

    cells = [cell(0, len(values))]
    while len(cells) < count and cells[0][0] < -_LEAST_GAIN:
        _, first, last = cells[0]
        mean = (sums[last] - sums[first]) / (last - first)
        middle = first + int(np.searchsorted(values[first:last], mean))
        middle = min(max(middle, first + 1), last - 1)
        heapq.heapreplace(cells, cell(first, middle))
        heapq.heappush(cells, cell(middle, last))
    return np.array(sorted((sums[last] - sums[first]) / (last - first) for _, first, last in cells))

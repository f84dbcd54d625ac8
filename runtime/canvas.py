"""The picture with a frame around it, as the painter sees it, handed out window by window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np


class RowSource(Protocol):
    """A picture whose rows are asked for from top to bottom."""

    height: int
    width: int

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Those rows, uint8 (N, W, 3); the numbers may come in any order and more than once."""
        ...

    def forget(self, before: int) -> None:
        """Rows of smaller numbers will not be asked for again."""
        ...


class HeldRows:
    """A picture in memory, uint8 (H, W, 3), as a source of rows."""

    def __init__(self, rgb: np.ndarray) -> None:
        self._rgb = rgb
        self.height, self.width = rgb.shape[:2]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Those rows."""
        return _rows_of(self._rgb, rows)

    def forget(self, before: int) -> None:
        """Nothing: the picture stays."""


class StreamedRows:
    """A picture that arrives in strips; only what may still be asked for is kept.

    Args:
        strips: uint8 (n, W, 3) each, from top to bottom, `height` rows together.
    """

    def __init__(self, height: int, width: int, strips: Iterator[np.ndarray]) -> None:
        self.height, self.width = height, width
        self._strips = strips
        self._kept: list[np.ndarray] = []
        self._first = 0  # number of the first row that is kept
        self._end = 0

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Those rows, read as far as needed.

        Raises:
            ValueError: a row was forgotten, or the strips end before it.
        """
        if rows.min() < self._first:
            raise ValueError(f"row {rows.min()} was forgotten")
        while self._end <= rows.max():
            strip = next(self._strips, None)
            if strip is None:
                raise ValueError(f"the picture ends after {self._end} of {self.height} rows")
            self._kept.append(strip)
            self._end += len(strip)
        if len(self._kept) > 1:
            self._kept = [np.concatenate(self._kept)]
        return _rows_of(self._kept[0], rows - self._first)

    def forget(self, before: int) -> None:
        """Free the rows above."""
        while self._kept and self._first + len(self._kept[0]) <= before:
            self._first += len(self._kept.pop(0))
        if self._kept and self._first < before:
            self._kept[0] = self._kept[0][before - self._first :].copy()  # a view would keep all of it
            self._first = before


class Canvas:
    """A picture with `margin` mirrored pixels on all sides and as many more at the far sides as fill the canvas.

    Args:
        size: height and width of the canvas, at least the picture's and twice the margin.
        mode: what lies around the picture, "edge" or "reflect" as in `numpy.pad`.
    """

    def __init__(self, source: RowSource, size: tuple[int, int], margin: int, mode: str) -> None:
        height, width = size
        self._source, self._mode, self.margin = source, mode, margin
        around = margin, height - margin - source.height
        self._rows = np.pad(np.arange(source.height), around, mode=mode)  # type: ignore[call-overload]
        self._needed_from = np.minimum.accumulate(self._rows[::-1])[::-1]
        self._sides = margin, width - margin - source.width

    def strip(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop` of the canvas: uint8 (n, width of the canvas, 3). Starts may not go down."""
        self._source.forget(int(self._needed_from[start]))
        rows = self._source.take(self._rows[start:stop])
        return np.pad(rows, [(0, 0), self._sides, (0, 0)], mode=self._mode)  # type: ignore[call-overload]


def _rows_of(rgb: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of a picture; not a copy where they follow each other."""
    if (np.diff(rows) == 1).all():
        return rgb[rows[0] : rows[-1] + 1]
    return rgb[rows]

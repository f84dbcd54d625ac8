"""A picture is painted tile by tile; one that fits is one tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from runtime.affine import Affine
from runtime.bundle import Site
from runtime.canvas import Canvas, RowSource
from runtime.tiles import Span, Tiling

#: Rows and columns of a tile that are kept.
Inside = tuple[slice, slice]
#: A tile as uint8 (H, W, 3) or as `to_tensor` of it, with sides that are multiples of the student's, an affine per
#: site, and what is kept of the tile -> uint8 (h, w, 3).
PaintPiece = Callable[[np.ndarray, Sequence[Affine], Inside], np.ndarray]
#: Told after each tile: how many are done, of how many.
Progress = Callable[[int, int], None]


class Window(NamedTuple):
    """A part of the picture with its frame, in the picture's pixels: the frame lies below 0 and above its size."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Look:
    """What one picture is painted with, the same for all its tiles.

    Attributes:
        affine: scale and shift per site, (1, C, 1, 1) or as maps of the window.
        given_back: how much of what the student loses of the photo is put back, 0 to 1: a number or (h, w, 1);
            None paints no second time to find that out.
        colour: content and painted tile, uint8 (h, w, 3) each -> painted tile with its final colours.
    """

    affine: Callable[[Window], Sequence[Affine]]
    given_back: Callable[[Window], float | np.ndarray] | None = None
    colour: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def paint_strips(
    paint: PaintPiece,
    source: RowSource,
    look: Look,
    tiling: Tiling,
    margin: int,
    mode: str,
    sites: Sequence[Site],
    progress: Progress | None = None,
) -> Iterator[np.ndarray]:
    """The painted picture in strips from top to bottom, uint8 (n, W, 3) each; as many rows as the source has.

    Args:
        margin, mode: of the frame around the picture, see `runtime.canvas`; a multiple of the student's size multiple.
    """
    canvas = Canvas(source, tiling.canvas, margin, mode)
    count = len(tiling.rows) * len(tiling.columns)
    for index, rows in enumerate(tiling.rows):
        top, bottom = _inside(rows, margin, source.height)
        strip = canvas.strip(rows.start, rows.stop)
        painted = np.empty((bottom - top, source.width, 3), np.uint8)
        for number, columns in enumerate(tiling.columns):
            left, right = _inside(columns, margin, source.width)
            tile = strip[:, columns.start : columns.stop]
            window = Window(rows.start - margin, columns.start - margin, *tile.shape[:2])
            inside = slice(top - window.top, bottom - window.top), slice(left - window.left, right - window.left)
            if painted[:, left:right].size:  # else the tile shows the frame only
                painted[:, left:right] = paint_tile(paint, tile, tile[inside], window, inside, look, sites)
            if progress is not None:
                progress(index * len(tiling.columns) + number + 1, count)
        if bottom > top:
            yield painted


def neutral(sites: Sequence[Site]) -> list[Affine]:
    """The affine of strength 0: every feature stays as it is."""
    return [
        (np.ones((1, site.channels, 1, 1), np.float32), np.zeros((1, site.channels, 1, 1), np.float32))
        for site in sites
    ]


def cut_maps(affine: Sequence[Affine], sites: Sequence[Site], margin: int) -> Callable[[Window], Sequence[Affine]]:
    """The affine of a window, where scale and shift may be maps of the whole canvas."""
    if all(array.shape[2:] == (1, 1) for pair in affine for array in pair):
        return lambda window: affine

    def of_window(window: Window) -> list[Affine]:
        found = []
        for (scale, shift), site in zip(affine, sites, strict=True):
            top, left = (window.top + margin) // site.stride, (window.left + margin) // site.stride
            rows = slice(top, top + -(-window.height // site.stride))
            columns = slice(left, left + -(-window.width // site.stride))
            found.append((_cut(scale, rows, columns), _cut(shift, rows, columns)))
        return found

    return of_window


def _cut(array: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    return array if array.shape[2:] == (1, 1) else np.ascontiguousarray(array[:, :, rows, columns])


def _inside(span: Span, margin: int, length: int) -> tuple[int, int]:
    """What is kept of a tile, in the picture's pixels, without the frame."""
    return min(max(span.keep_from - margin, 0), length), min(max(span.keep_to - margin, 0), length)


def paint_tile(
    paint: PaintPiece,
    tile: np.ndarray,
    kept: np.ndarray,
    window: Window,
    inside: Inside,
    look: Look,
    sites: Sequence[Site],
) -> np.ndarray:
    """What is kept of one tile, in its final colours: uint8 (h, w, 3).

    Args:
        tile: what `paint` takes, with its halo or frame, which is at `window`.
        kept: uint8 (h, w, 3), the part of it that lies at the rows and columns `inside`.
    """
    painted = paint(tile, look.affine(window), inside)
    if look.given_back is not None:
        share = look.given_back(Window(window.top + inside[0].start, window.left + inside[1].start, *kept.shape[:2]))
        if np.any(share):
            lost = kept.astype(np.float32) - paint(tile, neutral(sites), inside)
            painted = np.clip(np.rint(painted + share * lost), 0, 255).astype(np.uint8)
    return painted if look.colour is None else look.colour(kept, painted)

"""How a picture of any size is cut into tiles that meet without seams.

A painter is local: what it paints at a pixel depends on the picture within its halo, and on numbers that are the same
for the whole picture. A tile is therefore painted with a halo around what is kept of it. At the canvas's own border
there is none: there the tile ends where the canvas does, so that the painter pads it just as it would pad the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from runtime.bundle import StudentInfo
from runtime.errors import UserError

#: The largest picture that is ever given to an engine in one piece.
MAX_PAINT_PIXELS = 17 * 10**6
#: Memory for painting: a picture that fits into the first is painted at once; tiles are made to fit into the second.
ONE_PIECE_BYTES = 768 * 2**20
TILE_BYTES = 112 * 2**20
#: Less than this is never planned with, however little memory is free: tiles would be mostly halo.
LEAST_BYTES = 48 * 2**20
#: The part of the free memory that painting may take.
FREE_SHARE = 0.25


class Span(NamedTuple):
    """A tile along one axis, in pixels of the canvas: what is painted, and what is kept of it."""

    start: int
    stop: int
    keep_from: int
    keep_to: int


class SizeRange(NamedTuple):
    """Heights and widths that an engine was built for: (height, width) each, both ends included."""

    least: tuple[int, int]
    most: tuple[int, int]


class Tiling(NamedTuple):
    """Every row of tiles with every column of tiles covers the canvas; all tiles have one size."""

    rows: list[Span]
    columns: list[Span]

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the canvas that is covered."""
        return self.rows[-1].stop, self.columns[-1].stop

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a tile."""
        return self.rows[0].stop - self.rows[0].start, self.columns[0].stop - self.columns[0].start

    @property
    def pixels(self) -> int:
        """Pixels that are painted, halos included."""
        height, width = self.tile
        return height * width * len(self.rows) * len(self.columns)


def bytes_per_pixel(student: StudentInfo) -> float:
    """About what painting a pixel takes: the picture on its way in and out, and the features an engine keeps.

    Students of width 0.125 and 0.25 were seen to take 62 bytes in ONNX Runtime and 147 in OpenVINO; this gives 124 and
    184.
    """
    return 64 + 1.5 * sum(4 * site.channels / site.stride**2 for site in student.sites)


def plan_tiles(
    height: int,
    width: int,
    student: StudentInfo,
    free_bytes: int | None = None,
    sizes: Sequence[SizeRange] = (),
    tile: int | None = None,
) -> Tiling:
    """Cut a canvas of at least `height` x `width` pixels.

    Args:
        free_bytes: memory that is free; None where that is not known.
        sizes: what the engine was built for; nothing if it takes any size. The canvas grows to the least of them.
        tile: side of the tiles in pixels, halo included, instead of what memory suggests.

    Raises:
        UserError: tiles of a size that is allowed would be all halo.
    """
    multiple = student.size_multiple
    halo = _up(student.halo, multiple)
    height, width = _up(height, multiple), _up(width, multiple)
    most = _piece_pixels(TILE_BYTES, student, free_bytes)
    if tile is not None:
        limits = [SizeRange((0, 0), (tile, tile))]
    elif sizes:
        limits = list(sizes)
    elif height * width <= _piece_pixels(ONE_PIECE_BYTES, student, free_bytes):
        limits = [SizeRange((0, 0), (height, width))]
    else:
        limits = [SizeRange((0, 0), _tile_sides(height, width, most, halo, multiple))]
    plans = [plan for limit in limits if (plan := _within(limit, height, width, halo, multiple)) is not None]
    if not plans:
        raise UserError(
            f"the painter reaches {student.halo} pixels around each tile, which leaves nothing of tiles of "
            f"{' or '.join('x'.join(map(str, limit.most[::-1])) for limit in limits)} pixels: use larger ones"
        )
    return min(plans, key=lambda plan: plan.pixels)


def spans(length: int, size: int, halo: int, multiple: int) -> list[Span]:
    """Cut `length` pixels into tiles of one size, at most `size`, that overlap by the halo on each side.

    All arguments are multiples of `multiple`, and so are the spans' starts.

    Raises:
        ValueError: `size` leaves nothing beside the halo.
    """
    if length <= size:
        return [Span(0, length, 0, length)]
    if size <= 2 * halo:
        raise ValueError(f"tiles of {size} pixels are all halo")
    count = math.ceil((length - 2 * halo) / (size - 2 * halo))
    size = _up(math.ceil((length - 2 * halo) / count), multiple) + 2 * halo  # the least that as many tiles need
    found, kept = [], 0
    for index in range(count):
        start = min(max(0, kept - halo), length - size)
        keep_to = length if index == count - 1 else start + size - halo
        found.append(Span(start, start + size, kept, keep_to))
        kept = keep_to
    return found


def _within(limit: SizeRange, height: int, width: int, halo: int, multiple: int) -> Tiling | None:
    axes = []
    for length, least, most in zip((height, width), *limit, strict=True):
        least, most = _up(least, multiple), most // multiple * multiple
        length = max(length, least)
        if most < min(length, 2 * halo + multiple) or most < least:
            return None
        axis = spans(length, most, halo, multiple)
        if axis[0].stop < least:  # evened out below what the engine takes
            axis = _of_exact_size(length, least, halo)
        axes.append(axis)
    return Tiling(*axes)


def _of_exact_size(length: int, size: int, halo: int) -> list[Span]:
    """Tiles of just that size; the last ones overlap by more than the halo."""
    found, kept = [], 0
    while kept < length:
        start = min(max(0, kept - halo), length - size)
        keep_to = length if start + size == length else start + size - halo
        found.append(Span(start, start + size, kept, keep_to))
        kept = keep_to
    return found


def _piece_pixels(most_bytes: int, student: StudentInfo, free_bytes: int | None) -> int:
    allowed = most_bytes if free_bytes is None else min(most_bytes, int(free_bytes * FREE_SHARE))
    return min(MAX_PAINT_PIXELS, int(max(LEAST_BYTES, allowed) / bytes_per_pixel(student)))


def _tile_sides(height: int, width: int, pixels: int, halo: int, multiple: int) -> tuple[int, int]:
    """Tiles of about that many pixels, twice as wide as high: whole rows of tiles are held at a time."""
    least = min(4 * halo + multiple, math.isqrt(MAX_PAINT_PIXELS))
    tall = min(height, max(math.isqrt(pixels // 2), least))
    wide = min(width, max(pixels // tall, least))
    return max(tall, min(height, pixels // wide)), wide


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple

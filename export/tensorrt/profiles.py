"""Picture sizes as a user writes them, and the ranges of shapes that an engine is then built for.

A size is that of a picture. What the graph sees is larger: the runtime frames a picture by `MARGIN` mirrored pixels and
fills it up to the student's multiple, see `runtime.framing.pad`. A profile holds both the framed and the bare picture.

Scales and shifts are 1x1 in every profile: one style over the whole picture. Maps, which paint regions in different
styles, would make every modulation a broadcast of unknown shape; they run in the ONNX graph.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.engines.engine_file import Shape, ShapeRange
from runtime.errors import UserError
from runtime.tiles import MAX_PAINT_PIXELS

#: What an engine is built for unless told otherwise: squares and landscapes up to full HD's height.
DEFAULT_SIZES = ("256..1080",)
#: The runtime's own margin around a picture, in pixels.
MARGIN = 16
LEAST_SIDE, MOST_SIDE = 16, 8192
#: More profiles make the engine larger and the build longer.
MOST_SIZES = 8
CONTENT = "content"
_SIZE = re.compile(r"(\d{1,5})(?:[xX](\d{1,5}))?")

Inputs = Mapping[str, Sequence[int | str]]
Profile = dict[str, ShapeRange]


@dataclass(frozen=True)
class SizeRange:
    """Pictures from ``least`` to ``most``, each (height, width) in pixels; equal for one size."""

    least: tuple[int, int]
    most: tuple[int, int]

    @property
    def fixed(self) -> bool:
        """Whether it is one size."""
        return self.least == self.most

    @property
    def usual(self) -> tuple[int, int]:
        """The size to be fastest at: halfway in a logarithmic scale."""
        height, width = (round(math.sqrt(low * high)) for low, high in zip(self.least, self.most, strict=True))
        return height, width


def parse_size(text: str) -> SizeRange:
    """``512`` (a square), ``1280x720`` (width x height), or a range of either: ``256..1080``, ``256x256..1920x1080``.

    Raises:
        UserError: it is none of these, a side is not from 16 to 8192, or there are too many pixels.
    """
    text = " ".join(text.split())[:40]
    least, dots, most = text.partition("..")
    sizes = [_one_size(part, text) for part in ((least, most) if dots else (least, least))]
    found = SizeRange(*sizes)
    if any(low > high for low, high in zip(found.least, found.most, strict=True)):
        raise UserError(f"--size {text}: the range has to go from small to large")
    if math.prod(found.most) > MAX_PAINT_PIXELS:
        raise UserError(f"--size {text}: at most {MAX_PAINT_PIXELS / 1e6:.0f} million pixels are painted in one piece")
    return found


def parse_sizes(texts: Sequence[str]) -> tuple[SizeRange, ...]:
    """The same for several; `DEFAULT_SIZES` for none.

    Raises:
        UserError: one of them cannot be read, or there are more than `MOST_SIZES`.
    """
    sizes = tuple(dict.fromkeys(parse_size(text) for text in texts or DEFAULT_SIZES))
    if len(sizes) > MOST_SIZES:
        raise UserError(f"--size may be given {MOST_SIZES} times, not {len(sizes)}: take a range such as 256..1080")
    return sizes


def profile_for(size: SizeRange, inputs: Inputs, multiple: int, static: bool = False) -> Profile:
    """The range of shapes of every input for pictures of that size.

    Args:
        inputs: shapes by name; what is not a positive number is dynamic. ``content`` is the picture.
        multiple: both sides of the picture's shape are multiples of this.
        static: for hardware that knows one shape only: that of the largest picture, framed.
    """
    most = _framed(size.most, multiple)
    sides = (most, most, most) if static else (_filled(size.least, multiple), _framed(size.usual, multiple), most)
    return {
        name: ShapeRange(*(_shape(shape, side if name == CONTENT else (1, 1)) for side in sides))
        for name, shape in inputs.items()
    }


def _one_size(part: str, text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(part)
    if not match:
        raise UserError(f"--size {text}: write 512, 1280x720 (width x height), or a range such as 256..1080")
    width, height = int(match[1]), int(match[2] or match[1])
    if not all(LEAST_SIDE <= side <= MOST_SIDE for side in (height, width)):
        raise UserError(f"--size {text}: sides are from {LEAST_SIDE} to {MOST_SIDE} pixels")
    return height, width


def _filled(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    height, width = (math.ceil(side / multiple) * multiple for side in size)
    return height, width


def _framed(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    margin = math.ceil(MARGIN / multiple) * multiple
    height, width = (side + 2 * margin for side in _filled(size, multiple))
    return height, width


def _shape(declared: Sequence[int | str], sides: tuple[int, int]) -> Shape:
    """The declared shape with its dynamic dimensions, of which height and width are the last, filled in."""
    filled = dict(zip(range(len(declared) - 2, len(declared)), sides, strict=True))
    fixed = {axis: size for axis, size in enumerate(declared) if isinstance(size, int) and size > 0}
    return tuple(fixed.get(axis, filled.get(axis, 1)) for axis in range(len(declared)))

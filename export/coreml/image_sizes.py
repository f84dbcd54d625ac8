"""The picture sizes that a package takes, width x height: Core ML keeps to the Neural Engine where they are few."""

from __future__ import annotations

import re
from collections.abc import Sequence

from export.graphs import THUMBNAIL
from runtime.errors import UserError

Size = tuple[int, int]

#: What a paint package takes where nobody says: a square, and a camera's frame either way round.
DEFAULT_SIZES: tuple[Size, ...] = ((512, 512), (1280, 720), (720, 1280))
#: Style pictures at 256 pixels short side, as the runtime crops them: square, 4:3 and 16:9 either way round.
STYLE_SIZES: tuple[Size, ...] = ((256, 256), (336, 256), (256, 336), (448, 256), (256, 448))
#: Core ML's own limit of enumerated shapes is 128.
MOST_SIZES, LARGEST_SIDE = 128, 8192
_SIZE = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?")


def parse_sizes(texts: Sequence[str], multiple: int) -> tuple[Size, ...]:
    """``("512", "1280x720,640x480")`` -> ((512, 512), (1280, 720), (640, 480)); the first is the package's default.

    Args:
        texts: as the user wrote them; none means `DEFAULT_SIZES`.
        multiple: of which both sides have to be, in pixels.

    Raises:
        UserError: a size that is no size, is too small or large, or is no multiple; too many sizes.
    """
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    sizes = tuple(dict.fromkeys(_size(name, multiple) for name in names)) or DEFAULT_SIZES
    if len(sizes) > MOST_SIZES:
        raise UserError(f"--size names {len(sizes)} sizes: Core ML takes {MOST_SIZES} at most")
    return sizes


def thumbnail_sizes(sizes: Sequence[Size], multiple: int) -> tuple[Size, ...]:
    """The sizes of those pictures' thumbnails, as `runtime.framing.thumbnail` makes them."""
    return tuple(dict.fromkeys(_thumbnail(size, multiple) for size in sizes))


def _thumbnail(size: Size, multiple: int) -> Size:
    ratio = min(1.0, THUMBNAIL / max(size))
    width, height = (max(multiple, int(side * ratio / multiple + 0.5) * multiple) for side in size)
    return width, height


def _size(name: str, multiple: int) -> Size:
    found = _SIZE.fullmatch(name)
    if not found:
        raise UserError(f"--size {name!r}: Core ML takes each size by itself, as width x height, such as 1280x720")
    width, height = int(found[1]), int(found[2] or found[1])
    if not multiple <= min(width, height) <= max(width, height) <= LARGEST_SIDE:
        raise UserError(f"--size {name}: sides are from {multiple} to {LARGEST_SIDE} pixels")
    if width % multiple or height % multiple:
        near = "x".join(str(max(multiple, round(side / multiple) * multiple)) for side in (width, height))
        raise UserError(f"--size {name}: this student needs multiples of {multiple} pixels, such as {near}")
    return width, height

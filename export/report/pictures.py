"""Sample pictures, how far two of them are apart, and how they get into a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from distill.data import open_pictures
from runtime.framing import STYLE_SHORT_SIDE, resize
from runtime.image_files import Picture, read_picture
from runtime.style_code import StyleCode
from runtime.stylizer import Stylizer

#: Photos are painted as squares of this side in pixels: the size that packages for phones take by default.
SIDE = 512
#: Pixels at the border that see the painter's padding. The runtime keeps them off the picture with mirrored ones; not
#: every format leaves room for those, so here the border is painted and not shown.
BORDER = 16
#: Differences are drawn this many times as strong, around middle grey.
AMPLIFIED = 8
_MOST_STYLES = 32
_SAMPLES = ("coffee.png", "chelsea.png", "astronaut.png")


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo to paint: uint8 (`SIDE`, `SIDE`, 3)."""

    name: str
    rgb: np.ndarray


@dataclass(frozen=True, eq=False)
class Style:
    """A style to paint in, None if it is fixed, and the picture it comes from if that is at hand, uint8 (H, W, 3)."""

    name: str
    code: StyleCode | None
    rgb: np.ndarray | None = None


def sample_photos(contents: Sequence[Path] | None = None) -> list[Photo]:
    """The photos named, or three of those that come with scikit-image; two of them no student was trained on.

    Raises:
        UserError: a file cannot be read, or there are no samples.
    """
    if contents is not None:
        return [Photo(Path(path).name, _square(read_picture(path, long_side=4 * SIDE).on_white())) for path in contents]
    pictures = open_pictures(None, "content", SIDE)
    names = [name for name in _SAMPLES if name in pictures.names]
    return [Photo(name, _square(pictures[pictures.names.index(name)])) for name in names]


def sample_styles(stylizer: Stylizer) -> list[Style]:
    """Two of the bundle's own, or drawn swatches where it has none; one without a code if its style is fixed.

    Raises:
        UserError: a style file cannot be read, or the style graph fails.
    """
    if stylizer.student.fixed_style:
        return [Style("its own style", None)]
    held = [Style(style.name, stylizer.style(style.name)) for style in stylizer.bundle.manifest.styles[:_MOST_STYLES]]
    if held:
        return _unlike(held)
    swatches = open_pictures(None, "style", STYLE_SHORT_SIDE, "held-back")
    return _unlike([Style(name, stylizer.style(rgb), rgb) for name, rgb in zip(swatches.names, swatches, strict=True)])


def difference(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``found`` minus ``reference``, both uint8 (H, W, 3), `AMPLIFIED` times around 128, clipped: uint8 (H, W, 3)."""
    change = found.astype(np.int16) - reference.astype(np.int16)
    return np.clip(128 + AMPLIFIED * change, 0, 255).astype(np.uint8)


def without_border(rgb: np.ndarray) -> np.ndarray:
    """The part of a painted picture that is shown and compared."""
    return rgb[BORDER:-BORDER, BORDER:-BORDER]


def as_data_uri(rgb: np.ndarray, side: int, quality: int) -> str:
    """A uint8 picture (H, W, 3) as a JPEG inside an address, scaled down to ``side`` pixels at most."""
    encoded = io.BytesIO()
    small = Picture(rgb).scaled_down(side).rgb
    Image.fromarray(np.ascontiguousarray(small)).save(encoded, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()


def _unlike(styles: Sequence[Style]) -> list[Style]:
    """The two whose codes are farthest apart: a precision that spoils some styles shows it there."""
    pairs = list(combinations(styles, 2))
    apart = [float(np.abs(one.code.values - other.code.values).sum()) for one, other in pairs]
    return list(pairs[int(np.argmax(apart))]) if pairs else list(styles)


def _square(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(np.ascontiguousarray(rgb[top : top + side, left : left + side]), SIDE, SIDE)

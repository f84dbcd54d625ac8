"""The pixels a graph is given: thumbnails, style crops, padding to the student's multiple and back."""

from __future__ import annotations

import numpy as np
from PIL import Image

STYLE_SHORT_SIDE = 256
STYLE_MULTIPLE = 8
# A style picture is cropped to at most this aspect ratio. It bounds the work, and a strip's middle shows its style.
STYLE_MAX_ASPECT = 4


def to_tensor(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1]."""
    planes = np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], dtype=np.float32)
    planes *= 1 / 255
    return planes


def to_picture(tensor: np.ndarray) -> np.ndarray:
    """float (1, 3, H, W) -> uint8 (H, W, 3), clipped to [0, 1] and rounded to nearest."""
    _, channels, height, width = tensor.shape
    picture, levels = np.empty((height, width, channels), np.uint8), np.empty((height, width), np.float32)
    for channel in range(channels):  # one plane at a time stays in the cache: twice as fast
        np.multiply(tensor[0, channel], 255, out=levels)
        levels += 0.5
        picture[:, :, channel] = np.clip(levels, 0, 255, out=levels)
    return picture


def fitted_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Height and width, scaled down so that the longer is at most `long_side`."""
    ratio = min(1.0, long_side / max(height, width))
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 (H, W, 3) or (H, W) at another size, with LANCZOS."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def thumbnail(rgb: np.ndarray, long_side: int, multiple: int) -> np.ndarray:
    """The picture whose statistics stand for the content's: area-averaged, never enlarged but for the rounding.

    Each side is rounded to the nearest multiple, and is at least one multiple.
    """
    height, width = rgb.shape[:2]
    ratio = min(1.0, long_side / max(height, width))
    new_height, new_width = (max(multiple, int(side * ratio / multiple + 0.5) * multiple) for side in (height, width))
    if (new_height, new_width) == (height, width):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((new_width, new_height), Image.Resampling.BOX))


def style_crop(rgb: np.ndarray) -> np.ndarray:
    """The style picture at 256 pixels short side (LANCZOS), cropped in the middle to multiples of 8."""
    height, width = rgb.shape[:2]
    longest = STYLE_MAX_ASPECT * min(height, width)
    rgb = _centre(rgb, min(height, longest), min(width, longest))
    ratio = STYLE_SHORT_SIDE / min(rgb.shape[:2])
    new_height, new_width = (max(STYLE_SHORT_SIDE, round(side * ratio)) for side in rgb.shape[:2])
    resized = resize(rgb, new_height, new_width)
    return _centre(resized, new_height - new_height % STYLE_MULTIPLE, new_width - new_width % STYLE_MULTIPLE)


def pad(rgb: np.ndarray, multiple: int, margin: int, mode: str) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Add `margin` pixels (rounded up to the multiple) on all sides, then fill the far sides to the multiple.

    Args:
        rgb: (H, W, 3), of any size from 1x1.
        mode: "edge" or "reflect", as in `numpy.pad`.

    Returns:
        The padded picture, and the rows and columns in which the original lies.
    """
    height, width = rgb.shape[:2]
    margin = -(-margin // multiple) * multiple  # the pixel grid keeps its phase under the strides
    inside = slice(margin, margin + height), slice(margin, margin + width)
    if not margin and height % multiple == 0 and width % multiple == 0:
        return rgb, inside
    around = [(margin, margin + -height % multiple), (margin, margin + -width % multiple), (0, 0)]
    return np.pad(rgb, around, mode=mode), inside  # type: ignore[call-overload]


def _centre(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (rgb.shape[0] - height) // 2, (rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width]

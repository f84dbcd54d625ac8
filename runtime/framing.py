"""The pixels a graph is given: thumbnails, style crops, padding to the student's multiple and back."""

from __future__ import annotations

from functools import lru_cache, partial, reduce

import numpy as np
from PIL import Image

STYLE_SHORT_SIDE = 256
STYLE_MULTIPLE = 8
# A style picture is cropped to at most this aspect ratio. It bounds the work, and a strip's middle shows its style.
STYLE_MAX_ASPECT = 4
# Pixels around the content that keep the painter's zero padding away from it.
MARGIN = 16
_BAND_PIXELS = 128 * 1024


def to_tensor(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1]."""
    planes = np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], dtype=np.float32)
    planes *= 1 / 255
    return planes


def to_picture(tensor: np.ndarray) -> np.ndarray:
    """float (1, 3, H, W) -> uint8 (H, W, 3), clipped to [0, 1] and rounded to nearest.

    Raises:
        ValueError: numbers that are not finite as levels.
    """
    _, channels, height, width = tensor.shape
    picture = np.empty((height, width, channels), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    band, rounded = np.empty((rows, width), np.float32), np.empty((rows, width), np.uint8)
    # In bands that stay in the processor's cache, a channel at a time: numpy interleaves one far faster than three, and
    # bytes faster than it makes bytes of floats and interleaves them at once.
    for channel in range(channels):
        for top in range(0, height, rows):
            count = min(rows, height - top)
            given, levels, whole = tensor[0, channel, top : top + rows], band[:count], rounded[:count]
            with np.errstate(over="ignore"):  # what overflows here is refused below
                np.multiply(given, np.float32(255), out=levels)
            if not np.isfinite(levels).all():  # sooner seen in the levels, which the cache has, than in what is given
                raise ValueError("numbers that are not finite")
            levels += np.float32(0.5)
            np.clip(levels, 0, 255, out=levels)
            whole[:] = levels
            picture[top : top + rows, :, channel] = whole
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
    (height, width), times = _thumbnail_size(*rgb.shape[:2], long_side, multiple)
    if (height, width) == rgb.shape[:2]:
        return rgb
    image = Image.fromarray(rgb)
    if times is not None:
        return np.asarray(image.reduce(times))  # the same average, rounded once, in a quarter of the time
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def thumbnail_tensor(rgb: np.ndarray, long_side: int, multiple: int) -> np.ndarray:
    """`to_tensor` of the `thumbnail`, in half the time where its pixels are means of 2x2, 4x4, 8x8 or 16x16."""
    (height, width), times = _thumbnail_size(*rgb.shape[:2], long_side, multiple)
    if times not in (2, 4, 8, 16):  # in others Pillow rounds in its own way, and sums could outgrow 16 bits
        return to_tensor(thumbnail(rgb, long_side, multiple))
    rows = rgb.reshape(height, times, -1).sum(axis=1, dtype=np.uint16)
    columns = rows.reshape(height, width, times, 3).transpose(2, 3, 0, 1)
    levels = reduce(partial(np.add, order="C"), columns)
    levels += times * times // 2
    levels >>= (times * times).bit_length() - 1
    return np.multiply(levels, np.float32(1 / 255), dtype=np.float32)[None]


def _thumbnail_size(height: int, width: int, long_side: int, multiple: int) -> tuple[tuple[int, int], int | None]:
    """Height and width of the thumbnail, and how many times as large the picture is, if that is a whole number."""
    ratio = min(1.0, long_side / max(height, width))
    small = [max(multiple, int(side * ratio / multiple + 0.5) * multiple) for side in (height, width)]
    times = height // small[0]
    return (small[0], small[1]), times if [height, width] == [times * side for side in small] else None


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


def framed_tensor(rgb: np.ndarray, multiple: int, margin: int, mode: str) -> tuple[np.ndarray, tuple[slice, slice]]:
    """`to_tensor` of what `pad` gives, in two thirds of the time: bytes are moved before they are floats."""
    height, width = rgb.shape[:2]
    margin = -(-margin // multiple) * multiple
    tall, wide = (-(-(side + 2 * margin) // multiple) * multiple for side in (height, width))
    rows, columns = _shown_at(height, margin, tall, mode), _shown_at(width, margin, wide, mode)
    planes = np.empty((3, tall, wide), np.uint8)
    inside = slice(margin, margin + height), slice(margin, margin + width)
    planes[:, inside[0], inside[1]] = rgb.transpose(2, 0, 1)
    for beside in (slice(0, margin), slice(margin + width, wide)):
        planes[:, inside[0], beside] = planes[:, inside[0], columns[beside]]
    for beyond in (slice(0, margin), slice(margin + height, tall)):
        planes[:, beyond] = planes[:, rows[beyond]]
    return np.multiply(planes, np.float32(1 / 255), dtype=np.float32)[None], inside


@lru_cache(maxsize=16)
def _shown_at(side: int, margin: int, full: int, mode: str) -> np.ndarray:
    """For each of `full` places along a framed side the place inside the frame whose pixels it shows."""
    return np.pad(np.arange(margin, margin + side), (margin, full - margin - side), mode=mode)  # type: ignore[call-overload]


def _centre(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (rgb.shape[0] - height) // 2, (rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width]

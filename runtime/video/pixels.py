"""Between a video's YUV and the painter's RGB, without a shift of colour.

The matrix that a video declares is used both ways and declared again, so what the painter leaves alone comes back as
it was. Where a video declares no matrix, players assume one by its height, and so does this. Full range is read as such
but limited range is written: on its way to full range swscale rounds colours down by nearly a level on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# AVCOL_SPC_* of libavutil/pixfmt.h: what videos declare, and swscale's number for the same matrix.
_BT709, _SMPTE170M, _BT2020 = 1, 5, 9
_MATRICES = {1: _BT709, 4: 4, 5: _SMPTE170M, 6: _SMPTE170M, 7: 7, 9: _BT2020, 10: _BT2020}
_UNSPECIFIED = 2
_LIMITED, _FULL = 1, 2  # AVCOL_RANGE_MPEG and _JPEG
_SD_HEIGHT = 576
# SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT: without the latter two, swscale is up to 3 levels off.
_EXACT = 2 | 0x40000 | 0x2000


@dataclass(frozen=True)
class Colours:
    """How a video stores colours; the numbers are those of libavutil/pixfmt.h.

    `matrix` is what is computed with, `colorspace` what is declared, which may be "unspecified".
    """

    matrix: int
    full_range: bool
    colorspace: int
    primaries: int
    transfer: int


def colours_of(frame: Any, context: Any) -> Colours:
    """What an `av.VideoFrame` and the decoder's context declare, and what is assumed where they don't."""
    assumed = _BT709 if frame.height > _SD_HEIGHT else _SMPTE170M
    declared = int(frame.colorspace)
    full = int(frame.color_range) == _FULL or frame.format.name.startswith(
        ("yuvj", "rgb", "bgr", "gbr", "gray", "pal8")
    )
    return Colours(
        matrix=_MATRICES.get(declared, assumed),
        full_range=full,
        colorspace=declared if declared in _MATRICES else _UNSPECIFIED,
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
    )


def to_rgb(frame: Any, colours: Colours, width: int, height: int) -> np.ndarray:
    """The `av.VideoFrame` at that size as uint8 (H, W, 3)."""
    return frame.reformat(
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=colours.matrix,
        dst_colorspace=colours.matrix,
        src_color_range=_FULL if colours.full_range else _LIMITED,
        dst_color_range=_FULL,
        interpolation=_EXACT,
    ).to_ndarray()


def range_of(pixel_format: str) -> int:
    """AVCOL_RANGE_* of what `from_rgb` makes: limited, but for formats that are full by definition."""
    return _FULL if pixel_format.startswith("yuvj") else _LIMITED


def from_rgb(rgb: np.ndarray, colours: Colours, pixel_format: str) -> Any:
    """An `av.VideoFrame` in the encoder's pixel format, declared as `colours`."""
    import av

    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format=pixel_format,
        src_colorspace=colours.matrix,
        dst_colorspace=colours.matrix,
        src_color_range=_FULL,
        dst_color_range=range_of(pixel_format),
        interpolation=_EXACT,
    )
    frame.colorspace, frame.color_range = colours.colorspace, range_of(pixel_format)
    return frame

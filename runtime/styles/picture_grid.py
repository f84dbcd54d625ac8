"""Pictures of one size side by side with captions, or one after another."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from runtime.errors import UserError

MAX_GRID_PIXELS = 100 * 10**6
FRAME_MILLISECONDS = 80
_GAP = 8


def grid(pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int) -> np.ndarray:
    """Pictures on white, from left to right and top to bottom, each with its caption below.

    Args:
        pictures: uint8 (H, W, 3), all of one size.

    Returns:
        uint8 (H, W, 3).

    Raises:
        UserError: it would be larger than makes sense.
    """
    height, width = pictures[0].shape[:2]
    text = max(12, min(width // 16, 24))
    cell, line = width + _GAP, height + text + 3 * _GAP
    columns = min(columns, len(pictures))
    size = columns * cell + _GAP, math.ceil(len(pictures) / columns) * line + _GAP
    if size[0] * size[1] > MAX_GRID_PIXELS:
        raise UserError(
            f"{len(pictures)} pictures of {width}x{height} pixels are too much for one: use a smaller --size"
        )
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(text)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = _GAP + index % columns * cell, _GAP + index // columns * line
        sheet.paste(Image.fromarray(picture), (left, top))
        draw.text((left, top + height + _GAP), _shortened(caption, font, width), "black", font)
    return np.asarray(sheet)


def animation(pictures: Sequence[np.ndarray]) -> bytes:
    """A GIF that goes through the pictures and back, for ever."""
    frames = [Image.fromarray(picture) for picture in (*pictures, *pictures[-2:0:-1])]
    encoded = io.BytesIO()
    frames[0].save(encoded, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0)
    return encoded.getvalue()


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    text = text.replace("_", " ")
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."

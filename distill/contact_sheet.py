"""Pictures side by side: what a student paints beside its teacher, one row per pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from runtime.image_files import write_picture

GAP, TITLE = 4, 22


def contact_sheet(rows: Sequence[Sequence[Tensor]], titles: Sequence[str]) -> np.ndarray:
    """Rows of pictures (3, H, W) in [0, 1], all of one size, under column titles -> uint8 (H', W', 3)."""
    _, height, width = rows[0][0].shape
    sheet = Image.new("RGB", (len(titles) * (width + GAP) - GAP, len(rows) * (height + GAP) + TITLE), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, title in enumerate(titles):
        draw.text((column * (width + GAP) + 4, 2), title, "black", font)
    for line, row in enumerate(rows):
        for column, picture in enumerate(row):
            pixels = picture.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
            sheet.paste(Image.fromarray(pixels), (column * (width + GAP), TITLE + line * (height + GAP)))
    return np.asarray(sheet)


def write_sheet(path: Path, rows: Sequence[Sequence[Tensor]], titles: Sequence[str]) -> None:
    """Write :func:`contact_sheet` as a picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, contact_sheet(rows, titles))

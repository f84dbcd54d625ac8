"""Pictures as Core ML hands them to a program: planes of 0..255, and back to 8 bits.

The scale of an image input is a multiplication inside an ML Program, so that the program itself sees 0..255. An image
output holds 0..255 as well and is rounded to 8 bits; Apple does not say how halves are rounded, here it is to even.
"""

from __future__ import annotations

import numpy as np

from export.coreml.mil_types import MilError


def to_planes(picture: np.ndarray, colour: str) -> np.ndarray:
    """uint8 (H, W, 3) RGB -> float32 (1, 3, H, W) of 0..255, in the order ``colour`` says (RGB or BGR)."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise MilError(f"a picture is uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
    ordered = picture[:, :, ::-1] if colour == "BGR" else picture
    return np.ascontiguousarray(ordered.transpose(2, 0, 1)[None], dtype=np.float32)


def to_picture(planes: np.ndarray, colour: str) -> np.ndarray:
    """float (1, 3, H, W) of 0..255 -> uint8 (H, W, 3) RGB, clipped and rounded.

    Raises:
        MilError: it is of another shape, or holds numbers that are not finite.
    """
    if planes.ndim != 4 or planes.shape[:2] != (1, 3):
        raise MilError(f"a picture comes out as {planes.shape}, not as (1, 3, H, W)")
    if not np.isfinite(planes).all():
        raise MilError("a picture comes out with numbers that are not finite")
    levels = np.rint(np.clip(planes[0].astype(np.float32), 0, 255)).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(levels[:, :, ::-1] if colour == "BGR" else levels)

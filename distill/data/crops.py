"""Random crops with the augmentations of content and style pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

MIRROR_PROBABILITY = 0.5
PERMUTE_CHANNELS_PROBABILITY = 0.3
LARGEST_ZOOM = 2.0


def random_crop(picture: np.ndarray, size: int, rng: np.random.Generator, augment: bool) -> np.ndarray:
    """A random square of a uint8 (H, W, 3) picture as uint8 (size, size, 3), mirrored half the time.

    A picture whose short side is below `size` is enlarged first. `augment` is for style pictures: the crop
    shows between 1/LARGEST_ZOOM and LARGEST_ZOOM times `size` pixels, turned by a multiple of 90 degrees, with
    the colour channels permuted now and then. All randomness comes from `rng`; every call draws the same
    number of values, so a stream of crops stays aligned whatever the pictures are.
    """
    zoom, top, left, mirror, turn, permute = rng.random(6)
    order = rng.permutation(3)
    short = min(picture.shape[:2])
    side = size * LARGEST_ZOOM ** (2 * zoom - 1) if augment else size
    side = max(1, min(short, round(side)))
    crop = _window(picture, side, top, left)
    if side != size:
        crop = np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.LANCZOS))
    if mirror < MIRROR_PROBABILITY:
        crop = crop[:, ::-1]
    if augment:
        crop = np.rot90(crop, int(turn * 4))
        if permute < PERMUTE_CHANNELS_PROBABILITY:
            crop = crop[..., order]
    return np.ascontiguousarray(crop)


def _window(picture: np.ndarray, side: int, top: float, left: float) -> np.ndarray:
    """The square of `side` pixels at the relative position (top, left), each in [0, 1)."""
    y = int(top * (picture.shape[0] - side + 1))
    x = int(left * (picture.shape[1] - side + 1))
    return np.ascontiguousarray(picture[y : y + side, x : x + side])

"""A picture with broad shades, some edges and fine grain, as photos have; always the same for a seed."""

from __future__ import annotations

import numpy as np


def smooth_picture(side: int, seed: int) -> np.ndarray:
    """uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    colours = rng.uniform(60, 190, (3, 3))
    shade = np.stack([np.sin(3 * across + seed), np.cos(4 * down), (across + down > 1) - 0.5], -1) @ colours * 0.4
    return np.clip(shade + colours.mean(0) + rng.normal(0, 6, (side, side, 3)), 0, 255).astype(np.uint8)

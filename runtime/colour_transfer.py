"""The photo's colours in the painted picture.

After Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer" (2017), section 5. They change the
colours of the style picture; here the painted picture's are changed, which serves saved codes and fixed styles too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Brightness as ITU-R BT.601 weighs it, on gamma-coded sRGB, as most editors do.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Keeps a picture of one colour from asking for endless contrast: a deviation of a quarter of a level of 255.
_LEAST_VARIANCE = 1 / 16
_MOST_GAIN = 4.0


def keep_luminance(content: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The painted brightness with the content's colour differences.

    Args:
        content, painted: uint8 (H, W, 3).

    Returns:
        uint8 (H, W, 3); where a colour does not exist at that brightness it is clipped.
    """
    brighter = (painted.astype(np.float32) - content) @ LUMA
    return np.clip(np.rint(content + brighter[..., None]), 0, 255).astype(np.uint8)


def match_colours(content: np.ndarray, painted: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A change of colours that gives `painted` the mean and covariance of `content`, for all tiles of that picture.

    The change is linear and the least that does it: the Monge-Kantorovich map (Pitié & Kokaram, "The linear
    Monge-Kantorovitch linear colour mapping for example-based colour transfer", 2007).

    Args:
        content, painted: uint8 (h, w, 3), small versions of photo and painted picture.

    Returns:
        A function of content and painted tile, uint8 (H, W, 3) each, that gives the tile with its final colours.
    """
    wanted_mean, wanted = _moments(content)
    mean, found = _moments(painted)
    root, inverse = _power(found, 0.5), _power(found, -0.5)
    matrix = inverse @ _power(root @ wanted @ root, 0.5) @ inverse
    values, axes = np.linalg.eigh(matrix)
    matrix = (axes * np.clip(values, 0, _MOST_GAIN)) @ axes.T
    matrix, offset = matrix.astype(np.float32), (wanted_mean - matrix @ mean).astype(np.float32)

    def change(content: np.ndarray, painted: np.ndarray) -> np.ndarray:
        moved = painted.reshape(-1, 3).astype(np.float32) @ matrix.T + offset
        return np.clip(np.rint(moved), 0, 255).astype(np.uint8).reshape(painted.shape)

    return change


def _moments(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (3,) and covariance (3, 3) of colours, the latter never singular."""
    pixels = rgb.reshape(-1, 3).astype(np.float64)
    centred = pixels - pixels.mean(0)
    return pixels.mean(0), centred.T @ centred / len(pixels) + _LEAST_VARIANCE * np.eye(3)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, axes = np.linalg.eigh(matrix)
    return (axes * np.maximum(values, 1e-9) ** exponent) @ axes.T

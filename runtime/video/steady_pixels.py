"""Blend each painted frame with the one before, where the input stands still: no optical flow, no ghosts.

What moves is painted afresh; what rests keeps its brush strokes, though the sensor's noise would have moved them. How
still a pixel is, is judged on scaled-down frames, in which noise averages out, against a reference that is smoothed
with the same weights: a slow change adds up in the difference to it until the pixel is painted afresh.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from runtime.video.steadiness import retention

# In levels of 255, of scaled-down pixels.
_STILL = 1.5  # beyond the noise, the change by which the weight has fallen to 1/e
_CALM = 0.1  # the part of a picture that is taken to rest, and to show what noise alone changes
_NOISE_FACTOR = 1.6
_BAND_PIXELS = 64 * 1024
_MOST_NOISE = 2.5  # no sensor is worse; where all of the picture moves, this much counts as noise at most


class SteadyPixels:
    """The picture before, and what its input looked like.

    Args:
        time_constant: seconds after which 1/e of a picture is left in later ones, where nothing moves.
    """

    def __init__(self, time_constant: float) -> None:
        self._time_constant = time_constant
        self.reset()

    def reset(self) -> None:
        """Forget the picture before."""
        self._picture: np.ndarray | None = None
        self._reference: np.ndarray | None = None
        self._seconds = 0.0

    def blend(self, painted: np.ndarray, small: np.ndarray, seconds: float) -> np.ndarray:
        """The painted frame, uint8 (H, W, 3), made steady.

        Args:
            painted: uint8 (H, W, 3), what the painter made of the frame.
            small: uint8 (h, w, 3), the frame itself, scaled down.
            seconds: the frame's time, not before the last one's.
        """
        kept = retention(seconds - self._seconds, self._time_constant)
        self._seconds = seconds
        now = small.astype(np.float32)
        before, reference = self._picture, self._reference
        if before is None or reference is None or before.shape != painted.shape or reference.shape != now.shape:
            self._picture, self._reference = painted.astype(np.float32), now
            return painted
        still = kept * _stillness(now, reference)
        reference += (1 - still)[:, :, None] * (now - reference)
        fresh = np.asarray(Image.fromarray(1 - still).resize(painted.shape[1::-1], Image.Resampling.BILINEAR))
        return _moved_towards(before, painted, fresh)


def _moved_towards(picture: np.ndarray, painted: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Move `picture`, float32 (H, W, 3), towards `painted`, uint8, by a share (H, W) of the way; returns it as uint8.

    In bands that stay in the processor's cache.
    """
    rounded = np.empty_like(painted)
    rows = max(1, _BAND_PIXELS // painted.shape[1])
    band = np.empty((rows, *painted.shape[1:]), np.float32)
    for top in range(0, len(painted), rows):
        part, step = picture[top : top + rows], band[: min(rows, len(painted) - top)]
        np.subtract(painted[top : top + rows], part, out=step)
        for channel in range(3):
            step[:, :, channel] *= share[top : top + rows]
        part += step  # in float, so that rounding leaves nothing behind
        np.add(part, np.float32(0.5), out=step)
        rounded[top : top + rows] = step
    return rounded


def _stillness(now: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """1 where no more changed than the noise explains, towards 0 where something moved, float32 (h, w)."""
    change = _of_neighbours(np.add, np.abs(now - reference).mean(axis=2)) / 9
    noise = min(float(np.quantile(change, _CALM)), _MOST_NOISE)
    moved = np.maximum(change - _NOISE_FACTOR * noise, 0)
    # A pixel is as restless as its neighbours: a painter looks further than one of these pixels.
    return np.exp(-np.square(_of_neighbours(np.maximum, moved) / _STILL))


def _of_neighbours(operation: np.ufunc, plane: np.ndarray) -> np.ndarray:
    """The operation over every pixel's 3x3 neighbourhood."""
    padded = np.pad(plane, 1, mode="edge")
    rows = operation(operation(padded[:-2], padded[1:-1]), padded[2:])
    return operation(operation(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])

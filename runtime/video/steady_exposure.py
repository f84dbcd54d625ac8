"""How far a frame's exposure is from that of the last moments: lamps that flicker, cameras that adjust themselves.

A painter whose statistics are the frame's own takes no notice of exposure: the statistics move with it and cancel it.
Smoothed statistics would let it through, so they have to know it. It is the median over pixels of the ratio to the
frame before, per channel: what moves or comes into view changes a part of the pixels only.
"""

from __future__ import annotations

import numpy as np

from runtime.video.steadiness import retention

_DARKEST = 16.0  # levels; darker pixels say little about ratios
_MOST = np.log(2.0)  # a factor of two either way; more is a change of scene
_NOTICED = 0.004  # half a level at mid-grey


class SteadyExposure:
    """Follows the exposure of frames; `time_constant` is that of the smoothing, in seconds."""

    def __init__(self, time_constant: float) -> None:
        self._time_constant = time_constant
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._before: np.ndarray | None = None
        self._deviation = np.zeros(3)  # of the logarithm of the exposure from its smoothed course
        self._seconds = 0.0

    def gain(self, small: np.ndarray, seconds: float) -> np.ndarray | None:
        """The factors per channel that bring the frame to the smoothed exposure, float (3,); None if it is there.

        Args:
            small: uint8 (h, w, 3), the frame scaled down.
            seconds: its time, not before the last one's.
        """
        now = np.maximum(small.reshape(-1, 3).astype(np.float32), 1)
        before, self._before = self._before, now
        kept, self._seconds = retention(seconds - self._seconds, self._time_constant), seconds
        if before is None or before.shape != now.shape:
            return None
        lit = np.minimum(now, before).min(axis=1) >= _DARKEST
        if lit.any():
            self._deviation += np.median(np.log(now[lit] / before[lit]), axis=0)
        self._deviation = np.clip(kept * self._deviation, -_MOST, _MOST)
        return None if np.abs(self._deviation).max() < _NOTICED else np.exp(-self._deviation)

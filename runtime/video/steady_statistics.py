"""The content's statistics over time: measured now and then, smoothed always, and begun anew where a scene does.

AdaIN divides by the content's own deviation. Measured frame by frame, someone who walks into the picture changes that
for all of it, and the style pumps. What the exposure changes is let through at once, though: there the frame's own
statistics are the steadier ones (`steady_exposure`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from runtime.affine import MIN_DEVIATION
from runtime.video.steadiness import Steadiness, retention

#: Gives the (2, M) statistics of the frame, lit by factors per channel, (3,), or as it is.
Measure = Callable[[np.ndarray | None], np.ndarray]


class SteadyStatistics:
    """Exponential smoothing of (2, M) statistics towards the latest measurement."""

    def __init__(self, steadiness: Steadiness) -> None:
        self._steadiness = steadiness
        self.reset()

    def reset(self) -> None:
        """Forget what was measured: the next frame begins anew."""
        self._now: np.ndarray | None = None
        self._target: np.ndarray | None = None
        self._seconds = self._measured = 0.0

    def at(self, seconds: float, measure: Measure, gain: np.ndarray | None = None) -> np.ndarray:
        """The statistics to paint a frame with, float32 (2, M).

        Args:
            seconds: the frame's time, not before the last one's.
            measure: called only when a measurement is due.
            gain: what brings the frame to the smoothed exposure, from `SteadyExposure`.
        """
        kept = retention(seconds - self._seconds, self._steadiness.statistics)
        # Half a millisecond less: times are rounded to ticks.
        due = seconds - self._measured >= self._steadiness.every - 5e-4
        self._seconds = seconds
        if self._now is None or self._target is None:
            self._now = self._target = measure(None)
            self._measured = seconds
            return self._now
        if due or gain is not None:
            self._target, self._measured = measure(gain), seconds
        self._now = (kept * self._now + (1 - kept) * self._target).astype(np.float32)
        return self._now if gain is None else _as_exposed(self._now, measure(None), self._target)


def _as_exposed(steady: np.ndarray, own: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """The steady statistics, changed as the exposure changed the frame's: from `lit` to `own`."""
    means = steady[0] + own[0] - lit[0]
    deviations = steady[1] * own[1] / np.maximum(lit[1], MIN_DEVIATION)
    return np.stack([means, deviations]).astype(np.float32)

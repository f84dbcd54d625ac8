"""The content's statistics over time: measured now and then, smoothed always, and begun anew where a scene does.

AdaIN divides by the content's own deviation. Measured frame by frame, a cloud that passes or a head that turns changes
that for the whole picture, and the style pumps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from runtime.video.steadiness import Steadiness, retention


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

    def at(self, seconds: float, measure: Callable[[], np.ndarray]) -> np.ndarray:
        """The statistics to paint a frame with, float32 (2, M).

        Args:
            seconds: the frame's time, not before the last one's.
            measure: gives the frame's own statistics; called only when a measurement is due.
        """
        if self._now is None or self._target is None:
            self._now = self._target = measure()
            self._measured = seconds
        else:
            # Half a millisecond less: times are rounded to ticks.
            if seconds - self._measured >= self._steadiness.every - 5e-4:
                self._target, self._measured = measure(), seconds
            kept = retention(seconds - self._seconds, self._steadiness.statistics)
            self._now = (kept * self._now + (1 - kept) * self._target).astype(np.float32)
        self._seconds = seconds
        return self._now

"""How steady a video is kept, as settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from runtime.errors import UserError


@dataclass(frozen=True)
class Steadiness:
    """How much a frame's picture leans on the frames before it; times in seconds, so the frame rate doesn't matter.

    Attributes:
        statistics: time constant of the content's smoothed statistics; 0 takes each frame's own.
        blend: time constant of the blending with the picture before, where the input stands still; 0 blends nothing.
        every: the statistics are measured anew after this time; smoothing fills in between.

    Raises:
        UserError: a number below 0, above a minute or not finite.
    """

    MAX_SECONDS: ClassVar[float] = 60.0

    statistics: float = 0.5
    blend: float = 0.1
    every: float = 0.1

    def __post_init__(self) -> None:
        for name in ("statistics", "blend", "every"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and 0 <= seconds <= self.MAX_SECONDS):
                raise UserError(f"{name} must be from 0 to {self.MAX_SECONDS:g} seconds, not {seconds:g}")


#: Every frame on its own.
UNSTEADY = Steadiness(0, 0, 0)


def retention(elapsed: float, time_constant: float) -> float:
    """How much of what was remains after `elapsed` seconds of exponential smoothing, 0..1."""
    return math.exp(-max(elapsed, 0.0) / time_constant) if time_constant > 0 else 0.0

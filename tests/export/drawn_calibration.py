"""A calibration of a few drawn pictures, made in no time."""

from __future__ import annotations

from export.calibration import Calibration, Pair
from tests.distill.tiny import draw


def drawn_calibration(side: int = 64) -> Calibration:
    """Eight crops, three pairs to tune by and three other ones to judge by."""
    return Calibration(
        pairs=tuple(Pair(draw(i, side), draw(20 + i % 3, side), 0.5 if i == 4 else 1.0) for i in range(8)),
        tuning=tuple(Pair(draw(i, side), draw(20 + i, side), 1.0) for i in range(3)),
        held_back=tuple(Pair(draw(40 + i, side), draw(60 + i, side), 1.0) for i in range(3)),
        source="drawn pictures",
    )

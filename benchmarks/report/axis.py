"""A logarithmic axis: where a number lies on it, and where its marks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MARGIN = 0.04
_FEWEST_MARKS = 3


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``, both above 0 and apart."""

    low: float
    high: float

    def at(self, values: ArrayLike) -> NDArray[np.float64]:
        """Where the values lie: 0 at ``low``, 1 at ``high``; what is beyond is put at these ends."""
        shares = np.log(np.maximum(values, self.low) / self.low) / math.log(self.high / self.low)
        return np.minimum(shares, 1.0)

    def marks(self) -> list[tuple[float, str]]:
        """Round numbers with their places: 1, 2 and 5 of each decade, or equal steps where the axis is short."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        chosen = [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]
        shown = [value for value in chosen if self.low <= value <= self.high]
        if last - first > 3:
            shown = [value for value in shown if f"{value:e}"[0] == "1"]
        if len(shown) < _FEWEST_MARKS:
            shown = self._equal_steps()
        return [(float(self.at(value)), f"{value:.6g}") for value in shown]

    def _equal_steps(self) -> list[float]:
        most = (self.high - self.low) / _FEWEST_MARKS
        power = 10.0 ** math.floor(math.log10(most))
        step = max(digit * power for digit in (1, 2, 5) if digit * power <= most)
        return [number * step for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def axis_for(values: Sequence[float]) -> Axis:
    """An axis with room for all the values, which must not be empty; those at or below 0 get no room."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    spread = max(math.log(high / low), 0.05) * _MARGIN + 0.01
    return Axis(low / math.exp(spread), high * math.exp(spread))

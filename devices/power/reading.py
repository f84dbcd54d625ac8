"""What a machine's sensors say at one moment, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Reading:
    """One look at sensors; empty where nothing tells.

    Attributes:
        watts: power by the rail's own name. A sensor's offset can make a small one negative.
        whole: the rails that together are all that the sensor's owner draws, none of them part of another.
        megahertz, celsius: clocks and temperatures by name.
        throttled: why clocks are held down now, empty where they are not; None where nothing here can tell.
    """

    watts: dict[str, float] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    megahertz: dict[str, float] = field(default_factory=dict)
    celsius: dict[str, float] = field(default_factory=dict)
    throttled: tuple[str, ...] | None = None


def merge(readings: Iterable[Reading]) -> Reading:
    """The readings of several sensors as one; of two values by one name the first counts."""
    watts: dict[str, float] = {}
    megahertz: dict[str, float] = {}
    celsius: dict[str, float] = {}
    whole: list[str] = []
    reasons: list[tuple[str, ...]] = []
    for reading in readings:
        whole += [name for name in reading.whole if name not in watts]
        watts = {**reading.watts, **watts}
        megahertz = {**reading.megahertz, **megahertz}
        celsius = {**reading.celsius, **celsius}
        if reading.throttled is not None:
            reasons.append(reading.throttled)
    throttled = tuple(dict.fromkeys(reason for each in reasons for reason in each)) if reasons else None
    return Reading(watts, tuple(whole), megahertz, celsius, throttled)


class Sensor(Protocol):
    """Something that is read again and again, from one thread."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def every_s(self) -> float:
        """It is not to be read more often than this, in seconds."""

    def read(self) -> Reading:
        """What is new since the last look; may raise OSError."""

    def close(self) -> None:
        """Let go of everything. Nothing that was started is left. May be called twice."""


@dataclass(frozen=True)
class Polled:
    """A sensor that is a function."""

    name: str
    take: Callable[[], Reading]
    every_s: float = 0.0

    def read(self) -> Reading:
        return self.take()

    def close(self) -> None:
        """There is nothing to let go of."""

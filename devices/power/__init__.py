"""Power, clocks, temperatures and throttling of this machine while something is measured on it."""

from __future__ import annotations

from devices.power.reading import Reading
from devices.power.sampler import Sample, Sampler
from devices.power.sensors import INTERVAL_S, Sensors, find_sensors
from devices.power.summary import Rail, Spread, Watch, summarize

__all__ = [
    "INTERVAL_S",
    "Rail",
    "Reading",
    "Sample",
    "Sampler",
    "Sensors",
    "Spread",
    "Watch",
    "find_sensors",
    "summarize",
]

"""Which sensors this machine has, and why others cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from devices.host import Host
from devices.power import nvidia_smi, powermetrics
from devices.power.clocks import find_clocks
from devices.power.ina3221 import find_ina3221
from devices.power.power_mode import read_power_mode
from devices.power.rapl import find_rapl
from devices.power.reading import Sensor
from devices.power.tegrastats import find_tegrastats, open_tegrastats
from devices.power.temperature import find_temperatures
from devices.power.throttling import find_throttling

#: Seconds between two looks: five a second see what a benchmark of seconds does, and cost next to nothing.
INTERVAL_S = 0.2
NO_SENSOR = (
    "power: this machine shows no sensor to this process (INA3221, tegrastats, RAPL, nvidia-smi and powermetrics were "
    "looked for)"
)


@dataclass(frozen=True)
class Sensors:
    """What there is to read.

    Attributes:
        openers: each gives a Sensor that is ready, or raises OSError.
        power: whether any of them may tell power.
        mode: the power mode by name, None where there is none.
        reasons: a line for each kind of figure that cannot be had, with what would help.
        interval_s: how often to look, in seconds.
    """

    openers: tuple[Callable[[], Sensor], ...]
    power: bool
    mode: str | None
    reasons: tuple[str, ...]
    interval_s: float = INTERVAL_S

    def to_json(self) -> dict[str, Any]:
        """For a record: the mode, and what is not available."""
        return {"mode": self.mode, "not_available": list(self.reasons)}


def find_sensors(host: Host | None = None, cpus: Collection[int] = ()) -> Sensors:
    """The sensors of this machine (or ``host``); the clock is that of ``cpus``, of all usable ones without any.

    Starts a few short commands and nothing that stays. Raises nothing.
    """
    host = host or Host()
    power, reasons = _power(host)
    if not power and not reasons:
        reasons = [NO_SENSOR]
    cpus = cpus or host.allowed_cpus or range(host.logical_cpus)
    others = [*find_clocks(host, cpus), *find_throttling(host)]
    temperatures = find_temperatures(host)
    if temperatures is not None:
        others.append(temperatures)
    ready = tuple(_ready(sensor) for sensor in others)
    # Of two figures by one name the first counts: cpufreq tells the clock of `cpus`, tegrastats that of all.
    return Sensors((*ready, *power), bool(power), read_power_mode(host), tuple(reasons))


def _ready(sensor: Sensor) -> Callable[[], Sensor]:
    return lambda: sensor


def _power(host: Host) -> tuple[list[Callable[[], Sensor]], list[str]]:
    openers: list[Callable[[], Sensor]] = []
    reasons = []
    # Reading /sys costs less than another process, and needs none to be ended.
    ina3221 = find_ina3221(host)
    tegrastats = None if ina3221 else find_tegrastats()
    if ina3221:
        openers.append(_ready(ina3221))
    elif tegrastats:
        openers.append(lambda: open_tegrastats(tegrastats, INTERVAL_S))
    rapl, closed = find_rapl(host)
    if rapl:
        openers.append(_ready(rapl))
    smi = nvidia_smi.command_here(host)
    if smi:
        openers.append(lambda: nvidia_smi.open_nvidia_smi(smi, INTERVAL_S))
    metrics, refused = powermetrics.command_here(host)
    if metrics:
        openers.append(lambda: powermetrics.open_powermetrics(metrics, INTERVAL_S))
    reasons += [reason for reason in (closed, refused) if reason]
    return openers, reasons

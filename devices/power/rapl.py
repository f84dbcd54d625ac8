"""RAPL, the energy counters of Intel and AMD processors, in /sys/class/powercap.

Linux: Documentation/power/powercap/powercap.rst. The counters hold microjoules and begin again at zero when they are
full, after some minutes at full power. Since CVE-2020-8694 only root may read them unless somebody allows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from devices.host import Host
from devices.power.reading import Reading

_FOLDER = "sys/class/powercap"
CLOSED = (
    "RAPL: only root may read the processor's energy counters here; `sudo chmod a+r "
    "/sys/class/powercap/intel-rapl:*/energy_uj` allows it until the next start"
)


@dataclass
class _Zone:
    """A counter: ``most`` is where it begins again, 0 where that is not told; ``last`` is (when, microjoules)."""

    file: str
    most: int
    last: tuple[float, int] | None = None


class Rapl:
    """A sensor whose readings are mean power since the one before; the first one is empty."""

    name = "RAPL"
    every_s = 0.0

    def __init__(self, host: Host, zones: dict[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        """``zones`` are folders by the name of the rail."""
        self._host, self._clock = host, clock
        self._zones = {
            name: _Zone(f"{folder}/energy_uj", host.read_integer(f"{folder}/max_energy_range_uj") or 0)
            for name, folder in zones.items()
        }

    def read(self) -> Reading:
        watts = {name: value for name, zone in self._zones.items() if (value := self._watts(zone)) is not None}
        return Reading(watts, tuple(name for name in watts if _is_whole(name)))

    def close(self) -> None:
        """Forget the last look: the next one begins anew."""
        for zone in self._zones.values():
            zone.last = None

    def _watts(self, zone: _Zone) -> float | None:
        energy, now = self._host.read_integer(zone.file), self._clock()
        if energy is None:
            return None
        before, zone.last = zone.last, (now, energy)
        if before is None or now <= before[0]:
            return None
        used = energy - before[1]
        if used < 0:  # it was full and began again
            if not zone.most:
                return None
            used += zone.most
        return used / 1e6 / (now - before[0])


def find_rapl(host: Host) -> tuple[Rapl | None, str | None]:
    """The counters, and why there are none although the processor has them."""
    zones = {}
    for folder in host.folders(f"{_FOLDER}/intel-rapl:*"):
        name = host.read(f"{folder}/name")
        if not name:
            continue
        package, colon, _ = folder.rpartition("/")[2].removeprefix("intel-rapl:").partition(":")
        zones[f"package-{package} {name}" if colon else name] = folder
    readable = {name: folder for name, folder in zones.items() if host.read_integer(f"{folder}/energy_uj") is not None}
    if readable:
        return Rapl(host, readable), None
    return None, CLOSED if zones else None


def _is_whole(name: str) -> bool:
    """Sockets, and the memory beside them; cores and graphics are inside a socket, and psys holds sockets."""
    return name.endswith(" dram") or (name.startswith("package-") and " " not in name)

"""How busy a machine is with other work, so that a measurement on it can be believed or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from devices.host import Host

#: A machine is too busy to measure on when others use more than half a core, or a neighbour steals this share.
BUSY_CORES = 0.5
STOLEN_SHARE = 0.02


@dataclass(frozen=True)
class Ticks:
    """Processor time since boot, summed over the usable CPUs, in clock ticks."""

    total: int
    idle: int
    stolen: int


@dataclass(frozen=True)
class Load:
    """``busy`` and ``stolen`` are shares (0 to 1) of the usable CPUs' time; None where the system does not tell."""

    cpus: int
    busy: float | None
    stolen: float | None
    load_average: float | None

    def to_json(self) -> dict[str, Any]:
        """A dictionary that ``json.dumps`` takes."""
        return asdict(self)

    def warnings(self) -> list[str]:
        """One line for each reason not to trust a measurement taken now; empty on a quiet machine."""
        lines = []
        if self.busy is not None:
            if self.busy * self.cpus > BUSY_CORES:
                lines.append(f"other work keeps {self.busy * self.cpus:.1f} of {self.cpus} CPUs busy")
        elif self.load_average is not None and self.load_average > BUSY_CORES:
            lines.append(f"the load average is {self.load_average:.1f} on {self.cpus} CPUs")
        if self.stolen is not None and self.stolen > STOLEN_SHARE:
            lines.append(f"the hypervisor gives {self.stolen:.0%} of this machine's time to others")
        return lines


def read_ticks(host: Host) -> Ticks | None:
    """Processor time of the usable CPUs from /proc/stat, or None where there is none."""
    readings = []
    for line in (host.read("proc/stat") or "").splitlines():
        name, *fields = line.split()
        if not name.startswith("cpu") or not name[3:].isdigit():
            continue
        if host.allowed_cpus is not None and int(name[3:]) not in host.allowed_cpus:
            continue
        # user nice system idle iowait irq softirq steal; the guest fields after them are part of user already
        values = [int(value) for value in fields[:8]] + [0] * (8 - len(fields))
        readings.append((sum(values), values[3] + values[4], values[7]))
    return Ticks(*(sum(column) for column in zip(*readings, strict=True))) if readings else None


def load_between(host: Host, before: Ticks | None, after: Ticks | None) -> Load:
    """The load in the time between two readings."""
    busy = stolen = None
    if before and after and after.total > before.total:
        elapsed = after.total - before.total
        stolen = (after.stolen - before.stolen) / elapsed
        busy = max(0.0, 1 - (after.idle - before.idle) / elapsed - stolen)
    cpus = len(host.allowed_cpus) if host.allowed_cpus is not None else host.logical_cpus
    return Load(cpus, busy, stolen, _load_average(host))


def measure_load(host: Host | None = None, seconds: float = 0.5, sleep: Callable[[float], None] = time.sleep) -> Load:
    """Watch the machine for ``seconds`` and say how busy others keep it. Raises nothing."""
    host = host or Host()
    before = read_ticks(host)
    sleep(seconds)
    return load_between(host, before, read_ticks(host))


def _load_average(host: Host) -> float | None:
    """The load average of the last minute."""
    text = host.read("proc/loadavg") or (host.sysctl("vm.loadavg") if host.system == "Darwin" else None) or ""
    words = text.strip("{ }").split()
    try:
        return float(words[0])
    except (IndexError, ValueError):
        return None

"""Temperatures: the kernel's thermal zones, and the processor's own sensor on PCs.

Linux: Documentation/ABI/testing/sysfs-class-thermal, Documentation/hwmon/coretemp.rst, k10temp.rst; in thousandths of a
degree.
"""

from __future__ import annotations

from devices.host import Host
from devices.power.reading import Polled, Reading
from devices.power.tegrastats import COLDEST, CONSTANT

_CHIPS = ("coretemp", "k10temp", "zenpower")
#: A machine with more zones than this is a server whose other zones are of no use here.
MOST_ZONES = 16


def find_temperatures(host: Host) -> Polled | None:
    """All zones that can be read, as one sensor; None without any. A part that is off tells nothing."""
    files = dict(list(_zones(host).items())[:MOST_ZONES])
    if not files:
        return None

    def take() -> Reading:
        degrees = {name: host.read_integer(file) for name, file in files.items()}
        return Reading(celsius={n: d / 1e3 for n, d in degrees.items() if d is not None and d / 1e3 > COLDEST})

    return Polled("thermal zones", take)


def _zones(host: Host) -> dict[str, str]:
    found = {}
    for folder in host.folders("sys/class/thermal/thermal_zone*"):
        name = (host.read(f"{folder}/type") or "").removesuffix("-thermal").removesuffix("-therm")
        if name and not name.startswith(CONSTANT):
            found.setdefault(name, f"{folder}/temp")
    for folder in host.folders("sys/class/hwmon/hwmon*"):
        chip = host.read(f"{folder}/name")
        if chip in _CHIPS:
            found.setdefault(chip, f"{folder}/temp1_input")
    return found

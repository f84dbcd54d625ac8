"""tegrastats, the monitor of NVIDIA's Jetson: its lines, field by field, whatever fields a board has.

A rail is ``NAME now/mean`` in milliwatts, ``NAME nowmW/meanmW`` from JetPack 5 on, ``NAME nowmW/meanmW/peakmW`` on
JetPack 7.2; only what it draws now is taken. NVIDIA, Jetson Linux Developer Guide: "Tegrastats Utility".
"""

from __future__ import annotations

import re
import shutil

from devices.power.jetson_rails import NOT_CONNECTED, whole_of
from devices.power.reading import Reading
from devices.power.repeating_command import RepeatingCommand

# `RAM 613/3964MB` is no rail: it has another unit. Without a slash there has to be a unit: `APE 150` is a clock.
_RAIL = re.compile(
    r"(?<!\S)(?P<name>[A-Za-z]\w*) +(?P<now>-?\d+)(?:mW(?:/-?\d+mW){0,2}|(?:/-?\d+){1,2})(?!\S)",
)
_TEMPERATURE = re.compile(r"(?<!\S)(?P<name>[A-Za-z][\w-]*)@(?P<now>-?\d+(?:\.\d+)?)C(?:/-?\d+(?:\.\d+)?C)?(?!\S)")
_CPUS = re.compile(r"(?<!\S)cpu \[(?P<each>[^\]]*)\](?:@(?P<all>\d+))?", re.IGNORECASE)
_CLOCK = re.compile(r"(?<!\S)(?P<name>GR3D_FREQ|GR3D|EMC_FREQ|EMC)\s+(?:\d+%)?@\[?(?P<first>\d+)")
_CLOCK_NAMES = {"GR3D": "gpu", "EMC": "memory"}
#: A part that is switched off shows -256 degrees, and the PMIC's sensor of older boards always the same number.
COLDEST = -100.0
CONSTANT = "PMIC"


def parse_tegrastats(line: str) -> Reading:
    """The rails, temperatures and clocks (of CPUs that are on: their mean) of one line; unknown fields are skipped."""
    watts = {
        found["name"]: int(found["now"]) / 1000 for found in _RAIL.finditer(line) if found["name"] not in NOT_CONNECTED
    }
    celsius = {
        found["name"]: float(found["now"])
        for found in _TEMPERATURE.finditer(line)
        if float(found["now"]) > COLDEST and found["name"] != CONSTANT
    }
    clocks = {_CLOCK_NAMES[found["name"].split("_")[0]]: float(found["first"]) for found in _CLOCK.finditer(line)}
    cpus = _cpu_clocks(line)
    if cpus:
        clocks["cpu"] = sum(cpus) / len(cpus)
    return Reading(watts, whole_of(watts), clocks, celsius)


def _cpu_clocks(line: str) -> list[float]:
    """``CPU [2%@345,off]``, and ``cpu [17%,13%]@408`` of old releases."""
    found = _CPUS.search(line)
    if found is None:
        return []
    if found["all"]:
        return [float(found["all"])]
    parts = (part.partition("@")[2] for part in found["each"].split(","))
    return [float(part) for part in parts if part.isdigit()]


def find_tegrastats() -> str | None:
    """The path of tegrastats, None on a machine without it."""
    return shutil.which("tegrastats")


def open_tegrastats(path: str, interval_s: float) -> RepeatingCommand:
    """tegrastats, running. Raises OSError."""
    return RepeatingCommand("tegrastats", (path, "--interval", f"{interval_s * 1000:.0f}"), parse_tegrastats)

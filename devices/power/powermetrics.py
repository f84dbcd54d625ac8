"""powermetrics, which estimates what the parts of an Apple chip draw. It runs as root only.

``man powermetrics``: one property list a sample, NUL between them. Power is in mW; clocks of CPU clusters are in Hz,
and the GPU's, by the same name, in MHz.
"""

from __future__ import annotations

import os
import plistlib
from typing import Any
from xml.parsers.expat import ExpatError

from devices.host import Host
from devices.power.reading import Reading
from devices.power.repeating_command import RepeatingCommand

COMMAND = ("/usr/bin/powermetrics", "--samplers", "cpu_power,gpu_power,thermal", "--format", "plist", "-n", "-1")
#: Never asks for a password: it fails where it would have to.
WITHOUT_ASKING = ("sudo", "-n")
CLOSED = (
    "powermetrics: it runs as root only: start the benchmark with sudo, or let sudo run /usr/bin/powermetrics without "
    "a password"
)
_RAILS = {"cpu_power": "CPU", "gpu_power": "GPU", "ane_power": "ANE", "combined_power": "Combined"}
_WHOLE = "Combined"
#: No clock is below this many Hz: a smaller number is in MHz.
_LEAST_HZ = 1e6


def command_here(host: Host, is_root: bool | None = None) -> tuple[tuple[str, ...] | None, str | None]:
    """The command where it may be run without a question, else why not. ``is_root`` None looks at this process."""
    if host.system != "Darwin":
        return None, None
    if is_root if is_root is not None else os.geteuid() == 0:
        return COMMAND, None
    allowed = host.run((*WITHOUT_ASKING, "-l", *COMMAND)) is not None
    return ((*WITHOUT_ASKING, *COMMAND), None) if allowed else (None, CLOSED)


def open_powermetrics(command: tuple[str, ...], interval_s: float) -> RepeatingCommand:
    """The command that ``command_here`` found, running. Raises OSError."""
    interval = ("-i", f"{interval_s * 1000:.0f}")
    return RepeatingCommand("powermetrics", (*command, *interval), parse_powermetrics, separator=b"\0")


def parse_powermetrics(text: str) -> Reading:
    """One sample's property list; one that is damaged says nothing."""
    try:
        sample = plistlib.loads(text.strip().encode())
    except (ExpatError, ValueError, plistlib.InvalidFileException):
        return Reading()
    if not isinstance(sample, dict):
        return Reading()
    processor, gpu = _inner(sample, "processor"), _inner(sample, "gpu")
    watts = {rail: value / 1000 for key, rail in _RAILS.items() if (value := _number(processor, key)) is not None}
    clocks = {
        str(cluster.get("name", "CPU")): hertz
        for cluster in processor.get("clusters", [])
        if isinstance(cluster, dict) and (hertz := _megahertz(cluster)) is not None
    }
    if (hertz := _megahertz(gpu)) is not None:
        clocks["gpu"] = hertz
    pressure = sample.get("thermal_pressure")
    throttled = None if not isinstance(pressure, str) else () if pressure == "Nominal" else (f"pressure: {pressure}",)
    return Reading(watts, (_WHOLE,) if _WHOLE in watts else tuple(watts), clocks, throttled=throttled)


def _inner(sample: dict[str, Any], key: str) -> dict[str, Any]:
    value = sample.get(key)
    return value if isinstance(value, dict) else {}


def _number(table: dict[str, Any], key: str) -> float | None:
    value = table.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _megahertz(table: dict[str, Any]) -> float | None:
    value = _number(table, "freq_hz")
    return None if value is None else value / 1e6 if value >= _LEAST_HZ else value

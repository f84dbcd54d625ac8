"""Signs that clocks are held down: by heat, by current, by a weak power supply.

Linux: Documentation/ABI/testing/sysfs-class-thermal (cooling devices) and sysfs-devices-system-cpu (thermal_throttle);
NVIDIA, Jetson Linux Developer Guide: throttle alerts, over-current events; Raspberry Pi documentation: vcgencmd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from devices.host import Host
from devices.power.reading import Polled, Reading, Sensor

#: Cooling devices that slow something down; fans, displays and Wi-Fi are cooling devices too.
_SLOWING = ("throttle", "cpufreq", "devfreq", "processor")
#: What holds now; the same bits from 16 on say whether it ever did since the start.
_PI_BITS = {0x1: "under-voltage", 0x2: "clock capped", 0x4: "throttled", 0x8: "soft temperature limit"}
#: It is a process each time.
_VCGENCMD_EVERY_S = 1.0


def find_throttling(host: Host) -> list[Sensor]:
    """Sensors whose readings say why clocks are held down; none where nothing tells."""
    return [sensor for sensor in (_counters(host), _cooling(host), _raspberry_pi(host)) if sensor is not None]


class _Counters:
    """Counters of events: each that grew since the last look is a reason."""

    name = "throttle counters"
    every_s = 0.0

    def __init__(self, host: Host, files: dict[str, str]) -> None:
        self._host, self._files = host, files
        self._last: dict[str, int | None] = {}

    def read(self) -> Reading:
        reasons = []
        for file, reason in self._files.items():
            now, before = self._host.read_integer(file), self._last.get(file)
            self._last[file] = now
            if now is not None and before is not None and now > before:
                reasons.append(reason)
        return Reading(throttled=tuple(dict.fromkeys(reasons)))

    def close(self) -> None:
        """Forget the last look: the next one begins anew."""
        self._last = {}


def _counters(host: Host) -> _Counters | None:
    files = {file: reason for file, reason in _counter_files(host) if host.read_integer(file) is not None}
    return _Counters(host, files) if files else None


def _counter_files(host: Host) -> Iterator[tuple[str, str]]:
    for part in ("core", "package"):
        for file in host.folders(f"sys/devices/system/cpu/cpu*/thermal_throttle/{part}_throttle_count"):
            yield file, f"heat: {part}"
    for folder in host.folders("sys/class/hwmon/hwmon*"):
        if host.read(f"{folder}/name") == "soctherm_oc":
            for file in host.folders(f"{folder}/oc*_event_cnt"):
                yield file, "over-current"


def _cooling(host: Host) -> Polled | None:
    files = {}
    for folder in host.folders("sys/class/thermal/cooling_device*"):
        kind = host.read(f"{folder}/type") or ""
        if any(word in kind.lower() for word in _SLOWING):
            files[f"{folder}/cur_state"] = kind
    if not files:
        return None

    def take() -> Reading:
        return Reading(
            throttled=tuple(dict.fromkeys(k for file, k in files.items() if (host.read_integer(file) or 0) > 0))
        )

    return Polled("cooling devices", take)


def _raspberry_pi(host: Host) -> Polled | None:
    if not (host.read("proc/device-tree/model") or "").startswith("Raspberry Pi") or _pi_bits(host) is None:
        return None

    def take() -> Reading:
        bits = _pi_bits(host)
        return Reading(throttled=None if bits is None else tuple(r for bit, r in _PI_BITS.items() if bits & bit))

    return Polled("vcgencmd", take, _VCGENCMD_EVERY_S)


def _pi_bits(host: Host) -> int | None:
    """``throttled=0x50005`` as a number."""
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]{1,8})", host.run(("vcgencmd", "get_throttled")) or "")
    return int(found[1], 16) if found else None

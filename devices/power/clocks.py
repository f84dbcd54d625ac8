"""Clocks: of the CPUs that measure, and of a board's GPU and memory.

Linux: Documentation/admin-guide/pm/cpufreq.rst (kHz), Documentation/ABI/testing/sysfs-class-devfreq (Hz).
"""

from __future__ import annotations

from collections.abc import Collection

from devices.host import Host
from devices.power.reading import Polled, Reading

#: What the GPU of a board is called in devfreq: by NVIDIA's chips, Thor's cluster, and other vendors' drivers.
_GPUS = ("gpu", "gm20b", "gp10b", "gv11b", "ga10b", "mali", "v3d")
_MEMORIES = ("emc", "dmc", "bwmgr")
#: The kernel interrupts every CPU to fill in /proc/cpuinfo.
_CPUINFO_EVERY_S = 1.0


def find_clocks(host: Host, cpus: Collection[int]) -> list[Polled]:
    """Sensors of the mean clock of these CPUs, and of what devfreq drives."""
    found = []
    files = [f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq" for number in sorted(cpus)]
    files = [file for file in files if host.read_integer(file) is not None]
    if files:
        found.append(Polled("cpufreq", lambda: _mean(host, files)))
    elif _from_cpuinfo(host, cpus).megahertz:
        found.append(Polled("/proc/cpuinfo", lambda: _from_cpuinfo(host, cpus), _CPUINFO_EVERY_S))
    devices = _devfreq(host)
    if devices:
        found.append(Polled("devfreq", lambda: _read_devfreq(host, devices)))
    return found


def _mean(host: Host, files: list[str]) -> Reading:
    values = [value for file in files if (value := host.read_integer(file)) is not None]
    return Reading(megahertz={"cpu": sum(values) / len(values) / 1e3} if values else {})


def _from_cpuinfo(host: Host, cpus: Collection[int]) -> Reading:
    """x86 alone says it there, and a virtual machine what it was promised."""
    values, number = [], -1
    for line in (host.read("proc/cpuinfo") or "").splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "processor" and value.isdigit():
            number = int(value)
        elif key == "cpu MHz" and number in cpus:
            values.append(float(value))
    return Reading(megahertz={"cpu": sum(values) / len(values)} if values else {})


def _devfreq(host: Host) -> dict[str, str]:
    """Files by ``gpu`` and ``memory``, the first of each."""
    found: dict[str, str] = {}
    for folder in host.folders("sys/class/devfreq/*"):
        device = folder.rpartition("/")[2].lower()
        for name, words in (("gpu", _GPUS), ("memory", _MEMORIES)):
            if any(word in device for word in words):
                found.setdefault(name, f"{folder}/cur_freq")
    return {name: file for name, file in found.items() if host.read_integer(file) is not None}


def _read_devfreq(host: Host, files: dict[str, str]) -> Reading:
    values = {name: host.read_integer(file) for name, file in files.items()}
    return Reading(megahertz={name: value / 1e6 for name, value in values.items() if value is not None})

"""Which machine is this? Facts for a person and for a benchmark record, from the standard library alone."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from devices.cpu import read_cores, read_cpu
from devices.host import Host


@dataclass(frozen=True)
class Machine:
    """One machine. What the system does not tell is None, or empty.

    ``name`` is the board, else the processor. ``board_release`` is the vendor's system release (L4T on a Jetson).
    ``usable_cores`` are physical cores this process may run on, ``default_threads`` what they and a container's limit
    allow. ``memory_bytes`` is the system's memory, ``memory_limit_bytes`` a container's limit on it.
    """

    name: str
    board: str | None
    board_release: str | None
    cpu: str
    architecture: str
    isa: tuple[str, ...]
    logical_cpus: int
    usable_cores: int
    default_threads: int
    cpu_quota: float | None
    governor: str | None
    virtual_machine: bool
    memory_bytes: int | None
    memory_limit_bytes: int | None
    os: str
    kernel: str
    python: str

    def to_json(self) -> dict[str, Any]:
        """A dictionary that ``json.dumps`` takes."""
        return {**asdict(self), "isa": list(self.isa)}


def describe_this_machine(host: Host | None = None) -> Machine:
    """Describe the machine this process runs on (or ``host``, which may be a recorded one). Raises nothing."""
    host = host or Host()
    cpu, cores, board = read_cpu(host), read_cores(host), _board(host)
    return Machine(
        name=board or cpu.name,
        board=board,
        board_release=_board_release(host),
        cpu=cpu.name,
        architecture=host.architecture,
        isa=cpu.isa,
        logical_cpus=cpu.logical,
        usable_cores=len(cores.cores),
        default_threads=cores.threads,
        cpu_quota=cores.quota,
        governor=_governor(host),
        virtual_machine="hypervisor" in (host.read("proc/cpuinfo") or "").split(),
        memory_bytes=_memory_bytes(host),
        memory_limit_bytes=_memory_limit_bytes(host),
        os=_os_name(host),
        kernel=host.kernel,
        python=host.python,
    )


def _board(host: Host) -> str | None:
    """The device tree's model (Jetson, Raspberry Pi), or a Mac's model."""
    if host.system == "Darwin":
        return host.sysctl("hw.model")
    model = host.read("proc/device-tree/model") or host.read("sys/firmware/devicetree/base/model")
    return model or None


def _board_release(host: Host) -> str | None:
    """``L4T 36.4.3`` from /etc/nv_tegra_release."""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", host.read("etc/nv_tegra_release") or "")
    return f"L4T {found[1]}.{found[2]}" if found else None


def _governor(host: Host) -> str | None:
    """The clock governor of the usable CPUs; several, joined by commas, where clusters differ."""
    numbers = sorted(host.allowed_cpus if host.allowed_cpus is not None else range(host.logical_cpus))
    found = (host.read(f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor") for number in numbers)
    return ", ".join(dict.fromkeys(governor for governor in found if governor)) or None


def _memory_bytes(host: Host) -> int | None:
    if host.system == "Darwin":
        text = host.sysctl("hw.memsize") or ""
        return int(text) if text.isdigit() else None
    found = re.search(r"^MemTotal:\s+(\d+) kB", host.read("proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _memory_limit_bytes(host: Host) -> int | None:
    """A cgroup v2 limit; the word ``max`` there means none."""
    text = host.read("sys/fs/cgroup/memory.max") or ""
    return int(text) if text.isdigit() else None


def _os_name(host: Host) -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', host.read("etc/os-release") or "", re.MULTILINE)
    return found[1] if found else host.system

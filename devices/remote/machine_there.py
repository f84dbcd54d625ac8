"""The machine at the other end, as `devices` sees its own: the same code reads the same files and commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from devices.device import Device
from devices.errors import DeviceError
from devices.host import Host
from devices.identify import CERTAINTIES, LIKELY, Match, match_device, read_signs
from devices.remote.connection import Connection

#: All that `devices` reads of a Linux system, as patterns.
FILES = (
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/stat",
    "proc/loadavg",
    "proc/device-tree/model",
    "proc/device-tree/compatible",
    "sys/firmware/devicetree/base/model",
    "etc/nv_tegra_release",
    "etc/os-release",
    "sys/devices/system/cpu/cpu*/topology/thread_siblings_list",
    "sys/devices/system/cpu/cpu*/cpu_capacity",
    "sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq",
    "sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/cpu.max",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "sys/bus/pci/devices/*/vendor",
)
#: Of these only that they are there.
EXISTING = (
    "usr/lib/aarch64-linux-gnu/libnvinfer.so.*",
    "usr/lib/x86_64-linux-gnu/libnvinfer.so.*",
    "usr/src/tensorrt/bin/trtexec",
)


@contextmanager
def host_there(connection: Connection) -> Iterator[Host]:
    """The device's system: its files as they are now, copied to a folder here, and its commands when asked for."""
    found = connection.read_facts(FILES, EXISTING)
    with TemporaryDirectory(prefix="brushlet-facts-") as folder:
        for path, text in found.items():
            _write(Path(folder), path, text, connection.host)
        yield _host(connection, Path(folder))


def _write(folder: Path, path: str, text: str, host: str) -> None:
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/") or not any(_matches(path, pattern) for pattern in (*FILES, *EXISTING)):
        raise DeviceError(f"{host} tells of a file that was not asked for: do not trust this device")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="")


def _matches(path: str, pattern: str) -> bool:
    """Part by part: a star is not to take a slash along."""
    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _host(connection: Connection, root: Path) -> Host:
    facts = connection.facts

    def sysctl(name: str) -> str | None:
        return connection.output(("sysctl", "-n", name)) if facts.system == "Darwin" else None

    return Host(
        root=root,
        system=facts.system,
        architecture=facts.architecture,
        kernel=facts.kernel,
        python=facts.python,
        logical_cpus=facts.logical_cpus,
        allowed_cpus=None if facts.allowed_cpus is None else frozenset(facts.allowed_cpus),
        sysctl=sysctl,
        run=connection.output,
    )


def require_device(host: Host, device: Device, where: str) -> Match:
    """The match of that device, if the machine shows that it is one.

    Args:
        where: how to call the machine.

    Raises:
        DeviceError: it shows that it is another one, or nothing that only this one has.
    """
    signs = read_signs(host)
    own, best = match_device(signs, (device,)), match_device(signs)
    rival = None if best.device is None or best.device.name == device.name else best
    # Of two classes that both fit, the machine is the one that the catalogue prefers.
    if own.device is not None and (rival is None or _rank(own) <= min(_rank(rival), CERTAINTIES.index(LIKELY))):
        return own
    seen = "; ".join(best.evidence[:3])
    if rival is not None:
        found = f"it is {rival.device.name} ({rival.certainty}: {seen})"
    else:
        found = "it shows none of its signs" + (f" ({seen})" if seen else "")
    raise DeviceError(
        f"{where} is not {device.name}: {found}; name what it is, or leave --device out to measure it as it is"
    )


def _rank(match: Match) -> int:
    """0 is the surest."""
    return CERTAINTIES.index(match.certainty)

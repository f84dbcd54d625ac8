"""What the doctor looks at, in one place that tests can replace; nothing is imported to learn its version."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from devices.doctor.requirements import Requirements, read_requirements
from devices.here import describe_this_machine
from devices.host import Host

#: Where JetPack and Debian packages put TensorRT's library and its tool.
TENSORRT_LIBRARIES = ("usr/lib/aarch64-linux-gnu", "usr/lib/x86_64-linux-gnu")
TRTEXEC = "usr/src/tensorrt/bin/trtexec"
NVIDIA_PCI_VENDOR = "0x10de"


#: Distributions that bring the same module as another.
STAND_INS = {"onnxruntime": ("onnxruntime-gpu",)}


def installed_version(name: str) -> str | None:
    """Version of an installed distribution, or of one that stands in for it; None where neither is installed."""
    for candidate in (name, *STAND_INS.get(name, ())):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return None


def environment_of_this_python() -> str | None:
    """The folder of the virtual environment that this Python belongs to; None outside of one."""
    return sys.prefix if sys.prefix != sys.base_prefix else None


@dataclass(frozen=True)
class Environment:
    """A machine as the doctor sees it. The defaults are this one. ``venv`` is the virtual environment's folder."""

    host: Host = field(default_factory=Host)
    platform: str = sys.platform
    venv: str | None = field(default_factory=environment_of_this_python)
    version: Callable[[str], str | None] = installed_version
    which: Callable[[str], str | None] = shutil.which
    requirements: Requirements = field(default_factory=read_requirements)

    @cached_property
    def driver(self) -> str | None:
        """``580.95.05 (CUDA 13.0)`` as nvidia-smi's head has it; None without a working NVIDIA driver."""
        head = self.host.run(("nvidia-smi",)) or ""
        driver = re.search(r"Driver Version:\s*([\d.]+)", head)
        cuda = re.search(r"CUDA Version:\s*([\d.]+)", head)
        return (driver[1] + (f" (CUDA {cuda[1]})" if cuda else "")) if driver else None

    @cached_property
    def tegra(self) -> str | None:
        """The Jetson's system release (``L4T 36.4.7``), which brings driver and CUDA; None on another machine."""
        return describe_this_machine(self.host).board_release

    @cached_property
    def has_nvidia_gpu(self) -> bool:
        """Whether the machine has an NVIDIA GPU, with or without a driver."""
        if self.tegra or self.driver:
            return True
        vendors = sorted((self.host.root / "sys/bus/pci/devices").glob("*/vendor"))
        return any(self.host.read(str(file.relative_to(self.host.root))) == NVIDIA_PCI_VENDOR for file in vendors)

    @cached_property
    def system_tensorrt(self) -> str | None:
        """Version of a TensorRT library that the system's packages brought (``10.3.0``)."""
        found = [
            file.name for folder in TENSORRT_LIBRARIES for file in (self.host.root / folder).glob("libnvinfer.so.*")
        ]
        versions = [name.removeprefix("libnvinfer.so.") for name in found]
        return max(versions, key=len, default=None)

    def trtexec(self) -> Path | None:
        """TensorRT's command-line tool, on the path or where JetPack puts it."""
        there = self.which("trtexec")
        at_home = self.host.root / TRTEXEC
        return Path(there) if there else at_home if at_home.is_file() else None

    def package_manager(self) -> str | None:
        """The command that installs system packages, without the packages' names; None where it is not known."""
        if self.platform == "darwin":
            return "brew install"
        return "sudo apt-get install" if self.which("apt-get") else None

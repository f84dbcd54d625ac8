"""A view of the operating system that tests can replace: a file-system root, the platform's names, its commands."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: The environment's name for another folder to find /proc, /sys and /etc in, such as a container's view of its host.
ROOT_VARIABLE = "BRUSHLET_ROOT"
#: A command that takes longer than this hangs, as nvidia-smi may on a broken driver.
PATIENCE_S = 10


def run_command(command: Sequence[str]) -> str | None:
    """What a command prints, without outer blanks; None where there is none, or where it fails or hangs."""
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def run_sysctl(name: str) -> str | None:
    """Value of a macOS sysctl, or None where it does not exist."""
    return run_command(("sysctl", "-n", name))


def allowed_cpus_of_this_process() -> frozenset[int] | None:
    """Logical CPUs this process may run on, or None where the system does not say (macOS)."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


@dataclass(frozen=True)
class Host:
    """Where facts about a machine are read from. The defaults are this machine.

    ``root`` stands before /proc, /sys and /etc, so that a recorded tree can take their place. ``allowed_cpus`` are the
    logical CPUs that may be used; None means all that the tree shows. ``run`` gives what a command prints, or None.
    """

    root: Path = field(default_factory=lambda: Path(os.environ.get(ROOT_VARIABLE) or "/"))
    system: str = field(default_factory=platform.system)
    architecture: str = field(default_factory=platform.machine)
    kernel: str = field(default_factory=platform.release)
    python: str = sys.version.split()[0]
    logical_cpus: int = field(default_factory=lambda: os.cpu_count() or 1)
    allowed_cpus: frozenset[int] | None = field(default_factory=allowed_cpus_of_this_process)
    sysctl: Callable[[str], str | None] = run_sysctl
    run: Callable[[Sequence[str]], str | None] = run_command

    def read(self, path: str) -> str | None:
        """Text of a file below ``root`` without outer blanks and the device tree's NULs; None if unreadable."""
        text = self._text(path)
        return None if text is None else text.replace("\0", "").strip()

    def read_integer(self, path: str) -> int | None:
        """A file that holds a whole number; None where it is unreadable or holds something else."""
        try:
            return int(self.read(path) or "")
        except ValueError:
            return None

    def folders(self, pattern: str) -> list[str]:
        """Paths below ``root`` that fit a pattern such as ``sys/class/hwmon/hwmon*``, sorted, relative to ``root``."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))

    def read_list(self, path: str) -> list[str]:
        """Strings of a device-tree list, which NULs separate; empty if unreadable."""
        return [part for part in (self._text(path) or "").split("\0") if part]

    def _text(self, path: str) -> str | None:
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

"""A view of the operating system that tests can replace: a file-system root, the platform's names, sysctl."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


def run_sysctl(name: str) -> str | None:
    """Value of a macOS sysctl, or None where it does not exist."""
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def allowed_cpus_of_this_process() -> frozenset[int] | None:
    """Logical CPUs this process may run on, or None where the system does not say (macOS)."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


@dataclass(frozen=True)
class Host:
    """Where facts about a machine are read from. The defaults are this machine.

    ``root`` stands before /proc, /sys and /etc, so that a recorded tree can take their place. ``allowed_cpus`` are the
    logical CPUs that may be used; None means all that the tree shows.
    """

    root: Path = Path("/")
    system: str = field(default_factory=platform.system)
    architecture: str = field(default_factory=platform.machine)
    kernel: str = field(default_factory=platform.release)
    python: str = sys.version.split()[0]
    logical_cpus: int = field(default_factory=lambda: os.cpu_count() or 1)
    allowed_cpus: frozenset[int] | None = field(default_factory=allowed_cpus_of_this_process)
    sysctl: Callable[[str], str | None] = run_sysctl

    def read(self, path: str) -> str | None:
        """Text of a file below ``root`` without outer blanks and the device tree's NULs; None if unreadable."""
        try:
            text = (self.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return text.replace("\0", "").strip()

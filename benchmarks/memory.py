"""Memory of this process, and of the GPUs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_bytes() -> int | None:
    """Memory this process holds now, or None where the system does not tell (macOS)."""
    return _status("VmRSS")


def peak_bytes() -> int | None:
    """The most memory this process ever held, or None where the system does not tell (Windows).

    Linux: the kernel's high-water mark of this very process. ``ru_maxrss`` would not do there: it starts at the peak
    of the process that started this one, so a large parent would hide a small child.
    """
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:
        return None
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024


def gpu_bytes() -> int | None:
    """Memory in use on all NVIDIA GPUs, by whatever program, or None where nvidia-smi does not tell.

    Asked before and after something is loaded, it says what that takes, if nothing else is on the GPU. The driver tells
    it by process too, but not from inside a container.
    """
    asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout.split()
        return sum(map(int, answer)) * 2**20 if answer else None
    except (OSError, subprocess.SubprocessError, ValueError):  # absent, broken, or "[N/A]" as on a Jetson
        return None


def _status(field: str) -> int | None:
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None

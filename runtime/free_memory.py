"""How much memory this process may still take."""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup")


def free_bytes() -> int | None:
    """Memory that can be had without swapping, also where a container limits it; None where that cannot be told.

    It is looked up once a second at most: a video asks for each frame.
    """
    return _free_bytes_at(int(time.monotonic()))


@lru_cache(maxsize=1)
def _free_bytes_at(second: int) -> int | None:
    found = [size for size in (_of_machine(), _of_container()) if size is not None]
    return min(found) if found else None


def _of_machine() -> int | None:
    try:
        available = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
    except OSError:  # not Linux
        available = None
    if available:
        return int(available[1]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # macOS and Windows do not tell
        return None


def _of_container() -> int | None:
    """What is left of a control group's limit (version 2)."""
    try:
        limit, used = ((_CONTAINER / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):  # no such file, or "max"
        return None

"""Teacher pictures on disk: painted once, kept across runs, bounded in size.

A cache is one memory-mapped array of pictures and one of checksums. A checksum of 0 means not painted yet; one that
does not match (a disk that filled up, a machine that lost power) means painted again. Processes may share a cache:
they write different rows, or the same bytes. Runs with more or fewer pairs share their first rows.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from distill.precision import fast_autocast
from distill.teachers import Teacher
from runtime.errors import UserError

VERSION = 2
DEFAULT_BYTES = 4 << 30


def cache_root() -> Path:
    """``$BRUSHLET_CACHE``, else the user's cache directory."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("BRUSHLET_CACHE") or home / "brushlet") / "teacher-pictures"


class TeacherCache:
    """Pictures (count, size, size, 3) of ``teacher``, filed under a key of everything they depend on."""

    def __init__(
        self,
        teacher: Teacher,
        data_key: str,
        size: int,
        count: int,
        root: Path | None = None,
        limit: int = DEFAULT_BYTES,
    ):
        needed = count * size * size * 3
        if needed > limit:
            raise UserError(
                f"{count} teacher pictures of {size} px take {needed / 2**30:.1f} GB, more than the cache may hold "
                f"({limit / 2**30:.1f} GB): lower --pairs or --size, or raise --cache-gb"
            )
        key = hashlib.sha256(
            json.dumps([VERSION, teacher.name, teacher.fingerprint(), data_key, size]).encode()
        ).hexdigest()
        root = cache_root() if root is None else root
        self.teacher, self.folder, self.painted = teacher, root / key[:20], 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Shrinking a file under another process's memory map would kill that process: one grows it at a time.
            with FileLock(self.folder / "lock"):
                evict_others(root, self.folder, limit - max(needed, disk_bytes(self.folder)))
                reserve(self.folder, needed)
                self.store = open_array(self.folder / "pictures.bin", np.uint8, (count, size, size, 3))
                self.sums = open_array(self.folder / "checksums.bin", np.uint32, (count,))
        except OSError as error:
            raise UserError(
                f"cannot keep teacher pictures in {root}: {error.strerror}; set BRUSHLET_CACHE to another place"
            ) from error

    def pictures(self, indices: Sequence[int], content: Tensor, style: Tensor) -> Tensor:
        """Teacher pictures (N, 3, S, S) in [0, 1] of rows ``indices``, whose crops are ``content`` and ``style``."""
        missing = [row for row, index in enumerate(indices) if not self.holds(index)]
        if missing:
            self.paint([indices[row] for row in missing], content[missing], style[missing])
        return torch.from_numpy(self.store[list(indices)]).permute(0, 3, 1, 2).float().div(255)

    def holds(self, index: int) -> bool:
        return self.sums[index] != 0 and self.sums[index] == checksum(self.store[index])

    def paint(self, indices: Sequence[int], content: Tensor, style: Tensor) -> None:
        device = self.teacher.device
        with fast_autocast(device.type):
            painted = self.teacher.stylize(content.to(device), style.to(device))
        pixels = painted.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        for index, picture in zip(indices, pixels, strict=True):
            self.store[index] = picture
            self.sums[index] = checksum(picture)
        self.painted += len(indices)


def checksum(picture: np.ndarray) -> int:
    """CRC-32 that is never 0, which stands for "not painted"."""
    return zlib.crc32(np.ascontiguousarray(picture)) or 1


def open_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    """Memory map of a file's first rows; a shorter file grows by zeros and keeps what it holds."""
    with path.open("ab") as file:
        file.truncate(max(file.tell(), np.dtype(dtype).itemsize * math.prod(shape)))
    return np.memmap(path, dtype, "r+", shape=shape)


def disk_bytes(folder: Path) -> int:
    """What a cache takes on disk; rows that were never painted take nothing."""
    return sum(f.stat().st_blocks * 512 for f in folder.iterdir())


def reserve(folder: Path, needed: int) -> None:
    """Refuse to start what the disk cannot hold: writing to a memory map of a full disk kills the process."""
    free = shutil.disk_usage(folder).free
    if needed - disk_bytes(folder) > free - (64 << 20):
        raise UserError(
            f"{needed / 2**20:.0f} MB of teacher pictures do not fit the {free / 2**20:.0f} MB free "
            f"in {folder.parent}: lower --pairs, or set BRUSHLET_CACHE to another place"
        )


def evict_others(root: Path, keep: Path, limit: int) -> None:
    """Delete the least recently used caches beside ``keep`` until they take at most ``limit`` bytes."""
    os.utime(keep)
    others = sorted(
        (d for d in root.iterdir() if d.is_dir() and d != keep), key=lambda d: d.stat().st_mtime, reverse=True
    )
    total = 0
    for folder in others:
        total += disk_bytes(folder)
        if total > limit:
            shutil.rmtree(folder, ignore_errors=True)

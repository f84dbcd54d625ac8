"""Observed activations on disk: calibrating the same student on the same pictures again costs nothing.

A file holds what `export.activation_ranges.observe` counted, under a key of the graphs and the pictures; every method's
range follows from it. The archive's own checksums tell a damaged file, which is counted again.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx

from distill.teacher_cache import cache_root
from export.activation_ranges import BINS, Observed
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

#: Goes up when what is observed changes.
VERSION = 1
#: The least recently used files beyond this many are deleted: some 100 kB each.
MOST_FILES = 64


def calibration_root() -> Path:
    """``calibration`` in ``$BRUSHLET_CACHE``, else in the user's cache directory."""
    return cache_root().parent / "calibration"


def observation_key(models: Iterable[onnx.ModelProto], pictures: str) -> str:
    """40 hex digits of all graphs that the observed values depend on and of the pictures' own key."""
    digest = hashlib.sha256(f"{VERSION} {BINS} {pictures}".encode())
    for model in models:
        digest.update(model.SerializeToString(deterministic=True))
    return digest.hexdigest()[:40]


def cached(
    key: str, observe: Callable[[], dict[str, Observed]], root: Path | None = None
) -> tuple[dict[str, Observed], bool]:
    """What is filed under the key, or else what ``observe`` gives, which is filed then.

    A cache that cannot be written is no reason to stop.

    Returns:
        The observation, and whether it came from the cache.
    """
    path = (root or calibration_root()) / f"{key}.npz"
    found = _read(path)
    if found is not None:
        return found, True
    observed = observe()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _packed(observed))
        _drop_oldest(path.parent)
    except (OSError, UserError):
        pass
    return observed, False


def _packed(observed: Mapping[str, Observed]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        names=np.array(list(observed), dtype=np.str_),
        ends=np.array([(seen.low, seen.high, seen.reach) for seen in observed.values()]),
        counts=np.array([seen.counts for seen in observed.values()]),
    )
    return stream.getvalue()


def _read(path: Path) -> dict[str, Observed] | None:
    try:
        with np.load(path, allow_pickle=False) as held:
            names, ends, counts = held["names"], held["ends"], held["counts"]
        path.touch()
    except (OSError, EOFError, KeyError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
    if ends.shape != (len(names), 3) or counts.shape != (len(names), BINS):
        return None
    return {
        str(name): Observed(float(low), float(high), float(reach), count)
        for name, (low, high, reach), count in zip(names, ends, counts, strict=True)
    }


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[MOST_FILES:]:
        file.unlink(missing_ok=True)

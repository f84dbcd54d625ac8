"""What the builder measured, kept in a file from one build to the next, so that the next one is faster.

The file is TensorRT's own (``trtexec --timingCacheFile`` reads and writes the same); it is good for one version of
TensorRT and one model of GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.atomic_write import write_atomically
from runtime.errors import UserError

#: Far above any real cache.
MOST_BYTES = 2**28


def attach_cache(config: Any, path: Path, log: Callable[[str], None]) -> None:
    """Give the builder the cache in the file, or an empty one where there is none that fits.

    Raises:
        UserError: the file is there and cannot be read.
    """
    held = _held(path, log)
    cache = config.create_timing_cache(held)
    if held and (cache is None or not config.set_timing_cache(cache, False)):
        log(f"{path} is no timing cache of this TensorRT and GPU: it is not used, and will be replaced")
        held = b""
        cache = config.create_timing_cache(held)
    if not held:
        config.set_timing_cache(cache, False)


def save_cache(config: Any, path: Path) -> None:
    """Write the builder's cache back, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    cache = config.get_timing_cache()
    if cache is not None:
        write_atomically(path, bytes(cache.serialize()))


def _held(path: Path, log: Callable[[str], None]) -> bytes:
    try:
        if not path.exists():
            return b""
        if not path.is_file():
            raise UserError(f"--timing-cache {path} is not a file")
        if path.stat().st_size > MOST_BYTES:
            log(f"{path} is larger than any timing cache: it is not used, and will be replaced")
            return b""
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read --timing-cache {path}: {error.strerror or error}") from error

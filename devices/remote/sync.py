"""Bring files to a device: only those that it has not, or that differ by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from devices.remote.answers import RemoteError
from devices.remote.connection import Connection

#: Room that is to be left on the device's disk.
SPARE_BYTES = 16 * 2**20


def push(connection: Connection, folder: str, files: Mapping[str, Path | bytes], what: str) -> int:
    """Make a folder on the device hold these files and no others; returns how many were copied.

    A line that is cut meanwhile is taken up again: what arrived whole is not copied twice.

    Args:
        folder: in the agent's folder.
        files: contents, or where they are here, by path in ``folder`` with forward slashes.
        what: how to call them for the user.

    Raises:
        DeviceError: there is no room, the line stays cut, or a file cannot be read here.
    """
    own = {name: _sha256(source) for name, source in files.items()}
    return connection.persist(lambda: _push(connection, folder, files, own, what))


def _push(
    connection: Connection, folder: str, files: Mapping[str, Path | bytes], own: dict[str, str], what: str
) -> int:
    connection.keep(folder, list(files))
    there = connection.digests(folder)
    missing = [name for name, digest in own.items() if there.get(name) != digest]
    if not missing:
        return 0
    size = sum(_size(files[name]) for name in missing)
    free = connection.facts.free_bytes
    if free is not None and size + SPARE_BYTES > free:
        raise RemoteError(
            f"{connection.host}: there is no space left on its disk: {what} takes {size / 1e6:.1f} MB, and "
            f"{free / 1e6:.1f} MB are free"
        )
    connection.tell(f"copying {what}: {len(missing)} of {len(own)} files, {size / 1e6:.2f} MB")
    for name in missing:
        connection.put(f"{folder}/{name}", files[name])
    return len(missing)


def _sha256(source: Path | bytes) -> str:
    return hashlib.sha256(source if isinstance(source, bytes) else source.read_bytes()).hexdigest()


def _size(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size

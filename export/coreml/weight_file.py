"""weight.bin: the large constants of an ML Program.

A header of 64 bytes (number of blobs, version 2), then blobs at multiples of 64 bytes: a record of 64 bytes (sentinel,
element type, size in bytes, offset of the data, unused bits at its end) and the data. The layout is coremltools' own
(``mlmodel/src/MILBlob/Blob/StorageFormat.hpp``). Nothing outside the file is ever read, whatever its records say.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from export.coreml.mil_types import MilError, TensorType, decode

MAX_BYTES = 512 * 2**20
_HEADER = struct.Struct("<II")
_RECORD = struct.Struct("<IIQQQ")
_SENTINEL, _VERSION, _ALIGNMENT = 0xDEADBEEF, 2, 64


class WeightFile:
    """The blobs of one file, by the offsets of their records.

    Raises:
        MilError: the file is missing, too large, or no weight file.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        try:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise MilError(f"{path} has {size} bytes, more than the {MAX_BYTES} that are read")
            self._data = path.read_bytes()
        except OSError as error:
            raise MilError(f"cannot read {path}: {error.strerror or error}") from error
        if len(self._data) < _ALIGNMENT or _HEADER.unpack_from(self._data)[1] != _VERSION:
            raise MilError(f"{path} is no weight file of version {_VERSION}: the package is damaged")

    def read(self, offset: int, wanted: TensorType) -> np.ndarray:
        """The tensor whose record is at ``offset``.

        Raises:
            MilError: there is no record, its data lies outside the file, or it is of another type or size.
        """
        if offset % _ALIGNMENT or not _ALIGNMENT <= offset <= len(self._data) - _ALIGNMENT:
            raise MilError(f"{self._name} has no blob at {offset}: it has {len(self._data)} bytes")
        sentinel, code, size, start, _ = _RECORD.unpack_from(self._data, offset)
        if sentinel != _SENTINEL:
            raise MilError(f"{self._name} has no blob at {offset}: the package is damaged")
        if start > len(self._data) or size > len(self._data) - start:
            raise MilError(f"{self._name}: the blob at {offset} reaches outside the file ({size} bytes from {start})")
        if code != wanted.element.blob_code:
            raise MilError(f"{self._name}: the blob at {offset} is of type {code}, not {wanted.element.name}")
        if None in wanted.shape:
            raise MilError(f"{self._name}: the blob at {offset} is used as a tensor of unknown size")
        return decode(self._data[start : start + size], wanted.element, wanted.shape)

"""The element types of MIL, Core ML's intermediate language, and how their numbers lie in bytes.

Types of less than a byte are packed from the least significant bit up, a number running on into the next byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from runtime.errors import UserError


class MilError(UserError):
    """A package that cannot be read or run; the message says what is wrong with it."""


@dataclass(frozen=True)
class ElementType:
    """One element type.

    Attributes:
        blob_code: its number in a weight file, None where it never stands in one.
        numpy: what holds it in memory; types of less than a byte take a whole one there.
        bits: its width in a file.
    """

    name: str
    blob_code: int | None
    numpy: np.dtype
    bits: int

    @property
    def packed(self) -> bool:
        """Whether several share a byte."""
        return self.bits < 8


@dataclass(frozen=True)
class TensorType:
    """An element type and a shape; None stands for a size that is only known when the program runs."""

    element: ElementType
    shape: tuple[int | None, ...]

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of that shape is of this type."""
        return len(shape) == len(self.shape) and all(
            wanted in (None, found) for wanted, found in zip(self.shape, shape, strict=True)
        )


def _element(name: str, blob_code: int | None, dtype: type, bits: int) -> ElementType:
    return ElementType(name, blob_code, np.dtype(dtype), bits)


#: By their numbers in MIL's protocol buffers (``MIL.proto``, DataType).
ELEMENT_TYPES = {
    1: _element("bool", None, np.bool_, 8),
    2: _element("string", None, np.str_, 8),
    10: _element("fp16", 1, np.float16, 16),
    11: _element("fp32", 2, np.float32, 32),
    12: _element("fp64", None, np.float64, 64),
    21: _element("int8", 4, np.int8, 8),
    22: _element("int16", 6, np.int16, 16),
    23: _element("int32", 14, np.int32, 32),
    24: _element("int64", None, np.int64, 64),
    25: _element("int4", 8, np.int8, 4),
    31: _element("uint8", 3, np.uint8, 8),
    32: _element("uint16", 7, np.uint16, 16),
    33: _element("uint32", 15, np.uint32, 32),
    35: _element("uint4", 11, np.uint8, 4),
    36: _element("uint2", 10, np.uint8, 2),
    37: _element("uint1", 9, np.uint8, 1),
    38: _element("uint6", 13, np.uint8, 6),
    39: _element("uint3", 12, np.uint8, 3),
}


def decode(data: bytes, element: ElementType, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of that type in ``data``, little-endian, rows first.

    Raises:
        MilError: the bytes are more or fewer than that tensor's.
    """
    count = prod(shape)
    if len(data) != -(-count * element.bits // 8):
        raise MilError(f"{len(data)} bytes cannot hold {count} numbers of type {element.name}: the package is damaged")
    if element.packed:
        return unpack(np.frombuffer(data, np.uint8), element.bits, count, element.name == "int4").reshape(shape)
    return np.frombuffer(data, element.numpy.newbyteorder("<")).astype(element.numpy, copy=False).reshape(shape)


def unpack(packed: np.ndarray, bits: int, count: int, signed: bool = False) -> np.ndarray:
    """``count`` numbers of ``bits`` bits each from uint8 (K,), as uint8 or int8.

    Raises:
        MilError: there are fewer.
    """
    stream = np.unpackbits(packed, bitorder="little")
    if len(stream) < count * bits:
        raise MilError(f"{len(packed)} bytes hold fewer than {count} numbers of {bits} bits: the package is damaged")
    columns = stream[: count * bits].reshape(count, bits)
    values = (columns << np.arange(bits, dtype=np.uint8)).sum(1, dtype=np.uint8)
    if not signed:
        return values
    top = 1 << (bits - 1)
    return ((values.astype(np.int16) ^ top) - top).astype(np.int8)

"""MIL operations that turn numbers into fewer bits and back: compressed weights and 8-bit activations.

Weights are decompressed when a package is loaded (``constexpr_*``): affine int8, palettes (lookup tables) of iOS 16 and
of iOS 18, the latter per block of channels, and iOS 18's blockwise scales. Activations pass ``quantize`` and
``dequantize`` as the program runs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from export.coreml.mil_program import MAX_ELEMENTS
from export.coreml.mil_types import MilError, unpack

Array = np.ndarray
_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


def quantize(
    input: Array, scale: Array, output_dtype: str, zero_point: Array | None = None, axis: Array | None = None
) -> Array:
    """Round half to even, as IEEE 754 does by default; clip to the output's range."""
    if output_dtype not in _RANGES:
        raise MilError(f"activations quantised to {output_dtype!r}, which this evaluator does not know")
    levels = np.rint(input / _along(scale, input.ndim, axis))
    if zero_point is not None:
        levels = levels + _along(zero_point, input.ndim, axis)
    return np.clip(levels, *_RANGES[output_dtype])


def dequantize(input: Array, scale: Array, zero_point: Array | None = None, axis: Array | None = None) -> Array:
    levels = input.astype(np.float32)
    if zero_point is not None:
        levels = levels - _along(zero_point, input.ndim, axis)
    return levels * _along(scale, input.ndim, axis)


def affine_dequantize(quantized_data: Array, zero_point: Array, scale: Array, axis: Array) -> Array:
    return dequantize(quantized_data, scale, zero_point, axis)


def blockwise_shift_scale(data: Array, scale: Array, offset: Array | None = None) -> Array:
    levels = data.astype(np.float32)
    if offset is not None:
        levels = levels - _spread(offset, data.shape)
    return levels * _spread(scale, data.shape)


def lut_to_dense(indices: Array, lut: Array, shape: Array | None = None, vector_axis: Array | None = None) -> Array:
    """Palette entries in place of their indices; with a ``shape``, iOS 16's packed form, else iOS 18's blocks."""
    if shape is not None:
        return _packed_palette(indices, lut, tuple(int(size) for size in shape))
    if lut.ndim != indices.ndim + 2:
        raise MilError(f"a palette of shape {lut.shape} for indices of shape {indices.shape}: the package is damaged")
    if lut.shape[-1] != 1:
        raise MilError("a palette of vectors, which this evaluator does not read")
    entries = lut.shape[-2]
    if indices.size and int(indices.max()) >= entries:
        raise MilError(f"an index of {int(indices.max())} into a palette of {entries}: the package is damaged")
    palettes = lut[..., 0]
    which = tuple(_spread(block, indices.shape) for block in np.indices(palettes.shape[:-1]))
    return palettes[(*which, indices)]


def _packed_palette(indices: Array, lut: Array, shape: tuple[int, ...]) -> Array:
    bits = lut.size.bit_length() - 1
    if lut.size != 1 << bits or not 1 <= bits <= 8 or prod(shape) > MAX_ELEMENTS:
        raise MilError(f"a palette of {lut.size} entries for a tensor of shape {shape}: the package is damaged")
    return lut.reshape(-1)[unpack(indices.reshape(-1), bits, prod(shape))].reshape(shape)


def _along(parameter: Array, rank: int, axis: Array | None) -> Array:
    """A scalar as it is; a vector along the axis it belongs to."""
    if parameter.ndim == 0 or parameter.ndim == rank:
        return parameter
    if axis is None or parameter.ndim != 1:
        raise MilError(f"a scale of shape {parameter.shape} without its axis: the package is damaged")
    shape = [1] * rank
    shape[int(axis)] = parameter.size
    return parameter.reshape(shape)


def _spread(blocks: Array, shape: tuple[int, ...]) -> Array:
    """Repeat each entry over its block, so that the result has that shape."""
    if blocks.ndim != len(shape) or any(n == 0 or size % n for n, size in zip(blocks.shape, shape, strict=True)):
        raise MilError(f"blocks of shape {blocks.shape} for a tensor of shape {shape}: the package is damaged")
    for axis, size in enumerate(shape):
        blocks = blocks.repeat(size // blocks.shape[axis], axis)
    return blocks


COMPRESSION: dict[str, Callable[..., Array]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_lut_to_dense": lut_to_dense,
    "dequantize": dequantize,
    "quantize": quantize,
}

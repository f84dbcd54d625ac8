"""MIL operations on picture planes (1, C, H, W): convolution, pooling, padding and resizing, as float32.

Convolutions are torch's, which adds up in float32; what the Neural Engine adds up in is not published.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from export.coreml.mil_program import MAX_ELEMENTS
from export.coreml.mil_types import MilError

Array = np.ndarray
Margins = tuple[tuple[int, int], tuple[int, int]]


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    dilations: Array | None = None,
    groups: Array | int = 1,
) -> Array:
    _require_planes(x)
    stride, dilation = _pair(strides), _pair(dilations)
    reach = tuple((size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilation, strict=True))
    margins = _margins(pad_type, pad, x.shape[2:], reach, stride)
    planes = np.pad(x, ((0, 0), (0, 0), *margins))
    tensors = [None if array is None else torch.from_numpy(np.ascontiguousarray(array)) for array in (weight, bias)]
    return torch.conv2d(torch.from_numpy(planes), *tensors, stride, 0, dilation, int(groups)).numpy()


def max_pool(
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    ceil_mode: bool = False,
) -> Array:
    return _windows(x, kernel_sizes, strides, pad_type, pad, bool(ceil_mode), -np.inf).max((-2, -1))


def avg_pool(
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Array:
    if ceil_mode:
        raise MilError("an avg_pool with ceil_mode, which this evaluator does not run")
    total = _windows(x, kernel_sizes, strides, pad_type, pad, False, 0).sum((-2, -1))
    if not exclude_padding_from_average:
        return total / np.prod(kernel_sizes)
    ones = np.ones_like(x)
    return total / _windows(ones, kernel_sizes, strides, pad_type, pad, False, 0).sum((-2, -1))


def pad(x: Array, pad: Array, mode: str = "constant", constant_val: Array | float = 0.0) -> Array:
    around = pad.reshape(-1, 2)
    _require_modest([size + int(extra) for size, extra in zip(x.shape[-len(around) :], around.sum(1), strict=True)])
    margins = [(0, 0)] * (x.ndim - len(around)) + [(int(before), int(after)) for before, after in around]
    if mode == "constant":
        return np.pad(x, margins, constant_values=float(constant_val))
    if mode not in ("reflect", "replicate"):
        raise MilError(f"a pad of mode {mode!r}, which this evaluator does not know")
    return np.pad(x, margins, mode="reflect" if mode == "reflect" else "edge")


def pixel_shuffle(x: Array, upscale_factor: Array) -> Array:
    _require_planes(x)
    factor = int(upscale_factor)
    batch, channels, height, width = x.shape
    split = x.reshape(batch, channels // factor**2, factor, factor, height, width)
    return split.transpose(0, 1, 4, 2, 5, 3).reshape(batch, channels // factor**2, height * factor, width * factor)


def upsample_nearest_neighbor(
    x: Array, scale_factor_height: Array | int = 1, scale_factor_width: Array | int = 1
) -> Array:
    factors = [float(scale_factor_height), float(scale_factor_width)]
    if not all(factor.is_integer() and factor >= 1 for factor in factors):
        raise MilError("an upsampling by a fraction, which this evaluator does not run")
    high, wide = (int(factor) for factor in factors)
    _require_modest([*x.shape, high, wide])
    return x.repeat(high, -2).repeat(wide, -1)


def _windows(
    x: Array, kernel: Array, strides: Array | None, pad_type: str, pad: Array | None, ceil: bool, fill: float
) -> Array:
    """Every window of a pooling, (N, C, rows, columns, kernel height, kernel width)."""
    _require_planes(x)
    size, stride = _pair(kernel), _pair(strides)
    margins = _margins(pad_type, pad, x.shape[2:], size, stride)
    counts = []
    for axis, (before, after) in enumerate(margins):
        room = x.shape[2 + axis] + before + after - size[axis]
        count = (room + (stride[axis] - 1 if ceil else 0)) // stride[axis] + 1
        # A window may not begin in the padding behind the picture.
        counts.append(count - (ceil and before > 0 and (count - 1) * stride[axis] >= x.shape[2 + axis] + before))
    needed = [(count - 1) * step + reach for count, step, reach in zip(counts, stride, size, strict=True)]
    behind = [
        max(after, n - x.shape[2 + axis] - before)
        for axis, ((before, after), n) in enumerate(zip(margins, needed, strict=True))
    ]
    padded = np.pad(x, ((0, 0), (0, 0), (margins[0][0], behind[0]), (margins[1][0], behind[1])), constant_values=fill)
    return sliding_window_view(padded, size, (2, 3))[:, :, :: stride[0], :: stride[1]][:, :, : counts[0], : counts[1]]


def _margins(
    pad_type: str, pad: Array | None, sizes: tuple[int, ...], reach: tuple[int, ...], stride: tuple[int, ...]
) -> Margins:
    """Rows and columns to add before and after; ``same`` puts an odd one behind, ``same_lower`` before."""
    if pad_type == "valid":
        return (0, 0), (0, 0)
    if pad_type == "custom":
        top, bottom, left, right = (0, 0, 0, 0) if pad is None else (int(n) for n in pad)
        _require_modest([sizes[0] + top + bottom, sizes[1] + left + right])
        return (top, bottom), (left, right)
    if pad_type not in ("same", "same_lower"):
        raise MilError(f"a padding of type {pad_type!r}, which this evaluator does not know")
    totals = [max(0, -(-n // s) * s - n + k - s) for n, k, s in zip(sizes, reach, stride, strict=True)]
    smaller = [(total // 2, total - total // 2) for total in totals]
    return tuple(sorted(pair, reverse=pad_type == "same_lower") for pair in smaller)


def _pair(values: Array | None) -> tuple[int, int]:
    if values is None:
        return 1, 1
    first, second = (int(value) for value in values)
    if min(first, second) < 1:
        raise MilError(f"a stride, dilation or kernel of {first}x{second}: the package is damaged")
    return first, second


def _require_planes(x: Array) -> None:
    if x.ndim != 4:
        raise MilError(f"planes of shape {x.shape}, where this evaluator runs (N, C, H, W) only")


def _require_modest(sizes: list[int]) -> None:
    if min(sizes) < 0 or np.prod(sizes, dtype=np.float64) > MAX_ELEMENTS:
        raise MilError(f"a tensor of {sizes} is larger than the {MAX_ELEMENTS} numbers that are run")


PLANES: dict[str, Callable[..., Array]] = {
    "avg_pool": avg_pool,
    "conv": conv,
    "max_pool": max_pool,
    "pad": pad,
    "pixel_shuffle": pixel_shuffle,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}

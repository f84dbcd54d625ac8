"""MIL operations on numbers, shapes and axes, in numpy, as the reference of coremltools describes them.

A function's arguments carry the operation's own parameter names. Floating-point arguments arrive as float32, whatever
their type in the package; the evaluator rounds what a function returns to the type of the operation's output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from export.coreml.mil_types import MilError

Array = np.ndarray


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, alpha: Array) -> Array:
    return np.where(x >= 0, x, alpha * x)


def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))  # 1 / (1 + exp(-x)) without its overflow


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def rsqrt(x: Array, epsilon: Array | float = 1e-12) -> Array:
    return 1 / np.sqrt(x + epsilon)


def clip(x: Array, alpha: Array, beta: Array) -> Array:
    return np.minimum(np.maximum(x, alpha), beta)


def cast(x: Array, dtype: str) -> Array:
    if dtype not in ("fp16", "fp32", "int32", "bool", "int8", "uint8", "int16", "uint16"):
        raise MilError(f"a cast to {dtype!r}, which this evaluator does not know")
    return x  # the output's own type does it


def select(cond: Array, a: Array, b: Array) -> Array:
    return np.where(cond, a, b)


def linear(x: Array, weight: Array, bias: Array | float = 0.0) -> Array:
    return x @ weight.T + bias


def _axes(axes: Array | None) -> tuple[int, ...] | None:
    return None if axes is None else tuple(int(axis) for axis in axes)


def reduce_mean(x: Array, axes: Array | None = None, keep_dims: bool = False) -> Array:
    return x.mean(_axes(axes), keepdims=bool(keep_dims))


def reduce_sum(x: Array, axes: Array | None = None, keep_dims: bool = False) -> Array:
    return x.sum(_axes(axes), keepdims=bool(keep_dims))


def reduce_max(x: Array, axes: Array | None = None, keep_dims: bool = False) -> Array:
    return x.max(_axes(axes), keepdims=bool(keep_dims))


def reshape(x: Array, shape: Array) -> Array:
    sizes = [int(size) for size in shape]
    if 0 in sizes and len(sizes) != x.ndim:
        raise MilError("a reshape keeps sizes (0) but changes their number")
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)])


def expand_dims(x: Array, axes: Array) -> Array:
    return np.expand_dims(x, _axes(axes))


def squeeze(x: Array, axes: Array | None = None) -> Array:
    return np.squeeze(x, _axes(axes))


def transpose(x: Array, perm: Array) -> Array:
    return np.transpose(x, _axes(perm))


def concat(values: Sequence[Array], axis: Array, interleave: bool = False) -> Array:
    if interleave:
        raise MilError("an interleaved concat, which this evaluator does not run")
    return np.concatenate(values, int(axis))


def stack(values: Sequence[Array], axis: Array) -> Array:
    return np.stack(values, int(axis))


def split(x: Array, axis: Array, split_sizes: Array | None = None, num_splits: Array | None = None) -> list[Array]:
    if split_sizes is None:
        if num_splits is None:
            raise MilError("a split says neither how many parts nor how large")
        return np.split(x, int(num_splits), int(axis))
    if split_sizes.sum() != x.shape[int(axis)]:
        raise MilError(f"a split into {split_sizes.tolist()} of an axis of {x.shape[int(axis)]}")
    return np.split(x, np.cumsum(split_sizes)[:-1], int(axis))


def slice_by_index(
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    rank = x.ndim
    steps = np.ones(rank, int) if stride is None else stride
    if (steps < 1).any():
        raise MilError("a slice with a stride below 1, which this evaluator does not run")
    open_begin, open_end, single = (
        np.zeros(rank, bool) if mask is None else mask for mask in (begin_mask, end_mask, squeeze_mask)
    )
    place: list[Any] = []
    for axis in range(rank):
        if single[axis]:
            place.append(int(begin[axis]))
            continue
        first = None if open_begin[axis] else int(begin[axis])
        last = None if open_end[axis] else int(end[axis])
        place.append(slice(first, last, int(steps[axis])))
    return x[tuple(place)]


ARITHMETIC: dict[str, Callable[..., Array | list[Array]]] = {
    "abs": lambda x: np.abs(x),
    "add": lambda x, y: x + y,
    "cast": cast,
    "clip": clip,
    "concat": concat,
    "exp": lambda x: np.exp(x),
    "expand_dims": expand_dims,
    "identity": lambda x: x,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "maximum": lambda x, y: np.maximum(x, y),
    "minimum": lambda x, y: np.minimum(x, y),
    "mul": lambda x, y: x * y,
    "pow": lambda x, y: np.power(x, y),
    "real_div": lambda x, y: np.divide(x, y),
    "reduce_max": reduce_max,
    "reduce_mean": reduce_mean,
    "reduce_sum": reduce_sum,
    "relu": relu,
    "relu6": relu6,
    "reshape": reshape,
    "rsqrt": rsqrt,
    "select": select,
    "sigmoid": sigmoid,
    "slice_by_index": slice_by_index,
    "softplus": softplus,
    "split": split,
    "sqrt": lambda x: np.sqrt(x),
    "square": lambda x: x * x,
    "squeeze": squeeze,
    "stack": stack,
    "sub": lambda x, y: x - y,
    "tanh": lambda x: np.tanh(x),
    "transpose": transpose,
}

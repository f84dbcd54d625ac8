"""What values flow through a graph, and the range that eight bits are spread over: one observation, several methods.

ONNX Runtime's calibrators were tried first: they hold every activation of every picture in memory (gigabytes for 256
crops), observe once per method, and none minimises the squared error. Here one observation, a histogram per tensor,
serves all methods and both int8 recipes.

Methods, by name:

==================  ====================================================================================
min-max             everything that was seen
percentile-99.99    all but the outermost 0.01 % of the values, half of them at either end
percentile-99.999   likewise
entropy             least Kullback-Leibler divergence (Migacz, "8-bit inference with TensorRT", GTC 2017)
mse                 least squared error of the quantised values
==================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, shape_inference

from runtime.errors import UserError

#: Bins from the most negative to the most positive value; half of them for values above zero.
BINS = 4096
#: Levels of a quantised activation beside zero's, and of its magnitude, which entropy is defined with.
STEPS, MAGNITUDES = 255, 128
#: How far the ends of a range are drawn in when the least error is looked for.
_DRAWN_IN = np.linspace(0.3, 1, 29)
_ENTROPY_STRIDE = 16
_SMALLEST_REACH = 2.0**-20

#: Smallest and largest value of a tensor that are represented.
Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Observed:
    """All values of one tensor.

    Attributes:
        low, high: the smallest and the largest.
        reach: a power of two; the bins divide -reach to reach into equal parts.
        counts: how many values fell into each, int64 (BINS,).
    """

    low: float
    high: float
    reach: float
    counts: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """Where the bins begin and end, float64 (BINS + 1,)."""
        return np.linspace(-self.reach, self.reach, BINS + 1)

    @property
    def centres(self) -> np.ndarray:
        """The middle of each bin, float64 (BINS,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @classmethod
    def nothing(cls) -> Observed:
        """Before any value was seen."""
        return cls(np.inf, -np.inf, _SMALLEST_REACH, np.zeros(BINS, np.int64))

    def and_also(self, values: np.ndarray) -> Observed:
        """With these values, float32 of any shape; where they reach further, pairs of bins become one."""
        low, high = float(values.min()), float(values.max())
        reach, counts = self.reach, self.counts
        while max(-low, high) > reach:
            counts = np.pad(counts.reshape(-1, 2).sum(1), BINS // 4)
            reach *= 2
        bins = (values.ravel() + np.float32(reach)) * np.float32(BINS / (2 * reach))
        counts = counts + np.bincount(np.minimum(bins.astype(np.int32), BINS - 1), minlength=BINS)
        return Observed(min(self.low, low), max(self.high, high), reach, counts)


def observe(model: onnx.ModelProto, feeds: Iterable[Mapping[str, np.ndarray]]) -> dict[str, Observed]:
    """Run the graph on all feeds and count the values that enter and leave its convolutions.

    Args:
        model: float32, as `export.to_onnx` makes it.
        feeds: inputs by name.

    Returns:
        By tensor name: inputs of Conv, outputs of Conv, and outputs of a Relu that follows one.

    Raises:
        UserError: a tensor holds numbers that are not finite.
    """
    names = observed_tensors(model)
    run = _runner(model, names)
    observed = {name: Observed.nothing() for name in names}
    for tensors in map(run, feeds):
        for name, values in tensors.items():
            if not np.isfinite(values).all():
                raise UserError(f"the student computes numbers that are not finite at {name}: its training diverged")
            observed[name] = observed[name].and_also(values)
    return observed


def observed_tensors(model: onnx.ModelProto) -> list[str]:
    """The names that `observe` returns, in the graph's order."""
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    outputs = {node.output[0] for node in convs}
    relus = [node.output[0] for node in model.graph.node if node.op_type == "Relu" and node.input[0] in outputs]
    return list(dict.fromkeys([*(node.input[0] for node in convs), *(node.output[0] for node in convs), *relus]))


def ranges_of(observed: Mapping[str, Observed], method: str, symmetric: bool) -> dict[str, Range]:
    """The range of every tensor by one of `METHODS`.

    Args:
        symmetric: -t to t, for int8 activations without a zero point; otherwise the range holds zero.
    """
    return {name: _with_zero(METHODS[method](seen, symmetric), symmetric) for name, seen in observed.items()}


def _runner(
    model: onnx.ModelProto, names: Iterable[str]
) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    from export.onnx_session import open_session

    inputs = {value.name for value in model.graph.input}
    inner = [name for name in names if name not in inputs]
    shown = onnx.ModelProto()
    shown.CopyFrom(shape_inference.infer_shapes(model))
    del shown.graph.output[:]
    shown.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inner)
    session = open_session(shown)

    def run(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {name: feeds[name] for name in names if name in inputs}
        return {**given, **dict(zip(inner, session.run(inner, dict(feeds)), strict=True))}

    return run


def _with_zero(found: Range, symmetric: bool) -> Range:
    low, high = min(found[0], 0.0), max(found[1], 0.0)
    if symmetric:
        high = max(-low, high)
        low = -high
    return float(low), float(high)


def _min_max(seen: Observed, symmetric: bool) -> Range:
    return seen.low, seen.high


def _percentile(percent: float) -> Callable[[Observed, bool], Range]:
    def find(seen: Observed, symmetric: bool) -> Range:
        outside = (1 - percent / 100) / 2
        share = np.cumsum(seen.counts) / seen.counts.sum()
        first, last = np.searchsorted(share, [outside, 1 - outside])
        return max(seen.low, seen.edges[first]), min(seen.high, seen.edges[last + 1])

    return find


def _entropy(seen: Observed, symmetric: bool) -> Range:
    half = BINS // 2
    counts = (seen.counts[half:] + seen.counts[:half][::-1]).astype(np.float64)
    counts[0] = counts[1]  # zeros, of which a ReLU makes many, are exact at any range and say nothing about it
    ends = np.arange(MAGNITUDES, half + 1, _ENTROPY_STRIDE)
    threshold = seen.edges[half:][ends[np.argmin([_divergence(counts, end) for end in ends])]]
    return max(seen.low, -threshold), min(seen.high, threshold)


def _divergence(counts: np.ndarray, end: int) -> float:
    """Of the values clipped to the first ``end`` bins from the same values in `MAGNITUDES` levels."""
    clipped = counts[:end].copy()
    clipped[-1] += counts[end:].sum()
    level = np.arange(end) * MAGNITUDES // end
    held = counts[:end] > 0
    total = np.bincount(level, counts[:end], MAGNITUDES)
    occupied = np.maximum(np.bincount(level, held, MAGNITUDES), 1)
    quantised = np.where(held, (total / occupied)[level], 0)
    p, q = clipped / max(clipped.sum(), 1), quantised / max(quantised.sum(), 1)
    there = p > 0
    return float((p[there] * np.log(p[there] / np.maximum(q[there], 1e-12))).sum())


def _mse(seen: Observed, symmetric: bool) -> Range:
    centres, best = seen.centres, (np.inf, seen.low, seen.high)
    lows = [1.0] if symmetric or seen.low >= 0 else _DRAWN_IN[::2]
    for drawn_low in lows:
        for drawn_high in _DRAWN_IN:
            if symmetric:
                high = max(-seen.low, seen.high) * drawn_high
                low = -high
            else:
                low, high = min(seen.low * drawn_low, 0), max(seen.high * drawn_high, 0)
            if high <= low:
                continue
            step = (high - low) / (STEPS - symmetric)
            error = float(seen.counts @ np.square(np.round(np.clip(centres, low, high) / step) * step - centres))
            best = min(best, (error, low, high))
    return best[1:]


METHODS: dict[str, Callable[[Observed, bool], Range]] = {
    "min-max": _min_max,
    "percentile-99.99": _percentile(99.99),
    "percentile-99.999": _percentile(99.999),
    "entropy": _entropy,
    "mse": _mse,
}

"""Any converted network in eight bits, by the students' recipe: for benchmarks that set others beside students.

A student's own int8 comes from `export.accurate_int8`, which knows its three graphs. Here one graph is all there is,
and the same is done to it: the best of all methods, then the most sensitive layers back in float until a gate is
passed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from export.activation_ranges import METHODS, observe, ranges_of
from export.calibration import Feeds
from export.fidelity import decibels
from export.onnx_session import open_session
from export.options import INT8_PSNR
from export.quantize import quantizable, quantize
from export.sensitivity import conv_macs
from runtime.errors import UserError

#: If more of the work of quantisable layers than this has to return to float, int8 is refused, as a student's is.
MOST_RETURNED = 0.5


@dataclass(frozen=True, eq=False)
class NetworkInt8:
    """An eight-bit graph that passed the gate.

    Attributes:
        psnr: of its pictures to the float graph's, of the mean squared error over the judged feeds, in dB.
        before: the same with every layer that can be quantised in eight bits.
        float_layers: convolutions that returned to float.
        layers: how many convolutions could have been quantised.
    """

    model: onnx.ModelProto
    psnr: float
    before: float
    float_layers: tuple[str, ...]
    layers: int


def int8_network(
    model: onnx.ModelProto,
    calibration: Sequence[Feeds],
    tuning: Sequence[Feeds],
    held_back: Sequence[Feeds],
    least: float = INT8_PSNR,
) -> NetworkInt8:
    """Quantise by the recipe ``cpu`` of `export.quantize`.

    Args:
        model: float32, one picture (1, 3, H, W) of about 0..1 as its only output, as `export.to_onnx` makes it.
        calibration: inputs that activation ranges come from.
        tuning: inputs that the method is chosen and the layers are ranked by.
        held_back: inputs that the result is judged by.
        least: what it has to reach there, in dB.

    Raises:
        UserError: there is nothing to quantise, or ``least`` is not reached with `MOST_RETURNED` of the work in float.
    """
    layers = quantizable(model)
    if not layers:
        raise UserError("int8: it has no convolution whose channels are multiples of 8")
    observed, tune, judge = observe(model, calibration), _Likeness(model, tuning), _Likeness(model, held_back)
    candidates = [
        partial(quantize, model, ranges_of(observed, method, symmetric=False), "cpu", float_residuals=float_residuals)
        for method in METHODS
        for float_residuals in (False, True)
    ]
    graph = max(candidates, key=lambda candidate: tune.psnr(candidate()))
    alone = {name: tune.psnr(graph(keep=set(layers) - {name})) for name in layers}
    macs, kept = conv_macs(model), []
    before = found = judge.psnr(graph())
    for name in sorted(layers, key=alone.__getitem__):
        if found >= least:
            break
        kept.append(name)
        if _share(macs, kept, layers) > MOST_RETURNED:
            raise UserError(
                f"int8: {before:.1f} dB, and {found:.1f} dB with half of its work back in float, of {least:g}"
            )
        found = judge.psnr(graph(keep=kept))
    return NetworkInt8(graph(keep=kept), found, before, tuple(kept), len(layers))


def _share(macs: dict[str, int], part: Collection[str], layers: Collection[str]) -> float:
    return sum(macs[name] for name in part) / sum(macs[name] for name in layers)


class _Likeness:
    """Compares graphs with the float one on the same inputs, whose pictures it paints once."""

    def __init__(self, model: onnx.ModelProto, feeds: Sequence[Feeds]) -> None:
        self._feeds = feeds
        self._expected = self._pictures(model)

    def psnr(self, model: onnx.ModelProto) -> float:
        pairs = zip(self._pictures(model), self._expected, strict=True)
        return decibels(float(np.mean([np.mean(np.square(found - expected)) for found, expected in pairs])))

    def _pictures(self, model: onnx.ModelProto) -> list[np.ndarray]:
        session = open_session(model)
        return [np.clip(session.run(None, dict(feeds))[0], 0, 1).astype(np.float64) for feeds in self._feeds]

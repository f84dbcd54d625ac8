"""Which layers suffer most from eight bits, and how much of the work each does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import onnx
from onnx import shape_inference

from export.fidelity import Judge, Models

#: Shares of the work hardly depend on the picture's size; they are counted at this one.
COUNTED_AT = 512


@dataclass(frozen=True)
class LayerSensitivity:
    """A convolution.

    Attributes:
        name: of its node in the graph.
        psnr: of the pictures when nothing but this layer is quantised, in dB.
        macs_share: its part of the graph's multiply-accumulates.
        weights: how many numbers its kernel has.
    """

    name: str
    psnr: float
    macs_share: float
    weights: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "psnr": round(self.psnr, 2), "macs_share": round(self.macs_share, 4)}


def rank_layers(
    model: onnx.ModelProto, layers: Collection[str], quantised: Callable[[Collection[str]], Models], judge: Judge
) -> list[LayerSensitivity]:
    """The layers, the most sensitive first.

    Args:
        model: the float graph that they are in.
        layers: names of its convolutions.
        quantised: gives the graphs in which the named layers stay in float and all others of ``layers`` do not.
        judge: its pairs must not be those that the result is judged on.
    """
    macs = conv_macs(model)
    weights = _weights(model)
    ranked = [
        LayerSensitivity(
            name, judge.psnr(quantised(set(layers) - {name})), macs[name] / sum(macs.values()), weights[name]
        )
        for name in layers
    ]
    return sorted(ranked, key=lambda layer: layer.psnr)


def conv_macs(model: onnx.ModelProto, side: int = COUNTED_AT) -> dict[str, int]:
    """Multiply-accumulates of every convolution for a square picture, by the node's name."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        dims = value.type.tensor_type.shape.dim
        for dim, size in zip(dims, (1, dims[1].dim_value, *_sides(value.name, model, side)), strict=True):
            dim.Clear()
            dim.dim_value = size
    inferred = shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
    kernels = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    return {
        node.name: prod(shapes[node.output[0]]) * prod(kernels[node.input[1]][1:])
        for node in model.graph.node
        if node.op_type == "Conv"
    }


def float_share(model: onnx.ModelProto, quantised: Iterable[str]) -> float:
    """Part of the multiply-accumulates that stay in float when these layers are quantised."""
    macs = conv_macs(model)
    return 1 - sum(macs[name] for name in quantised) / sum(macs.values())


def _sides(name: str, model: onnx.ModelProto, side: int) -> tuple[int, int]:
    """Height and width of that input: the first is the picture, the others are scales and shifts."""
    return (side, side) if name == model.graph.input[0].name else (1, 1)


def _weights(model: onnx.ModelProto) -> dict[str, int]:
    sizes = {tensor.name: prod(tensor.dims) for tensor in model.graph.initializer}
    return {node.name: sizes[node.input[1]] for node in model.graph.node if node.op_type == "Conv"}

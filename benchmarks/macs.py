"""Multiplications with addition (MACs) of a graph, counted from its shapes without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

Shapes = Mapping[str, Sequence[int]]


def onnx_macs(path: Path, inputs: Shapes) -> int:
    """MACs of all convolutions and matrix products of an ONNX graph for inputs of these shapes.

    Arithmetic between tensors (adding, scaling, normalising) is not counted, as is usual.

    Raises:
        ValueError: a shape does not follow from the inputs.
    """
    model = load_shaped(path, inputs)
    shapes = shapes_of(model)
    return sum(node_macs(node, shapes) for node in model.graph.node)


def load_shaped(path: Path, inputs: Shapes) -> onnx.ModelProto:
    """The graph with every shape that follows from inputs of these shapes."""
    import onnx

    model = onnx.load(path)
    for value in model.graph.input:
        for dimension, size in zip(value.type.tensor_type.shape.dim, inputs.get(value.name, ()), strict=False):
            dimension.dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:  # they are named dimensions, which an inferred shape need not equal
        value.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def shapes_of(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Sizes by the tensor's name; 0 stands for one that does not follow."""
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    shapes = {value.name: [each.dim_value for each in value.type.tensor_type.shape.dim] for value in values}
    return {**shapes, **{tensor.name: list(tensor.dims) for tensor in model.graph.initializer}}


def node_macs(node: Any, shapes: Mapping[str, list[int]]) -> int:
    """MACs of one node. Raises ValueError where a shape that it needs does not follow from the inputs."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    x, weight, y = (shapes.get(name, []) for name in (*node.input[:2], node.output[0]))
    if not all(x) or not all(weight) or not all(y) or not (x and weight and y):
        raise ValueError(f"the shapes of {node.name or node.op_type} do not follow from those of the inputs")
    if node.op_type == "Conv":
        return prod(y) * prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return prod(x) * prod(weight[1:])
    return prod(y) * x[-1]

"""What painting costs: multiplications and weights, counted on the ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from onnx import TensorProto, shape_inference

#: Side of the square picture that multiplications are counted for, in pixels.
SIDE = 512
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_TYPES = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
#: Operations that change how a weight is stored and not what it is.
_STORAGE = ("Cast", "DequantizeLinear", "QuantizeLinear", "Identity", "Transpose")


@dataclass(frozen=True)
class PaintCost:
    """What one picture of `SIDE` x `SIDE` costs.

    Attributes:
        macs: multiply-accumulates of convolutions and matrix products by the number type they multiply in, such as
            ``{"int8": 900, "fp32": 100}``.
        weights: the number of weights and biases that they use.
    """

    macs: dict[str, int]
    weights: int

    @property
    def total(self) -> int:
        """Multiply-accumulates of all number types."""
        return sum(self.macs.values())


def paint_cost(path: Path) -> PaintCost:
    """Count on a paint graph in ONNX: inputs ``content`` (1, 3, H, W), and scales and shifts of 1x1.

    Raises:
        ValueError: the graph cannot be read, or its shapes do not follow from its inputs.
    """
    try:
        model = onnx.load(path)
        _fix_inputs(model)
        model = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # protobuf, onnx.checker and onnx.shape_inference each have classes of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"its shapes cannot be inferred: {reason[:200]}") from error
    if not model.graph.node:
        raise ValueError("it holds no graph")
    return _count(model.graph)


def _fix_inputs(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                dim.dim_value = SIDE if value.name == "content" and axis >= 2 else 1


def _count(graph: onnx.GraphProto) -> PaintCost:
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes, types = dict(constants), {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        types[value.name] = value.type.tensor_type.elem_type
    makers = {output: node for node in graph.node for output in node.output}
    macs: dict[str, int] = {}
    used: set[str] = set()
    for node in graph.node:
        if node.op_type in _WEIGHTED:
            kind = _number_type(node, makers, types)
            macs[kind] = macs.get(kind, 0) + _macs(node, shapes)
            used |= {name for name in (_stored(name, makers) for name in node.input[1:]) if name in constants}
    return PaintCost(macs, sum(prod(constants[name]) for name in used))


def _macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    try:
        weight, source, result = (shapes[name] for name in (node.input[1], node.input[0], node.output[0]))
    except (KeyError, IndexError) as error:
        raise ValueError(f"the shapes of {node.op_type} {node.name} are not known") from error
    if node.op_type == "Conv":
        return prod(result) * prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return prod(source) * prod(weight[1:])
    turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return prod(result) * (source[0] if turned else source[-1])


def _number_type(node: onnx.NodeProto, makers: dict[str, onnx.NodeProto], types: dict[str, int]) -> str:
    """The type it multiplies in: int8 if an engine can fuse the DequantizeLinear before both operands into it."""
    operands = [makers.get(name) for name in node.input[:2]]
    if all(maker is not None and maker.op_type == "DequantizeLinear" for maker in operands):
        return "int8"
    return _TYPES.get(types.get(node.output[0], 0), "other")


def _stored(name: str, makers: dict[str, onnx.NodeProto]) -> str:
    """The tensor in the file that a weight comes from."""
    for _ in range(len(_STORAGE)):
        maker = makers.get(name)
        if maker is None or maker.op_type not in _STORAGE:
            break
        name = maker.input[0]
    return name

"""What a paint graph asks of a machine: operations and bytes, step by step, read off the ONNX file without running it.

A step is what an engine runs as one kernel: a convolution with the activation behind it, and with the quantisation
around it where the graph is quantised. Constants are folded, reshapes are free. Convolutions count as direct ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.macs import load_shaped, node_macs, shapes_of
from runtime.bundle import Bundle
from runtime.errors import UserError
from runtime.framing import pad

#: Kinds of steps. Convolutions are bound by arithmetic or memory, the others by memory.
CONVOLUTIONS = ("dense", "pointwise", "depthwise")
OTHERS = ("elementwise", "rearrange", "quantize")
#: Bytes of a number that is not quantised, by the precision of the whole graph.
WIDTHS = {"fp32": 4, "fp16": 2, "int8": 4}
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Elu")
_REARRANGING = (
    "Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "Concat", "Split", "Slice", "Pad", "Transpose", "Gather",
    "Tile", "Expand",
)  # fmt: skip
_FREE = ("Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten", "Constant", "Shape", "Dropout")


@dataclass(frozen=True)
class Step:
    """One kernel.

    Attributes:
        precision: that of its arithmetic, "fp32", "fp16" or "int8".
        operations: a multiplication with addition counts as two; 0 for what is not a product.
        bytes: read and written, each tensor once.
        channels: in and out, of a convolution that sums over them all; 0 for others.
    """

    kind: str
    precision: str
    operations: float
    bytes: float
    channels: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Workload:
    """All steps for one picture size, and the bytes that no engine can avoid: the pictures and the weights."""

    steps: tuple[Step, ...]
    compulsory_bytes: float

    @property
    def operations(self) -> dict[str, float]:
        """By precision."""
        sums: dict[str, float] = {}
        for step in self.steps:
            sums[step.precision] = sums.get(step.precision, 0.0) + step.operations
        return sums

    @property
    def macs(self) -> int:
        return round(sum(self.operations.values()) / 2)

    @property
    def bytes(self) -> float:
        return sum(step.bytes for step in self.steps)

    def fused(self) -> Workload:
        """The same for an engine that runs all that is done number by number inside the step before it."""
        return replace(self, steps=tuple(step for step in self.steps if step.kind in (*CONVOLUTIONS, "rearrange")))


def bundle_workload(bundle: Bundle, precision: str, width: int, height: int) -> Workload:
    """The paint graph of a bundle in "fp32", "fp16" or "int8", for a content picture of that size in pixels.

    Half precision is the float32 graph with half the bytes. Raises UserError for another precision, a bundle without
    the graph, or a graph whose shapes do not follow from those of its inputs.
    """
    if precision not in WIDTHS:
        raise UserError(f"nothing can be predicted in {precision}: choose {', '.join(WIDTHS)}")
    graph = bundle.graph("paint", "fp32" if precision == "fp16" else precision)
    student = bundle.manifest.student
    padded, _ = pad(np.zeros((height, width, 3), np.uint8), student.size_multiple, 0, "edge")
    flat = {
        f"{name}_{index}": (1, site.channels, 1, 1)
        for index, site in enumerate(student.sites)
        for name in ("scale", "shift")
    }
    try:
        return graph_workload(bundle.path(graph), {"content": (1, 3, *padded.shape[:2]), **flat}, precision)
    except ValueError as error:
        raise UserError(f"{bundle.directory}: {error}") from error


def graph_workload(path: Path, inputs: Mapping[str, tuple[int, ...]], precision: str) -> Workload:
    """The steps of an ONNX file for inputs of these shapes. Raises ValueError where a shape does not follow."""
    model = load_shaped(path, inputs)
    graph = _Graph(model, shapes_of(model), precision)
    steps = tuple(graph.steps())
    pictures = sum(graph.size(value.name) for value in (*model.graph.input, *model.graph.output))
    return Workload(steps, graph.width * pictures + graph.weight_bytes)


class _Graph:
    def __init__(self, model: Any, shapes: Mapping[str, list[int]], precision: str) -> None:
        self.nodes, self.shapes, self.precision = model.graph.node, shapes, precision
        self.width = WIDTHS[precision]
        self.constants = _constants(model)
        self.producers = {name: node for node in self.nodes for name in node.output}
        self.outputs = {value.name for value in model.graph.output}
        self.consumers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)
        self.weight_bytes = 0.0

    def size(self, name: str) -> int:
        """Numbers in a tensor. Raises ValueError where its shape does not follow."""
        shape = self.shapes.get(name)
        if shape is None or not all(shape):
            raise ValueError(f"the shape of {name} does not follow from those of the inputs")
        return prod(shape)

    def steps(self) -> Iterator[Step]:
        live = [node for node in self.nodes if not set(node.output) <= self.constants]
        inside = {id(node) for each in live if each.op_type in _PRODUCTS for node in self._behind(each)}
        for node in live:
            if id(node) in inside or node.op_type in _FREE:
                continue
            if node.op_type in _PRODUCTS:
                yield self._product(node)
            elif node.op_type == "DequantizeLinear":
                if not all(self._is_quantised(user) for user in self.consumers.get(node.output[0], [])):
                    yield self._other("quantize", node, bytes_in=1)
            elif node.op_type == "QuantizeLinear":
                yield self._other("quantize", node, bytes_out=1)
            else:
                yield self._other("rearrange" if node.op_type in _REARRANGING else "elementwise", node)

    def _behind(self, node: Any) -> list[Any]:
        """The activation and the quantisation that run with a product, in this order."""
        found, last = [], node
        for wanted in (_ACTIVATIONS, ("QuantizeLinear",)):
            users = self.consumers.get(last.output[0], [])
            if len(users) == 1 and users[0].op_type in wanted and last.output[0] not in self.outputs:
                if users[0].op_type == "QuantizeLinear" and not self._is_quantised(node):
                    break
                last = users[0]
                found.append(last)
        return found

    def _is_quantised(self, node: Any) -> bool:
        """Whether a product takes 8-bit numbers on both sides."""
        sources = [self.producers.get(name) for name in node.input[:2]]
        return node.op_type in _PRODUCTS and all(
            each is not None and each.op_type == "DequantizeLinear" for each in sources
        )

    def _product(self, node: Any) -> Step:
        quantised = self._is_quantised(node)
        behind = self._behind(node)
        out = 1 if behind and behind[-1].op_type == "QuantizeLinear" else self.width
        into = 1 if quantised else self.width
        weight = self.size(node.input[1]) * into
        self.weight_bytes += weight
        return Step(
            kind=self._kind(node),
            precision="int8" if quantised else "fp16" if self.precision == "fp16" else "fp32",
            operations=2.0 * node_macs(node, self.shapes),
            bytes=float(self.size(node.input[0]) * into + self.size(node.output[0]) * out + weight),
            channels=self._channels(node),
        )

    def _kind(self, node: Any) -> str:
        if _attribute(node, "group", 1) > 1:
            return "depthwise"
        return "pointwise" if prod(self.shapes[node.input[1]][2:]) == 1 else "dense"

    def _channels(self, node: Any) -> tuple[int, int]:
        """In and out, 0 where each group has its own few."""
        first, second, *_ = self.shapes[node.input[1]]
        if _attribute(node, "group", 1) > 1:
            return 0, 0
        return (second, first) if node.op_type == "Conv" else (first, second)

    def _other(self, kind: str, node: Any, bytes_in: int | None = None, bytes_out: int | None = None) -> Step:
        into, out = bytes_in or self.width, bytes_out or self.width
        read = sum(self.size(name) for name in node.input if name and name not in self.constants)
        written = sum(self.size(name) for name in node.output if name)
        return Step(kind, "fp16" if self.precision == "fp16" else "fp32", 0.0, float(read * into + written * out))


def _constants(model: Any) -> set[str]:
    """Weights, and what follows from them alone."""
    known = {tensor.name for tensor in model.graph.initializer} | {""}
    for node in model.graph.node:  # ONNX keeps them in an order in which each comes after its inputs
        if all(name in known for name in node.input):
            known.update(node.output)
    return known


def _attribute(node: Any, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)

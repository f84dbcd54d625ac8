"""Probes: bundles whose painter is almost nothing but steps of one kind.

A student's steps of all kinds grow together with the picture, so its latencies alone cannot tell them apart. Measured
beside students, probes do. Their pictures mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from runtime.atomic_write import write_atomically
from runtime.bundle import Graph, Manifest, StudentInfo, TensorSpec, sha256_of

#: Steps of the probe's kind, one behind the other.
REPEATS = 8
#: Name -> kind, channels, precisions.
PROBES = {
    **{f"probe-dense-{n}": ("dense", n, ("fp32", "int8")) for n in (8, 16, 32, 64)},
    **{f"probe-pointwise-{n}": ("pointwise", n, ("fp32", "int8")) for n in (16, 64)},
    **{f"probe-depthwise-{n}": ("depthwise", n, ("fp32", "int8")) for n in (16, 64)},
    "probe-elementwise-16": ("elementwise", 16, ("fp32",)),
    "probe-rearrange-16": ("rearrange", 16, ("fp32",)),
    "probe-quantize-16": ("quantize", 16, ("fp32",)),
}
_OPSET, _IR = 17, 8
_PICTURE = (1, 3, "H", "W")
_SIZE_MULTIPLE = 4


def write_probes(directory: Path) -> list[Path]:
    """Write every probe as a bundle of its own into ``directory``; returns their paths. Needs the onnx package."""
    return [_write(directory / name, name, *what) for name, what in PROBES.items()]


def _write(folder: Path, name: str, kind: str, channels: int, precisions: tuple[str, ...]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    graphs = []
    for precision in precisions:
        file = "paint.onnx" if precision == "fp32" else f"paint.{precision}.onnx"
        write_atomically(folder / file, _Chain(precision == "int8").model(kind, channels))
        path = folder / file
        ends = (TensorSpec("content", _PICTURE),), (TensorSpec("picture", _PICTURE),)
        graphs.append(Graph("paint", precision, "onnx", file, sha256_of(path), path.stat().st_size, *ends))
    student = StudentInfo("probe", 1.0, _SIZE_MULTIPLE, 0, 256, {"paint": 0}, ())
    Manifest(name, student, tuple(graphs), provenance={"probe": f"{REPEATS} x {kind}"}).write(folder)
    return folder


@dataclass
class _Chain:
    """An ONNX graph that is built node by node; each method returns the name of what it makes."""

    quantised: bool

    def model(self, kind: str, channels: int) -> bytes:
        """The serialised graph: three channels to ``channels``, REPEATS steps of the kind, and back to three."""
        from onnx import TensorProto, helper

        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        first = self._convolution("content", 3, channels, 1, quantised=False)
        last = first
        for _ in range(REPEATS):
            last = self._step(kind, last, first, channels)
        self._convolution(last, channels, 3, 1, quantised=False, output="picture")
        ends = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, _PICTURE)] for n in ("content", "picture")]
        graph = helper.make_graph(self._nodes, kind, *ends, initializer=self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        return model.SerializeToString()

    def _step(self, kind: str, last: str, first: str, channels: int) -> str:
        if kind in ("dense", "pointwise", "depthwise"):
            side, group = (1, 1) if kind == "pointwise" else (3, channels if kind == "depthwise" else 1)
            return self._convolution(last, channels, channels, side, self.quantised, group)
        if kind == "elementwise":
            # Between two tensors: with a constant it would be folded into the convolution before it.
            return self._node("Mul" if len(self._nodes) % 2 else "Add", [last, first])
        if kind == "rearrange":
            return self._node("DepthToSpace", [self._node("SpaceToDepth", [last], blocksize=2)], blocksize=2)
        # There and back again is nothing to an engine, unless something is done in between.
        return self._node("Mul", [self._back(self._to_bytes(last)), first])

    def _convolution(
        self, source: str, into: int, out: int, side: int, quantised: bool, group: int = 1, output: str = ""
    ) -> str:
        shape = (out, into // group, side, side)
        mean = 1 / (into // group * side * side)  # values stay what they are: none overflows or becomes denormal
        if quantised:
            weight = self._back(self._constant(np.full(shape, 9, np.int8)), np.int8)
            source = self._back(self._to_bytes(source)) if not self._is_back(source) else source
        else:
            weight = self._constant(np.full(shape, mean, np.float32))
        made = self._node("Conv", [source, weight], output, group=group, pads=[side // 2] * 4)
        return self._back(self._to_bytes(made)) if quantised else made

    def _is_back(self, name: str) -> bool:
        return any(node.op_type == "DequantizeLinear" and name in node.output for node in self._nodes)

    def _to_bytes(self, source: str) -> str:
        return self._node("QuantizeLinear", [source, *self._scale(np.uint8)])

    def _back(self, source: str, kind: type = np.uint8) -> str:
        return self._node("DequantizeLinear", [source, *self._scale(kind)])

    def _scale(self, kind: type) -> Iterator[str]:
        yield self._constant(np.array(1 / 128, np.float32))
        yield self._constant(np.array(0, kind))

    def _constant(self, array: np.ndarray) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(array, f"c{len(self._constants)}"))
        return self._constants[-1].name

    def _node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

"""Graphs for LiteRT (TensorFlow Lite): run them, and count their work."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from benchmarks.peers import PeerAbsent


class LiteRtGraph:
    """A .tflite file in an interpreter, with LiteRT's own CPU kernels (XNNPACK). Pictures are NHWC.

    Raises:
        PeerAbsent: ai-edge-litert is not installed, or it cannot load the file.
    """

    def __init__(self, path: Path, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise PeerAbsent("it needs LiteRT: pip install ai-edge-litert") from error
        try:
            self._interpreter = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise PeerAbsent(f"LiteRT cannot load {path.name} ({first[:120]})") from error
        self._lock = Lock()  # an interpreter holds the tensors of one run
        self._inputs = self._interpreter.get_input_details()
        self._output = self._interpreter.get_output_details()[0]["index"]

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """In the order of the file."""
        return [tuple(int(size) for size in each["shape"]) for each in self._inputs]

    def run(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """The first output for float32 inputs of ``input_shapes``."""
        with self._lock:
            for detail, array in zip(self._inputs, inputs, strict=True):
                self._interpreter.set_tensor(detail["index"], array)
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._output)


def litert_macs(path: Path) -> int:
    """MACs of all convolutions, from the shapes in the file."""
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    return sum(_operator_macs(schema, model, graph, operator) for operator in graph.operators)


def _operator_macs(schema: Any, model: Any, graph: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    kind = max(code.builtinCode, code.deprecatedBuiltinCode)  # the older field holds small codes only
    kinds = schema.BuiltinOperator
    if kind not in (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D):
        return 0
    kernel = [int(size) for size in graph.tensors[operator.inputs[1]].shape]
    output = [int(size) for size in graph.tensors[operator.outputs[0]].shape]
    # Kernels are (out, height, width, in), depthwise ones (1, height, width, out).
    return prod(output) * (prod(kernel[1:]) if kind == kinds.CONV_2D else prod(kernel[1:3]))

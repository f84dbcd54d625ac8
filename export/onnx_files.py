"""The format ``onnx``: style.onnx, measure.onnx and paint.onnx, each compared with torch as it was written."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from export.compact_weights import compact_weights
from export.formats import Written
from export.graphs import student_graphs
from export.parity import measure_parity
from export.to_onnx import to_onnx
from runtime.atomic_write import write_atomically
from runtime.bundle import Graph, sha256_of


def write_onnx(student: nn.Module, folder: Path, compact: bool) -> Written:
    """Write the three graphs into ``folder``.

    Raises:
        UserError: a graph misses the parity gate, or cannot be written.
    """
    graphs, parity = [], []
    for graph in student_graphs(student):
        model = to_onnx(graph)
        path = folder / f"{graph.role}.onnx"
        write_atomically(path, (compact_weights(model) if compact else model).SerializeToString(deterministic=True))
        parity.append(measure_parity(graph, path))
        graphs.append(
            Graph(
                graph.role,
                "fp32",
                "onnx",
                path.name,
                sha256_of(path),
                path.stat().st_size,
                graph.inputs,
                graph.outputs,
            )
        )
    return Written(tuple(graphs), tuple(parity))

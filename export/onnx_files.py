"""The format ``onnx``: style, measure and paint graphs for ONNX Runtime and OpenVINO."""

from __future__ import annotations

import onnx

from export.compact_weights import compact_weights
from export.formats import Request, Written
from export.graphs import StudentGraph, student_graphs
from export.parity import measure_parity
from export.to_onnx import to_onnx
from runtime.atomic_write import write_atomically
from runtime.bundle import Graph
from runtime.digests import digest_of


def write_onnx(request: Request) -> Written:
    """Write the graphs in the precision asked for.

    fp32 is compared with torch number by number; fp16 and int8 by the pictures that they paint on held-back pairs.

    Raises:
        UserError: a graph misses its gate, or cannot be written.
    """
    if request.precision == "fp32":
        return _write_fp32(request)
    from export.reduced_precision import half_graphs, int8_graphs

    reduced = int8_graphs(request, "cpu", "onnx") if request.precision == "int8" else half_graphs(request, "onnx")
    described = {graph.role: graph for graph in student_graphs(request.student)}
    graphs = [write_graph(request, described[role], model) for role, model in reduced.models.items()]
    return Written(tuple(graphs), (reduced.parity,), reduced.evidence)


def write_graph(request: Request, graph: StudentGraph, model: onnx.ModelProto, format: str = "onnx") -> Graph:
    """Write one graph as ``<role>.<precision>.onnx``, fp32 as ``<role>.onnx``, and describe it."""
    parts = [
        graph.role,
        request.precision if request.precision != "fp32" else "",
        format.removesuffix("onnx").strip("-"),
    ]
    path = request.folder / f"{'.'.join(filter(None, parts))}.onnx"
    write_atomically(path, model.SerializeToString(deterministic=True))
    return Graph(graph.role, request.precision, format, path.name, *digest_of(path), graph.inputs, graph.outputs)


def _write_fp32(request: Request) -> Written:
    graphs, parity = [], []
    for graph in student_graphs(request.student):
        model = to_onnx(graph)
        graphs.append(write_graph(request, graph, compact_weights(model) if request.compact else model))
        parity.append(measure_parity(graph, request.folder / graphs[-1].file))
    return Written(tuple(graphs), tuple(parity))

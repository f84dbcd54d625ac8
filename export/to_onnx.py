"""The graphs of a student as ONNX: opset 17, any height and width, nothing in them that an engine would trip over."""

from __future__ import annotations

import io
import warnings
from collections import Counter

import onnx
import onnxslim
import torch

from export.graphs import StudentGraph, fold_upsampling
from runtime.bundle import TensorSpec
from runtime.errors import UserError

#: Opset 17 is read by every ONNX Runtime and TensorRT that this project supports, JetPack's included.
OPSET = 17
#: Engines disagree on these, or they cannot be quantised: the rules for paint graphs.
FORBIDDEN_IN_PAINT = frozenset(
    {
        "ConvTranspose",
        "Einsum",
        "GlobalAveragePool",
        "InstanceNormalization",
        "LayerNormalization",
        "Pad",
        "ReduceMean",
        "ReduceSum",
        "Tile",
    }
)
_EXAMPLE_HEIGHT, _EXAMPLE_WIDTH = 64, 96


def to_onnx(graph: StudentGraph) -> onnx.ModelProto:
    """The graph as a checked ONNX model with float32 weights; the same student gives the same bytes.

    Raises:
        UserError: a paint graph holds an operation of `FORBIDDEN_IN_PAINT`.
    """
    model = _clean(onnx.load_from_string(_traced(graph)))
    counts = operations(model)
    if graph.role == "paint" and (refused := sorted(FORBIDDEN_IN_PAINT & set(counts))):
        raise UserError(f"the painter uses {', '.join(refused)}, which not every engine runs alike: change the student")
    onnx.checker.check_model(model, full_check=True)
    return model


def operations(model: onnx.ModelProto) -> Counter[str]:
    """How often each operation occurs."""
    return Counter(node.op_type for node in model.graph.node)


def _traced(graph: StudentGraph) -> bytes:
    """The exporter's own output, not cleaned.

    This is torch's TorchScript exporter (``dynamo=False``), for three reasons. The newer one has no dimension that may
    be 1 or larger: torch.export fixes every size of 1, so scales could not be both 1x1 and maps. It needs onnxscript,
    this one does not. And after onnxslim this graph holds nothing but the student's own operations.
    """
    encoded = io.BytesIO()
    module = fold_upsampling(graph.module).eval().requires_grad_(False)
    specs = (*graph.inputs, *graph.outputs)
    with warnings.catch_warnings():
        # It announces its age, and that the batch of 1 becomes a constant, which it is to be.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            graph.example(_EXAMPLE_HEIGHT, _EXAMPLE_WIDTH),
            encoded,
            input_names=[spec.name for spec in graph.inputs],
            output_names=[spec.name for spec in graph.outputs],
            dynamic_axes={spec.name: axes for spec in specs if (axes := _dynamic_axes(spec))},
            opset_version=OPSET,
            dynamo=False,
        )
    return encoded.getvalue()


def _dynamic_axes(spec: TensorSpec) -> dict[int, str]:
    return {axis: size for axis, size in enumerate(spec.shape) if isinstance(size, str)}


def _clean(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constants folded and what nothing needs removed; shapes between nodes are left for engines to infer."""
    slim = onnxslim.slim(model)
    del slim.graph.value_info[:]
    del slim.metadata_props[:]
    for node in slim.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    return slim

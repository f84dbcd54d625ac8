"""fp16 graphs: convolutions in half precision, statistics in single, casts in the graph.

A mean of squares over a whole picture does not fit into 11 bits, and a GPU would not tell. So everything from the first
reduction on stays in float32: in the measure and the style graph that is the statistics and the small perceptron behind
them, in the paint graph nothing. Inputs and outputs are float32, so that the files of all precisions are fed alike.
Weights that are computed with in float32 are stored as fp16 where that is exact.
"""

from __future__ import annotations

import onnx

from export.compact_weights import compact_weights
from export.short_names import shorten
from runtime.errors import UserError

#: The largest finite number of binary16.
LARGEST_HALF = 65504.0


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with fp16 weights and arithmetic; checked, and the same for the same model.

    Args:
        model: float32, as `export.to_onnx` makes it.

    Raises:
        UserError: a weight is too large for fp16.
    """
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    _require_small(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    half = convert_float_to_float16(copy, keep_io_types=True, node_block_list=_statistics(model))
    ONNXModel(half).topological_sort()  # the converter puts its casts at the end
    del half.graph.value_info[:], half.metadata_props[:]
    half = shorten(compact_weights(half))
    onnx.checker.check_model(half, full_check=True)
    return half


def _statistics(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that reduce, and of all that read what they give."""
    found, tensors = [], set()
    for node in model.graph.node:  # in topological order
        if node.op_type == "ReduceMean" or tensors.intersection(node.input):
            found.append(node.name)
            tensors.update(node.output)
    return found


def _require_small(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            largest = abs(onnx.numpy_helper.to_array(tensor)).max(initial=0)
            if not largest <= LARGEST_HALF:
                raise UserError(f"the weights {tensor.name} are too large for fp16: export fp32 or int8")

"""Bias correction (Nagel et al., "Data-Free Quantization", ICCV 2019): what rounding adds on average is subtracted.

Rounded weights move a style code a little and always to the same side, which shows as a tint of every picture. The bias
of the last layer takes that up, at no cost in bytes or time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.onnx_session import open_session


def correct_bias(
    model: onnx.ModelProto,
    rounded: Callable[[onnx.ModelProto], onnx.ModelProto],
    feeds: Sequence[Mapping[str, np.ndarray]],
) -> onnx.ModelProto:
    """The float graph with the bias of its last Gemm changed so that ``rounded`` of it is right on average.

    Args:
        model: a float32 graph; one without a Gemm comes back as it is.
        rounded: quantises a graph and keeps the names of its outputs.
        feeds: inputs by name, to take the average over.
    """
    gemms = [node for node in model.graph.node if node.op_type == "Gemm" and len(node.input) > 2]
    if not gemms:
        return model
    output, bias = gemms[-1].output[0], gemms[-1].input[2]
    corrected, shown = _copy(model), _copy(model)
    tensor = next(tensor for tensor in corrected.graph.initializer if tensor.name == bias)
    shape = (1, *tensor.dims)
    shown.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))
    difference = _mean(shown, output, feeds) - _mean(rounded(shown), output, feeds)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + difference, bias))
    return corrected


def _mean(model: onnx.ModelProto, output: str, feeds: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    session = open_session(model)
    return np.mean([session.run([output], dict(feed))[0][0] for feed in feeds], 0, dtype=np.float64).astype(np.float32)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy

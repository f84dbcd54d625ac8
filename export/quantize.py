"""Eight-bit graphs: two recipes of quantise/dequantise pairs from one calibration, and weights alone.

``cpu``
    Activations uint8 with a zero point, weights int8 of 7 bits, one scale per output channel, biases int32. Pairs stand
    on the inputs and the outputs of convolutions: ONNX Runtime computes a convolution in int8 only where its output is
    quantised too. Seven bits, because x86 processors without VNNI saturate on more; the result is the same to the bit
    on x86, ARM64 and WebAssembly.
``tensorrt``
    Activations and weights int8 around zero, biases in float, pairs on the inputs of convolutions only: what TensorRT's
    explicit quantisation takes.

In both, a residual Add reads the same eight-bit values as the convolution beside it, unless ``float_residuals``, and
the modulation's Mul and Add stay in float. So do convolutions whose channels are no multiple of eight: those from and
to pixels, where int8 is slower than float32 and costs most of the picture.

The pairs are ONNX Runtime's (`onnxruntime.quantization`); what is done to its result here is to let the modulation
read floats, and to make the file small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from export.activation_ranges import Range
from export.compact_weights import compact_weights
from export.short_names import shorten

#: Convolutions are quantised if both channel counts are multiples of this.
CHANNEL_MULTIPLE = 8
#: Weights of 8 bits around zero: -127 to 127.
LARGEST = 127
#: Weights below this many numbers keep two bytes: first layers, whose rounding moves everything after them, and next to
#: nothing of a file's size.
SMALLEST = 4096


@dataclass(frozen=True)
class Recipe:
    """How a kind of engine wants its graph.

    Attributes:
        symmetric: activations are int8 around zero, otherwise uint8 with a zero point.
        reduce_range: weights of 7 bits.
        outputs: outputs of convolutions are quantised too, and biases.
    """

    name: str
    symmetric: bool
    reduce_range: bool
    outputs: bool


RECIPES = {
    "cpu": Recipe("cpu", symmetric=False, reduce_range=True, outputs=True),
    "tensorrt": Recipe("tensorrt", symmetric=True, reduce_range=False, outputs=False),
}


def quantizable(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions that `quantize` takes, in the graph's order."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and (shape := shapes.get(node.input[1]))
        and shape[0] % CHANNEL_MULTIPLE == shape[1] % CHANNEL_MULTIPLE == 0
    ]


def quantize(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    recipe: str,
    keep: Iterable[str] = (),
    float_residuals: bool = False,
) -> onnx.ModelProto:
    """The graph in eight bits; checked, and the same for the same arguments.

    Args:
        model: float32, as `export.to_onnx` makes it.
        ranges: of every tensor of `export.activation_ranges.observed_tensors`.
        recipe: a name of `RECIPES`.
        keep: names of convolutions that stay in float besides those that are not `quantizable`.
        float_residuals: a residual Add reads floats where there are any.
    """
    plan = RECIPES[recipe]
    chosen = [name for name in quantizable(model) if name not in set(keep)]
    paired = _paired(model, ranges, plan, chosen)
    _read_floats(paired, {"Mul", "Add"} if float_residuals else {"Mul"})
    if not plan.symmetric:
        _omit_zero_points(paired)
    return _finished(paired, model)


def weighted(model: onnx.ModelProto) -> list[str]:
    """Names of the Conv and Gemm nodes whose weights `quantize_weights` stores as int8, in the graph's order."""
    sizes = {tensor.name: prod(tensor.dims) for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm") and sizes.get(node.input[1], 0) >= SMALLEST
    ]


def quantize_weights(model: onnx.ModelProto, keep: Iterable[str] = ()) -> onnx.ModelProto:
    """The graph with its large weights stored as int8 and everything computed in float32.

    Which those are, says `weighted`. They have 8 bits and one scale per output channel. An engine that folds constants,
    as all do, multiplies weights and scales once when it loads the graph, which then costs what the float32 graph
    costs; `DequantizeLinear` would be kept by ONNX Runtime and computed at every run.

    Args:
        keep: names of nodes whose weights stay as they are.
    """
    chosen = set(weighted(model)) - set(keep)
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    axes = {
        node.input[1]: 0 if node.op_type == "Conv" or _attribute(node, "transB") else 1
        for node in stored.graph.node
        if node.name in chosen
    }
    kept, nodes = [], []
    for tensor in stored.graph.initializer:
        if tensor.name not in axes:
            kept.append(tensor)
            continue
        integers, scales = _eight_bits(numpy_helper.to_array(tensor), axes[tensor.name])
        kept += [
            numpy_helper.from_array(integers, f"{tensor.name}.i"),
            numpy_helper.from_array(scales, f"{tensor.name}.s"),
        ]
        nodes += [
            helper.make_node("Cast", [f"{tensor.name}.i"], [f"{tensor.name}.f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{tensor.name}.f", f"{tensor.name}.s"], [tensor.name]),
        ]
    nodes += stored.graph.node
    del stored.graph.initializer[:], stored.graph.node[:]
    stored.graph.initializer.extend(kept)
    stored.graph.node.extend(nodes)
    return _finished(stored, model)


def _paired(model: onnx.ModelProto, ranges: Mapping[str, Range], plan: Recipe, chosen: list[str]) -> onnx.ModelProto:
    """With ONNX Runtime's pairs around the chosen convolutions."""
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    bounds = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in ranges.items()
    }
    options = {"ActivationSymmetric": plan.symmetric, "WeightSymmetric": True, "QuantizeBias": plan.outputs}
    if not plan.outputs:
        options["OpTypesToExcludeOutputQuantization"] = ["Conv"]
    quantizer = QDQQuantizer(
        shape_inference.infer_shapes(model),
        True,
        plan.reduce_range,
        TensorProto.INT8,
        TensorProto.INT8 if plan.symmetric else TensorProto.UINT8,
        TensorsData(CalibrationMethod.MinMax, bounds),
        [*chosen, *_relus_after(model, chosen)] if plan.outputs else chosen,
        [],
        ["Conv", "Relu"] if plan.outputs else ["Conv"],
        options,
    )
    if chosen:  # an empty list of nodes would mean all of them
        quantizer.quantize_model()
    quantizer.model.topological_sort()
    return quantizer.model.model


def _relus_after(model: onnx.ModelProto, convs: Iterable[str]) -> list[str]:
    """Relus that read a convolution's output: clipping to uint8 does their work, so no pair stands before them."""
    outputs = {node.output[0] for node in model.graph.node if node.name in set(convs)}
    return [node.name for node in model.graph.node if node.op_type == "Relu" and node.input[0] in outputs]


def _read_floats(model: onnx.ModelProto, operations: set[str]) -> None:
    """Let nodes of these operations read the tensor before a pair, unless a convolution wrote it."""
    producers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type not in operations:
            continue
        for index, name in enumerate(node.input):
            dequantize = producers.get(name)
            if dequantize is None or dequantize.op_type != "DequantizeLinear":
                continue
            source = producers[dequantize.input[0]].input[0]
            if source not in producers or producers[source].op_type != "Conv":
                node.input[index] = source


def _omit_zero_points(model: onnx.ModelProto) -> None:
    """Where they are what none means: zero, of uint8 or of a constant. One per channel counts in a small file."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        zero_point = arrays[node.input[2]]
        if not zero_point.any() and (zero_point.dtype == np.uint8 or node.input[0] in arrays):
            del node.input[2]
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _finished(quantised: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Small, checked, and with nothing in it that its making left behind."""
    del quantised.graph.value_info[:], quantised.metadata_props[:]
    quantised.producer_name, quantised.producer_version = model.producer_name, model.producer_version
    small = shorten(compact_weights(quantised))
    onnx.checker.check_model(small, full_check=True)
    return small


def _eight_bits(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 of the array's shape, and float32 scales that broadcast to it."""
    others = tuple(i for i in range(array.ndim) if i != axis)
    scales = np.abs(array).max(others, keepdims=True) / np.float32(LARGEST)
    scales[scales == 0] = 1
    return np.round(array / scales).astype(np.int8), scales.astype(np.float32)


def _attribute(node: onnx.NodeProto, name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)

"""A paint graph of the tiny bundle's shape that is built as real ones are: convolutions, Q/DQ, pixel shuffle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.tiny_bundle import make_tiny_bundle, refresh_manifest


def make_bundle(directory: Path) -> Path:
    """The tiny bundle with this painter."""
    make_tiny_bundle(directory)
    model = conv_painter()
    onnx.checker.check_model(model, full_check=True)
    (directory / "paint.onnx").write_bytes(model.SerializeToString())
    refresh_manifest(directory)
    return directory


def conv_painter() -> onnx.ModelProto:
    """Content and two sites' scales and shifts -> picture."""
    node, rng = helper.make_node, np.random.default_rng(0)
    kernel = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    constants = {
        "stem.w": rng.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float16),
        "stem.b": np.zeros(8, np.float32),
        "block.w": rng.integers(-60, 60, (8, 8, 3, 3)).astype(np.int8),
        "block.s": np.full(8, 0.003, np.float32),
        "block.z": np.zeros(8, np.int8),
        "head.w": rng.normal(0, 0.2, (12, 8, 1, 1)).astype(np.float32),
        "scale": np.array(0.02, np.float32),
        "zero": np.array(128, np.uint8),
        "up": np.array([1, 1, 2, 2], np.float32),
        "up4": np.array([1, 1, 4, 4], np.float32),
    }
    nodes = [
        node("Cast", ["stem.w"], ["stem.wide"], to=TensorProto.FLOAT),
        node("Conv", ["content", "stem.wide", "stem.b"], ["a"], strides=[2, 2], **kernel),
        node("QuantizeLinear", ["a", "scale", "zero"], ["a.q"]),
        node("DequantizeLinear", ["a.q", "scale", "zero"], ["a.dq"]),
        node("DequantizeLinear", ["block.w", "block.s", "block.z"], ["block.dq"], axis=0),
        node("Conv", ["a.dq", "block.dq"], ["b"], **kernel),
        node("Relu", ["b"], ["b.relu"]),
        node("Add", ["a.dq", "b.relu"], ["c"]),
        node("Conv", ["c", "head.w"], ["d"], kernel_shape=[1, 1]),
        node("DepthToSpace", ["d"], ["h"], blocksize=2, mode="CRD"),
        node("AveragePool", ["h"], ["d0"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Mul", ["scale_0", "d0"], ["e"]),
        node("Add", ["e", "shift_0"], ["f"]),
        node("Resize", ["f", "", "up"], ["g"], **nearest),
        node("AveragePool", ["h"], ["i"], kernel_shape=[4, 4], strides=[4, 4]),
        node("ReduceMean", ["i"], ["j"], axes=[1], keepdims=1),
        node("Mul", ["j", "scale_1"], ["k"]),
        node("Add", ["k", "shift_1"], ["l"]),
        node("Resize", ["l", "", "up4"], ["m"], **nearest),
        node("Add", ["g", "m"], ["picture"]),
    ]
    shapes = {"content": 3, "scale_0": 3, "shift_0": 3, "scale_1": 1, "shift_1": 1}
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, f"H_{name}", f"W_{name}"))
        for name, channels in shapes.items()
    ]
    output = helper.make_tensor_value_info("picture", TensorProto.FLOAT, (1, 3, "H", "W"))
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "paint", inputs, [output], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

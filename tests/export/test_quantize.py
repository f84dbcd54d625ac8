"""Int8 graphs: a hand-made one whose result is known, and a student's in both recipes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.activation_ranges import observe, ranges_of
from export.calibration import Pair, student_feeds
from export.graphs import student_graphs
from export.onnx_session import open_session
from export.quantize import (
    RECIPES,
    SMALLEST,
    quantizable,
    quantize,
    quantize_weights,
    weighted,
)
from export.to_onnx import to_onnx
from runtime.engines import open_engine


def one_conv(weight: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """y = relu(weight x + bias), a 1x1 convolution of 8 to 8 channels."""
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv"), helper.make_node("Relu", ["c"], ["y"], "relu")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, "h", "w"])],
        [
            numpy_helper.from_array(weight.astype(np.float32).reshape(8, 8, 1, 1), "w"),
            numpy_helper.from_array(bias.astype(np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def paint(student) -> onnx.ModelProto:
    return to_onnx(student_graphs(student)[-1])


@pytest.fixture(scope="module")
def feeds(student) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(4)]
    return student_feeds(student, [Pair(pictures[i], pictures[i + 1], 1.0) for i in range(3)])["paint"]


@pytest.fixture(scope="module")
def observed(paint, feeds):
    return observe(paint, feeds)


@pytest.fixture(scope="module", params=list(RECIPES))
def recipe(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def quantised(paint, observed, recipe) -> onnx.ModelProto:
    return quantize(paint, ranges_of(observed, "min-max", RECIPES[recipe].symmetric), recipe)


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def kernels(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """int8 kernels by the name of the convolution that reads them."""
    arrays = constants(model)
    read = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return {
        node.name: arrays[read[node.input[1]]]
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in read
    }


def zero_points(model: onnx.ModelProto) -> list[np.ndarray]:
    arrays = constants(model)
    pairs = (node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear"))
    return [arrays[node.input[2]] for node in pairs if len(node.input) > 2]


def test_a_known_convolution_in_the_cpu_recipe(tmp_path):
    """Scales that are powers of two: every number of the int8 graph can be told by hand."""
    weight = np.diag(np.arange(1, 9) / 8)
    weight[0, 1] = -1 / 8
    ranges = {"x": (0.0, 255 / 64), "c": (-10.0, 10.0), "y": (0.0, 255 / 32)}
    graph = quantize(one_conv(weight, np.full(8, 0.5)), ranges, "cpu")
    (kernel,) = kernels(graph).values()
    scales = np.abs(weight).max(1, keepdims=True) / 64  # reduced range: -64 to 64
    expected = np.round(weight / scales)
    np.testing.assert_array_equal(kernel.reshape(8, 8), expected)
    x = np.random.default_rng(0).uniform(-0.5, 4.5, (1, 8, 5, 7)).astype(np.float32)
    levels = np.clip(np.round(x * 64), 0, 255)
    sums = np.einsum("oi,nihw->nohw", expected, levels) * scales[None, :, :, None] / 64 + 0.5
    wanted = np.clip(np.round(sums * 32), 0, 255) / 32  # which is the ReLU, too
    (found,) = open_session(graph).run(None, {"x": x})
    assert np.abs(found - wanted).max() <= 1 / 32  # one level, where rounding is a tie
    assert (found == wanted).mean() > 0.95
    assert Counter(node.op_type for node in graph.graph.node)["Relu"] == 0


def test_a_known_convolution_in_the_tensorrt_recipe():
    weight = np.diag(np.arange(1, 9) / 8)
    ranges = {"x": (-127 / 64, 127 / 64), "c": (-10.0, 10.0), "y": (-8.0, 8.0)}
    graph = quantize(one_conv(weight, np.full(8, -0.25)), ranges, "tensorrt")
    (kernel,) = kernels(graph).values()
    np.testing.assert_array_equal(kernel.reshape(8, 8), 127 * np.eye(8))
    x = np.random.default_rng(0).uniform(-2.5, 2.5, (1, 8, 5, 7)).astype(np.float32)
    levels = np.clip(np.round(x * 64), -128, 127) / 64
    wanted = np.maximum(np.einsum("oi,nihw->nohw", weight, levels) - 0.25, 0)
    (found,) = open_session(graph).run(None, {"x": x})
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_weights_are_stored_as_int8(quantised, paint, recipe):
    assert list(kernels(quantised)) == quantizable(paint)
    for kernel in kernels(quantised).values():
        assert kernel.dtype == np.int8
        assert np.abs(kernel).max((1, 2, 3)).min() >= 63, "every channel has a scale of its own"
    stored = sum(array.size for array in kernels(quantised).values())
    left = sum(t.ByteSize() for t in paint.graph.initializer) - 4 * stored
    assert quantised.ByteSize() < stored + left + 0.08 * paint.ByteSize()


def test_cpu_weights_fit_seven_bits(paint, observed):
    graph = quantize(paint, ranges_of(observed, "min-max", False), "cpu")
    for kernel in kernels(graph).values():
        assert kernel.min() >= -64 and kernel.max() <= 64
        # Two products of a uint8 and such a weight, which is what x86 adds up in 16 bits.
        assert 255 * 2 * 64 <= 2**15


def test_tensorrt_has_no_zero_point_and_no_quantised_bias(paint, observed):
    graph = quantize(paint, ranges_of(observed, "mse", True), "tensorrt")
    assert zero_points(graph) and not any(array.any() for array in zero_points(graph))
    types = {array.dtype for array in constants(graph).values()}
    assert np.dtype(np.int32) not in types and np.dtype(np.uint8) not in types
    producers = {output: node for node in graph.graph.node for output in node.output}
    for node in graph.graph.node:
        if node.op_type == "Conv" and node.name in quantizable(paint):
            assert [producers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
            assert node.input[2] in constants(graph)
    readers = Counter(
        node.op_type
        for node in graph.graph.node
        for name in node.input
        if name in producers and producers[name].op_type == "DequantizeLinear"
    )
    assert set(readers) == {"Conv", "Add"}, "only convolutions and the residual branches beside them read int8"


def test_residuals_may_stay_in_float(paint, observed):
    ranges = ranges_of(observed, "mse", True)
    graph = quantize(paint, ranges, "tensorrt", float_residuals=True)
    producers = {output: node for node in graph.graph.node for output in node.output}
    for node in graph.graph.node:
        if node.op_type == "Add":
            assert not any(name in producers and producers[name].op_type == "DequantizeLinear" for name in node.input)
    assert graph.ByteSize() == quantize(paint, ranges, "tensorrt").ByteSize()


def test_modulation_reads_floats_where_no_convolution_wrote(paint, observed):
    graph = quantize(paint, ranges_of(observed, "mse", False), "cpu")
    producers = {output: node for node in graph.graph.node for output in node.output}
    sources = []
    for node in graph.graph.node:
        if node.op_type == "Mul":
            source = producers[node.input[0]]
            while source.op_type in ("DequantizeLinear", "QuantizeLinear", "DepthToSpace"):
                if source.op_type == "DequantizeLinear":
                    sources.append(producers[producers[source.input[0]].input[0]].op_type)
                source = producers[source.input[0]]
    assert set(sources) == {"Conv"}


def test_first_and_last_convolutions_stay_in_float(paint):
    shapes = {tensor.name: tuple(tensor.dims) for tensor in paint.graph.initializer}
    left = {n.name: shapes[n.input[1]][:2] for n in paint.graph.node if n.op_type == "Conv"}
    for name in quantizable(paint):
        assert all(count % 8 == 0 for count in left.pop(name))
    assert set(left.values()) == {(8, 3), (12, 3), (12, 8), (12, 12)}


def test_layers_that_are_kept_are_exact(paint, observed, feeds, recipe):
    ranges = ranges_of(observed, "min-max", RECIPES[recipe].symmetric)
    everything = quantize(paint, ranges, recipe, keep=quantizable(paint))
    assert not kernels(everything)
    (expected,), (found,) = (open_session(model).run(None, feeds[0]) for model in (paint, everything))
    np.testing.assert_array_equal(found, expected)
    one = quantizable(paint)[3]
    assert one not in kernels(quantize(paint, ranges, recipe, keep={one}))


def test_the_picture_stays(paint, quantised, feeds):
    for given in feeds:
        (expected,), (found,) = (open_session(model).run(None, given) for model in (paint, quantised))
        assert np.abs(found - expected).max() > 0
        assert np.sqrt(np.mean(np.square(found - expected))) < 0.05 * np.std(expected)


def test_the_cpu_recipe_does_not_saturate(paint, observed, feeds):
    """What x86 computes in int8, with sums of products in 16 bits, is what it computes in float."""
    graph = quantize(paint, ranges_of(observed, "min-max", False), "cpu")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # pairs stay pairs
    plain = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fused = open_session(graph)
    for given in feeds:
        (expected,), (found,) = plain.run(None, given), fused.run(None, given)
        assert np.sqrt(np.mean(np.square(found - expected))) < 1e-3


def test_scales_may_be_maps(quantised, feeds, tmp_path):
    maps = {
        name: np.broadcast_to(array, (1, array.shape[1], *side)).copy() if name != "content" else array
        for name, array in feeds[0].items()
        for side in [[s // (4 if array.shape[1] == 16 else 2) for s in feeds[0]["content"].shape[2:]]]
    }
    (tmp_path / "paint.onnx").write_bytes(quantised.SerializeToString())
    engine = open_engine("onnxruntime", tmp_path / "paint.onnx", threads=1)
    plain = engine.run(feeds[0])["picture"]
    np.testing.assert_allclose(engine.run(maps)["picture"], plain, atol=1e-5)


def test_the_same_graph_every_time(paint, observed, quantised, recipe):
    again = quantize(paint, ranges_of(observed, "min-max", RECIPES[recipe].symmetric), recipe)
    assert again.SerializeToString(deterministic=True) == quantised.SerializeToString(deterministic=True)


def test_weights_alone(student):
    style = to_onnx(student_graphs(student)[0])
    light = quantize_weights(style)
    stored = [array for array in constants(light).values() if array.dtype == np.int8]
    assert len(stored) == len(weighted(style)) > 3
    assert all(array.size >= SMALLEST and np.abs(array).max() == 127 for array in stored)
    assert light.ByteSize() < 0.3 * style.ByteSize()
    picture = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    (expected,), (found,) = (open_session(model).run(None, {"style": picture}) for model in (style, light))
    assert 0 < np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


def test_weights_that_are_kept_are_exact(student):
    style = to_onnx(student_graphs(student)[0])
    picture = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    kept = quantize_weights(style, weighted(style))
    (expected,), (found,) = (open_session(model).run(None, {"style": picture}) for model in (style, kept))
    np.testing.assert_array_equal(found, expected)


def test_rounding_a_weight_misses_by_half_a_step(student):
    style = to_onnx(student_graphs(student)[0])
    node = next(node for node in style.graph.node if node.name in weighted(style))
    weight = constants(style)[node.input[1]]
    arrays = constants(quantize_weights(style))
    integers = next(a for a in arrays.values() if a.dtype == np.int8 and a.shape == weight.shape)
    scale = np.abs(weight).max((1, 2, 3), keepdims=True) / 127
    assert np.abs(integers * scale - weight).max() <= 0.5001 * scale.max()

"""What rounding adds on average, the last bias takes away."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.bias_correction import correct_bias
from export.graphs import student_graphs
from export.onnx_session import open_session
from export.quantize import quantize_weights
from export.to_onnx import to_onnx


@pytest.fixture(scope="module")
def style(student):
    graph = student_graphs(student)[0]
    rng = np.random.default_rng(0)
    return to_onnx(graph), [{"style": rng.random((1, 3, 32, 32), np.float32)} for _ in range(6)]


def codes(model, feeds) -> np.ndarray:
    session = open_session(model, 1)
    return np.concatenate([session.run(["code"], feed)[0] for feed in feeds])


def coarse(model):
    """Weights of the second last layer rounded to whole eighths: far worse than eight bits."""
    copy = type(model)()
    copy.CopyFrom(model)
    gemm = [node for node in copy.graph.node if node.op_type == "Gemm"][0]
    tensor = next(t for t in copy.graph.initializer if t.name == gemm.input[1])
    tensor.CopyFrom(numpy_helper.from_array(np.round(numpy_helper.to_array(tensor) * 8) / 8, tensor.name))
    return copy


@pytest.mark.parametrize("rounded", [coarse, quantize_weights])
def test_means_of_the_code_are_right_on_average(style, rounded):
    model, feeds = style
    wanted = codes(model, feeds)[:, 0].mean(0)
    off = np.abs(codes(rounded(model), feeds)[:, 0].mean(0) - wanted).max()
    left = np.abs(codes(rounded(correct_bias(model, rounded, feeds)), feeds)[:, 0].mean(0) - wanted).max()
    assert left < max(0.02 * off, 1e-6)


def test_one_bias_changes_and_nothing_else(style):
    model, feeds = style
    before = model.SerializeToString(deterministic=True)
    corrected = correct_bias(model, coarse, feeds)
    assert model.SerializeToString(deterministic=True) == before
    changed = [
        one.name
        for one, other in zip(model.graph.initializer, corrected.graph.initializer, strict=True)
        if not np.array_equal(numpy_helper.to_array(one), numpy_helper.to_array(other))
    ]
    last = [node for node in model.graph.node if node.op_type == "Gemm"][-1]
    assert changed == [last.input[2]]
    assert [value.name for value in corrected.graph.output] == ["code"]


def test_a_graph_without_a_gemm_comes_back():
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1,)) for name in "xy"]
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"], "r")], "g", ends[:1], ends[1:]))
    assert correct_bias(model, lambda _: pytest.fail("nothing is to be rounded"), []) is model

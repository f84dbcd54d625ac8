"""fp16 graphs compute in fp16 what may be, and statistics in fp32."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graphs import student_graphs
from export.half_precision import to_half
from export.onnx_session import open_session
from export.to_onnx import to_onnx
from runtime.errors import UserError


@pytest.fixture(scope="module")
def graphs(student):
    return {graph.role: (graph, to_onnx(graph)) for graph in student_graphs(student)}


def types(model: onnx.ModelProto) -> dict[str, int]:
    """The element type of every tensor that a node writes."""
    inferred = onnx.shape_inference.infer_shapes(model)
    return {value.name: value.type.tensor_type.elem_type for value in (*inferred.graph.value_info, *model.graph.output)}


@pytest.mark.parametrize("role", ["style", "measure", "paint"])
def test_convolutions_are_fp16_and_statistics_fp32(graphs, role: str):
    half = to_half(graphs[role][1])
    found = types(half)
    for node in half.graph.node:
        if node.op_type == "Conv":
            assert found[node.output[0]] == TensorProto.FLOAT16
        if node.op_type in ("ReduceMean", "Sqrt", "Div", "Gemm"):
            assert found[node.output[0]] == TensorProto.FLOAT
    ends = (*half.graph.input, *half.graph.output)
    assert {value.type.tensor_type.elem_type for value in ends} == {TensorProto.FLOAT}
    assert [value.name for value in half.graph.input] == [spec.name for spec in graphs[role][0].inputs]


@pytest.mark.parametrize("role", ["style", "measure", "paint"])
def test_it_computes_nearly_the_same_in_half_the_bytes(graphs, role: str):
    graph, model = graphs[role]
    half = to_half(model)
    inputs = graph.example(64, 96)
    feeds = {spec.name: value.numpy() for spec, value in zip(graph.inputs, inputs, strict=True)}
    expected, found = graph.run(inputs).numpy(), open_session(half, 1).run(None, feeds)[0]
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
    assert not np.array_equal(found, expected)
    assert half.ByteSize() < 0.62 * model.ByteSize()


def test_the_same_model_gives_the_same_bytes(graphs):
    model = graphs["paint"][1]
    before = model.SerializeToString(deterministic=True)
    assert to_half(model).SerializeToString(deterministic=True) == to_half(model).SerializeToString(deterministic=True)
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("value", [1e5, np.inf, np.nan])
def test_weights_that_do_not_fit(value: float):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1,)) for name in "xy"]
    weight = numpy_helper.from_array(np.array([value], np.float32), "big")
    node = helper.make_node("Mul", ["x", "big"], ["y"], "multiply")
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight]))
    with pytest.raises(UserError, match="the weights big are too large for fp16"):
        to_half(model)

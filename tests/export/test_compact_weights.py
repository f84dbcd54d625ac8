"""Weights in two bytes: smaller, exact, and gone by the time the graph runs."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from export.compact_weights import SMALLEST, compact_weights, round_weights
from export.graphs import student_graphs
from export.to_onnx import operations, to_onnx
from runtime.errors import UserError


@pytest.fixture(scope="module")
def rounded(student):
    return round_weights(student)


@pytest.fixture(scope="module")
def style(rounded):
    return to_onnx(student_graphs(rounded)[0])


def test_weights_that_fit_take_half_the_bytes(style):
    compact = compact_weights(style)
    assert compact.ByteSize() < 0.52 * style.ByteSize()
    large = [
        t for t in compact.graph.initializer if np.prod(t.dims) >= SMALLEST and t.data_type != onnx.TensorProto.BOOL
    ]
    assert {tensor.data_type for tensor in large} == {onnx.TensorProto.FLOAT16}


def test_the_graph_stays_the_same_but_for_the_casts(style):
    compact = compact_weights(style)
    added = operations(compact) - operations(style)
    assert set(added) == {"Cast"}
    assert operations(style) - operations(compact) == {}


def test_no_weight_changes(style):
    compact = compact_weights(style)
    stored = {tensor.name.removesuffix(".fp16"): numpy_helper.to_array(tensor) for tensor in compact.graph.initializer}
    for tensor in style.graph.initializer:
        array = numpy_helper.to_array(tensor)
        assert np.array_equal(stored[tensor.name].astype(array.dtype), array)


def test_weights_that_do_not_fit_are_kept(student):
    style = to_onnx(student_graphs(student)[0])
    assert compact_weights(style).SerializeToString() == style.SerializeToString()


def test_folded_upsampling_is_kept_where_its_sums_do_not_fit(rounded):
    compact = compact_weights(to_onnx(student_graphs(rounded)[-1]))
    outputs, inputs = rounded.up.conv5.weight.shape[:2]
    (folded,) = [t for t in compact.graph.initializer if tuple(t.dims) == (4 * outputs, inputs, 3, 3)]
    assert folded.data_type == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("role", [0, 1, 2])
def test_onnxruntime_runs_the_same_graph(rounded, tmp_path, role):
    """So that storing costs no speed: after loading, no Cast is left."""
    model = to_onnx(student_graphs(rounded)[role])
    loaded = []
    for index, each in enumerate((model, compact_weights(model))):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(tmp_path / f"{index}.onnx")
        onnxruntime.InferenceSession(each.SerializeToString(), options, providers=["CPUExecutionProvider"])
        loaded.append(operations(onnx.load(tmp_path / f"{index}.onnx")))
    assert loaded[0] == loaded[1]
    assert "Cast" not in loaded[1]


def test_rounding_is_to_the_nearest_and_changes_a_copy(student, rounded):
    before, after = student.state_dict(), rounded.state_dict()
    assert not torch.equal(before["stem.weight"], after["stem.weight"])
    assert torch.equal(before["stem.weight"].half(), after["stem.weight"].half())
    assert torch.equal(round_weights(rounded).state_dict()["stem.weight"], after["stem.weight"])


def test_weights_beyond_fp16_are_refused(student):
    large = round_weights(student)
    with torch.no_grad():
        large.head.bias[0] = 1e6
    with pytest.raises(UserError, match="head.bias are too large .* --no-compact"):
        round_weights(large)

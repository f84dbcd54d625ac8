"""The parity gate: passed by a faithful export, missed by a corrupted one."""

from __future__ import annotations

from math import inf

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.compact_weights import round_weights
from export.graphs import student_graphs
from export.parity import (
    MAX_ABS_ERROR,
    PSNR_OF_EQUALS,
    measure_parity,
    measure_rounding,
    parity_sizes,
    psnr,
    require_finite,
)
from export.to_onnx import to_onnx
from runtime.errors import UserError
from tests.export.conftest import make_student


@pytest.fixture(scope="module")
def paint(student):
    return student_graphs(student)[-1]


@pytest.fixture(scope="module")
def model(paint):
    return to_onnx(paint)


def test_a_faithful_export_passes(paint, model, tmp_path):
    onnx.save(model, tmp_path / "paint.onnx")
    parity = measure_parity(paint, tmp_path / "paint.onnx")
    assert parity.max_abs_error <= MAX_ABS_ERROR
    assert parity.psnr > 100
    assert (parity.role, parity.precision, parity.maps) == ("paint", "fp32", True)
    assert parity.to_json()["sizes"] == [list(size) for size in parity.sizes]


@pytest.mark.parametrize("role", [0, 1, 2])
def test_sizes_vary_and_are_not_square(student, role):
    graph = student_graphs(student)[role]
    sizes = parity_sizes(graph, seed=0)
    assert sizes == parity_sizes(graph, seed=0) != parity_sizes(graph, seed=1)
    assert len(set(sizes)) == len(sizes) >= 4
    assert any(height != width for height, width in sizes)
    assert all(side % graph.multiple == 0 and side >= graph.smallest for size in sizes for side in size)


def test_a_corrupted_weight_misses_the_gate(paint, model, tmp_path):
    corrupted = onnx.ModelProto()
    corrupted.CopyFrom(model)
    (weight,) = [tensor for tensor in corrupted.graph.initializer if tensor.name.endswith("mix.weight")]
    array = numpy_helper.to_array(weight).copy()
    array.flat[0] += 0.5
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    onnx.save(corrupted, tmp_path / "paint.onnx")
    with pytest.raises(UserError, match=r"the paint graph differs from torch by .* at \d+x\d+ pixels"):
        measure_parity(paint, tmp_path / "paint.onnx")


def test_a_graph_that_gives_no_numbers_misses_the_gate(paint, model, tmp_path):
    corrupted = onnx.ModelProto()
    corrupted.CopyFrom(model)
    (bias,) = [tensor for tensor in corrupted.graph.initializer if tensor.name.endswith("head.bias")]
    bias.CopyFrom(numpy_helper.from_array(np.full(12, np.nan, np.float32), bias.name))
    onnx.save(corrupted, tmp_path / "paint.onnx")
    with pytest.raises(UserError, match="the paint graph differs from torch by nan"):
        measure_parity(paint, tmp_path / "paint.onnx")


def test_rounding_is_small_and_measured(student):
    parity = measure_rounding(student, round_weights(student))
    assert parity.precision == "fp16 weights"
    assert 0 < parity.max_abs_error < 0.01
    assert parity.psnr > 60


def test_another_student_is_no_rounding(student):
    with pytest.raises(UserError, match="--no-compact"):
        measure_rounding(student, make_student(seed=1))


def test_psnr():
    reference = np.array([0.0, 1.0])
    assert psnr(reference, reference) == PSNR_OF_EQUALS
    assert psnr(reference, reference + 0.1) == pytest.approx(20)
    assert psnr(10 * reference, 10 * reference + 0.1) == pytest.approx(40)
    assert psnr(reference, np.array([0.0, np.nan])) == -inf


def test_a_diverged_student_is_refused():
    student = make_student()
    with torch.no_grad():
        student.mix.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(UserError, match=r"student.safetensors holds weights that are not finite \(mix.weight\)"):
        require_finite(student, "student.safetensors")

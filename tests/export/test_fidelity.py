"""What is said about a precision's pictures: numbers that can be told by hand, and the runtime's own pipeline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.fidelity import BORDER, WORST_BELOW, Gate, Judge, _compared, decibels
from export.graphs import student_graphs, student_info
from export.parity import PSNR_OF_EQUALS
from export.to_bundle import Exported
from export.to_onnx import to_onnx
from runtime.stylizer import Stylizer
from tests.export.drawn_calibration import drawn_calibration

GREY = np.full((1, 3, 64, 64), 0.5, np.float32)


@pytest.fixture(scope="module")
def models(student) -> dict[str, onnx.ModelProto]:
    return {graph.role: to_onnx(graph) for graph in student_graphs(student)}


@pytest.fixture(scope="module")
def judge(student, models) -> Judge:
    return Judge(models, drawn_calibration().held_back, student_info(student), 1)


def with_constant(model: onnx.ModelProto, ending: str, change) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    (tensor,) = [tensor for tensor in changed.graph.initializer if tensor.name.endswith(ending)]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)).astype(np.float32), tensor.name))
    return changed


def test_a_shift_of_one_channel():
    moved = GREY.copy()
    moved[:, 1] += 0.1
    found = _compared([GREY, GREY], [moved, GREY])
    assert found.mean_shift == pytest.approx((0, 0.05, 0), abs=1e-6)
    assert found.worst_shift == pytest.approx(0.1, abs=1e-6)
    assert found.max_abs_error == pytest.approx(0.1, abs=1e-6)
    mse = 0.01 / 3
    assert found.psnr == pytest.approx(-10 * np.log10(mse / 2), abs=1e-4)
    assert found.worst_psnr == pytest.approx(-10 * np.log10(mse), abs=1e-4)
    assert (found.worst_pair, found.pairs) == (0, 2)
    assert found.mean_psnr == pytest.approx((found.worst_psnr + PSNR_OF_EQUALS) / 2)


def test_shifts_of_opposite_sign_are_no_tint_but_are_seen():
    found = _compared([GREY, GREY], [GREY + np.float32(0.02), GREY - np.float32(0.02)])
    assert max(map(abs, found.mean_shift)) < 1e-6
    assert found.worst_shift == pytest.approx(0.02, abs=1e-6)


def test_the_border_is_told_from_the_inside():
    framed = GREY.copy()
    framed[:, :, :BORDER] += 0.2
    found = _compared([GREY], [framed])
    outer = 64 * 64 - (64 - 2 * BORDER) ** 2
    assert found.border_rms == pytest.approx(0.2 * np.sqrt(BORDER * 64 / outer), abs=1e-5)
    assert found.inside_rms == 0
    assert found.ssim < 1


def test_a_picture_smaller_than_its_border():
    found = _compared([GREY[:, :, :20, :20]], [GREY[:, :, :20, :20] + np.float32(0.1)])
    assert found.border_rms == found.inside_rms == pytest.approx(0.1, abs=1e-5)


def test_decibels():
    assert decibels(0.01) == pytest.approx(20)
    assert decibels(0) == PSNR_OF_EQUALS
    assert decibels(float("nan")) == -PSNR_OF_EQUALS


def test_the_gate():
    good = _compared([GREY], [GREY])
    gate = Gate(35.0, 1 / 255)
    assert good.passes(gate)
    assert not replace(good, psnr=34.9).passes(gate)
    assert not replace(good, worst_psnr=35 - WORST_BELOW - 0.1).passes(gate)
    assert not replace(good, mean_shift=(0.0, -1.1 / 255, 0.0)).passes(gate)
    assert not replace(good, psnr=float("nan")).passes(gate)
    assert str(gate) == "psnr >= 35, mean shift <= 1/255"


def test_json_is_plain_and_rounded():
    record = _compared([GREY], [GREY + np.float32(1 / 3000)]).to_json()
    assert record["pairs"] == 1 and isinstance(record["mean_shift"], list)
    assert record["max_abs_error"] == pytest.approx(0.0003333, abs=1e-6)
    assert all(isinstance(value, (int, float, list)) for value in record.values())


def test_equal_graphs_paint_equal_pictures(judge, models):
    assert judge.psnr(models) == judge.fidelity(models).psnr == PSNR_OF_EQUALS
    assert not judge.spoiled(models, Gate(100.0, 1.0))


def test_the_pictures_are_the_runtimes(judge, models, exported: Exported):
    """The same photo in the same style, painted by the runtime from the bundle's files."""
    pairs = drawn_calibration().held_back
    with Stylizer.load(exported.directory, threads=1) as stylizer:
        expected = [stylizer(pair.content, pair.style, pair.strength) for pair in pairs]
    for ours, theirs in zip(judge._pictures(models), expected, strict=True):
        assert np.abs(ours[0].transpose(1, 2, 0) - theirs / 255).max() < 0.02  # its weights are rounded to fp16


def test_a_change_of_any_graph_is_seen(judge, models):
    changes = {"paint": "head.bias", "style": "out.bias", "measure": "down.bias"}
    for role, ending in changes.items():
        changed = {**models, role: with_constant(models[role], ending, lambda array: array + 0.1)}
        found = judge.fidelity(changed)
        assert found.psnr < 60 and found.psnr == pytest.approx(judge.psnr(changed), abs=1e-6), role


def test_a_tint_is_measured(judge, models):
    tinted = {**models, "paint": with_constant(models["paint"], "head.bias", lambda b: b - 0.05 * (np.arange(12) == 0))}
    shift = judge.fidelity(tinted).mean_shift
    assert shift[0] == pytest.approx(-0.05, abs=0.02)
    assert abs(shift[1]) < 0.002 and abs(shift[2]) < 0.002


def test_one_spoiled_pair_is_enough(judge, models):
    class OneBad(Judge):
        def _errors(self, models):
            return [1e-9, 10 ** -((35 - WORST_BELOW - 1) / 10), 1e-9]

    judge = OneBad(models, (), judge._student, 1)
    assert judge.spoiled(models, Gate(35.0, 1.0)) and not judge.spoiled(models, Gate(33.0, 1.0))

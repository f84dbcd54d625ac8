"""The gate, and what returns to float when it is missed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from onnx import numpy_helper

from export.accurate_int8 import MOST_RETURNED, Calibrated, Int8, accurate_int8, calibrate, plain_int8
from export.activation_ranges import METHODS
from export.fidelity import WORST_BELOW, Gate
from export.quantize import RECIPES, quantizable
from export.sensitivity import conv_macs
from runtime.errors import UserError
from tests.export.conftest import make_student
from tests.export.drawn_calibration import drawn_calibration

SPOILED = "/blocks.1/outer/Conv"


def spoiled_student():
    """A layer whose weights cannot be rounded: huge ones that read a channel which is always zero.

    In float they do nothing; in int8 they take the range of all others of their output channel.
    """
    student = make_student(3)
    with torch.no_grad():
        block = student.blocks[1]
        block.inner.weight[0], block.inner.bias[0] = 0, -2
        block.outer.weight.mul_(20)
        block.outer.weight[:, 0] = 2000 * block.outer.weight.abs().max()
        student.head.weight.mul_(5)
    return student


@pytest.fixture(scope="module", autouse=True)
def two_methods():
    """Trying all of them takes time and shows nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.accurate_int8.METHODS", {name: METHODS[name] for name in ("min-max", "mse")})
        yield


@pytest.fixture(scope="module")
def calibrated(student, tmp_path_factory) -> Calibrated:
    return calibrate(student, drawn_calibration(), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def heavy_styles(monkeypatch) -> None:
    """Style graphs keep their weights: which of them to round takes most of a calibration's time."""
    monkeypatch.setattr("export.accurate_int8.weighted", lambda model: [])


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory) -> Calibrated:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.accurate_int8.weighted", lambda model: [])
        return calibrate(spoiled_student(), drawn_calibration(), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def easily(calibrated) -> Int8:
    """Past a gate that stops nothing."""
    return accurate_int8(calibrated, "tensorrt", Gate(10.0, 1.0))


def int8_kernels(model) -> int:
    return sum(tensor.data_type == 3 and len(tensor.dims) == 4 for tensor in model.graph.initializer)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_student_that_passes_keeps_everything_in_int8(calibrated, recipe):
    lines: list[str] = []
    _, plain, _ = plain_int8(calibrated, recipe)
    found = accurate_int8(calibrated, recipe, Gate(min(plain.psnr, plain.worst_psnr) - 3, 1.0), lines.append)
    assert found.float_layers == () and found.evidence["fallbacks"] == []
    assert found.fidelity == plain
    assert int8_kernels(found.models["paint"]) == len(quantizable(calibrated.models["paint"])) == 12
    assert set(found.models) == ({"style", "measure", "paint"} if recipe == "cpu" else {"paint"})
    assert lines[0].startswith(f"int8 for {recipe}: ranges by {found.evidence['method']}")


def test_the_best_method_is_chosen_by_measurement(easily):
    evidence = easily.evidence
    assert set(evidence["tried"]) == {"min-max", "mse"}
    assert evidence["tried"][evidence["method"]] == max(evidence["tried"].values())
    assert len(set(evidence["tried"].values())) > 1


def test_evidence_is_json_and_names_the_calibration(calibrated, easily):
    evidence = json.loads(json.dumps(easily.evidence, allow_nan=False))
    psnrs = [layer["psnr"] for layer in evidence["layers"]]
    assert psnrs == sorted(psnrs) and len(psnrs) == 12
    assert evidence["calibration"]["crops"] == 8 and len(evidence["calibration"]["key"]) == 64
    macs = conv_macs(calibrated.models["paint"])
    left = sum(macs[name] for name in macs if name not in quantizable(calibrated.models["paint"]))
    assert evidence["float_macs_share"] == pytest.approx(left / sum(macs.values()), abs=1e-4)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_layer_that_spoils_the_picture_returns_to_float(spoiled, recipe):
    lines: list[str] = []
    _, plain, _ = plain_int8(spoiled, recipe)
    gate = Gate(plain.psnr + 6, 1.0)
    found = accurate_int8(spoiled, recipe, gate, lines.append)
    assert found.float_layers == (SPOILED,)
    assert found.evidence["layers"][0]["name"] == SPOILED
    assert found.fidelity.psnr >= gate.psnr > plain.psnr + 5
    assert found.evidence["before"]["psnr"] == pytest.approx(plain.psnr, abs=0.01)
    residual, layer = found.evidence["fallbacks"]
    assert (residual["returned"], residual["bytes"]) == ("residual branches", 0)
    assert layer["returned"] == SPOILED and layer["bytes"] > 2000 and layer["macs_share"] > 0.05
    assert layer["psnr"] == pytest.approx(found.fidelity.psnr, abs=0.01)
    assert int8_kernels(found.models["paint"]) == 11
    assert any(SPOILED in line for line in lines)


def test_what_cannot_pass_is_refused(spoiled):
    with pytest.raises(UserError, match=r"int8 spoils this student's pictures: .* --qat 200") as refusal:
        accurate_int8(spoiled, "cpu", Gate(90.0, 1e-6))
    assert "\n" not in str(refusal.value) and SPOILED in str(refusal.value)


def test_no_more_than_half_the_work_returns(spoiled):
    lines: list[str] = []
    with pytest.raises(UserError):
        accurate_int8(spoiled, "tensorrt", Gate(90.0, 1.0), lines.append)
    macs = conv_macs(spoiled.models["paint"])
    layers = quantizable(spoiled.models["paint"])
    returned = [name for line in lines for name in layers if f"{name} back in float" in line]
    assert 0 < sum(macs[name] for name in returned) <= MOST_RETURNED * sum(macs[name] for name in layers)


def test_a_spoiled_calibration_picture_is_repaired_too(calibrated, monkeypatch):
    """All held-back pairs pass; a pair of the calibration does not until a layer has returned."""
    plain = plain_int8(calibrated, "cpu")[1]
    psnr = min(plain.psnr, plain.worst_psnr) - 5
    gates = []

    def spoiled(models, gate: Gate) -> bool:
        gates.append(gate)
        return len(gates) < 3

    monkeypatch.setattr(calibrated.tuning, "spoiled", spoiled)
    found = accurate_int8(calibrated, "cpu", Gate(psnr, 1.0))
    assert [step["returned"] for step in found.evidence["fallbacks"]] == [
        "residual branches",
        found.evidence["layers"][0]["name"],
    ]
    monkeypatch.setattr(calibrated.tuning, "spoiled", lambda models, gate: True)
    with pytest.raises(UserError, match=f"but a calibration picture below {psnr - WORST_BELOW:g} dB"):
        accurate_int8(calibrated, "cpu", Gate(psnr, 1.0))


def test_the_second_time_nothing_is_observed(student, tmp_path, monkeypatch, heavy_styles):
    lines: list[str] = []
    first = calibrate(student, drawn_calibration(), log=lines.append, cache=tmp_path)
    monkeypatch.setattr("export.accurate_int8.observe", lambda *_: pytest.fail("observed again"))
    again = calibrate(student, drawn_calibration(), log=lines.append, cache=tmp_path)
    assert [line.split()[0] for line in lines] == ["took", "found"]
    for name, seen in first.observed.items():
        np.testing.assert_array_equal(again.observed[name].counts, seen.counts)


def test_a_tuned_student_is_judged_by_the_original(student, calibrated, tmp_path, heavy_styles):
    changed = make_student(0)
    with torch.no_grad():
        changed.head.bias += 0.1
    found = calibrate(changed, drawn_calibration(), reference=student, cache=tmp_path)
    assert found.held_back.fidelity(found.models).psnr < 40
    assert found.held_back.fidelity(calibrated.models).psnr > 100


def test_style_codes_in_int8_cost_next_to_nothing(calibrated):
    found = calibrated.held_back.fidelity({**calibrated.models, **calibrated.light})
    assert found.psnr > 40
    int8 = [numpy_helper.to_array(t) for t in calibrated.light["style"].graph.initializer if t.data_type == 3]
    assert sum(array.size for array in int8) > 100_000

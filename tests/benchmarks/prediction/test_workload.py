"""`benchmarks.prediction.workload` and `probes`: steps, operations and bytes of real ONNX files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.macs import onnx_macs
from benchmarks.prediction.probes import PROBES, REPEATS, write_probes
from benchmarks.prediction.workload import bundle_workload, graph_workload
from runtime import UserError
from runtime.bundle import open_bundle
from runtime.engines import open_engine
from runtime.shipped import find_model


@pytest.fixture(scope="module")
def probes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("probes")
    write_probes(folder)
    return folder


@pytest.fixture(scope="module")
def student():
    return open_bundle(find_model("adain-w025"))


def test_operations_are_those_that_are_counted_elsewhere(student):
    work = bundle_workload(student, "fp32", 256, 256)
    flat = {
        f"{name}_{i}": (1, site.channels, 1, 1)
        for i, site in enumerate(student.manifest.student.sites)
        for name in ("scale", "shift")
    }
    assert work.macs == onnx_macs(student.directory / "paint.onnx", {"content": (1, 3, 256, 256), **flat})
    assert set(work.operations) == {"fp32"}


def test_half_precision_moves_half_the_bytes(student):
    whole, half = (bundle_workload(student, precision, 128, 128) for precision in ("fp32", "fp16"))
    assert half.bytes == pytest.approx(whole.bytes / 2)
    assert half.compulsory_bytes == pytest.approx(whole.compulsory_bytes / 2)
    assert (half.macs, set(half.operations)) == (whole.macs, {"fp16"})


def test_most_of_an_int8_student_is_int8(student):
    work = bundle_workload(student, "int8", 128, 128)
    assert work.operations["int8"] > 5 * work.operations["fp32"]
    assert work.macs == bundle_workload(student, "fp32", 128, 128).macs
    convolution = next(step for step in work.steps if step.precision == "int8")
    # 64x64 of 16 channels in, 32x32 of 32 out, 4x4 weights of both: a byte each
    assert convolution.channels == (16, 32)
    assert convolution.bytes == 64 * 64 * 16 + 32 * 32 * 32 + 16 * 16 * 32


def test_an_activation_runs_inside_the_convolution_before_it(student):
    kinds = Counter(step.kind for step in bundle_workload(student, "fp32", 64, 64).steps)
    # of the graph's 29 additions, multiplications and activations, 3 stand alone behind a convolution
    assert kinds == {"dense": 15, "pointwise": 2, "elementwise": 26, "rearrange": 2}
    fused = Counter(step.kind for step in bundle_workload(student, "fp32", 64, 64).fused().steps)
    assert fused == {"dense": 15, "pointwise": 2, "rearrange": 2}


@settings(max_examples=10)
@given(st.integers(16, 400), st.integers(0, 64))
def test_a_larger_picture_is_never_less_work(size, more):
    bundle = open_bundle(find_model("adain-w0125"))
    small, large = (bundle_workload(bundle, "fp32", side, side) for side in (size, size + more))
    assert all(
        a.operations <= b.operations and a.bytes <= b.bytes for a, b in zip(small.steps, large.steps, strict=True)
    )
    assert small.compulsory_bytes <= large.compulsory_bytes


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_is_mostly_its_kind_and_runs(probes, name):
    kind, channels, precisions = PROBES[name]
    bundle = open_bundle(probes / name)
    for precision in precisions:
        steps = bundle_workload(bundle, precision, 32, 32).steps
        own = [step for step in steps if step.kind == kind]
        assert len(own) >= REPEATS
        if kind in ("dense", "depthwise"):
            assert {step.precision for step in own} == {precision}
            assert sum(step.operations for step in own) > 0.5 * sum(step.operations for step in steps)
        engine = open_engine("onnxruntime", bundle.path(bundle.graph("paint", precision)), threads=1)
        picture = engine.run({"content": np.full((1, 3, 32, 32), 0.5, np.float32)})["picture"]
        assert picture.shape == (1, 3, 32, 32)
        assert np.isfinite(picture).all()


def test_what_cannot_be_predicted_is_told(student, tmp_path, tiny):
    with pytest.raises(UserError, match="nothing can be predicted in palettized: choose fp32, fp16, int8"):
        bundle_workload(student, "palettized", 64, 64)
    with pytest.raises(UserError, match="holds no paint graph as int8"):
        bundle_workload(open_bundle(tiny), "int8", 64, 64)
    with pytest.raises(ValueError, match="does not follow"):
        graph_workload(student.directory / "paint.onnx", {"content": (1, 3, 64, 64)}, "fp32")

"""The reference evaluator on saved packages: reading, running, refusing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("coremltools")

from export.coreml.app_graphs import app_graphs
from export.coreml.mil_evaluator import MilEvaluator
from export.coreml.mil_program import MODEL_FILE, WEIGHT_FILE, read_program
from export.coreml.mil_types import MilError
from export.coreml.parity import picture_psnr
from tests.export.coreml.programs import save_program


@pytest.fixture
def copy(fp16_packages, tmp_path) -> Path:
    """A copy of the paint package, to be damaged."""
    return shutil.copytree(fp16_packages["paint"], tmp_path / "copy.mlpackage")


def numbers(student, seed: int = 0) -> dict[str, np.ndarray]:
    channels, rng = sum(site.channels for site in student.sites), np.random.default_rng(seed)
    code, stats = (np.abs(rng.normal(1, 0.2, (1, 2, channels))).astype(np.float32) for _ in range(2))
    return {"style_code": code, "content_stats": stats, "strength": np.ones(1, np.float32)}


@pytest.mark.parametrize("size", [(48, 32), (32, 32), (64, 40)])
def test_a_package_paints_what_the_student_paints_at_every_size(student, fp16_packages, draw, size):
    content, given_numbers = draw(1, *size), numbers(student)
    found = MilEvaluator(fp16_packages["paint"]).predict({"content": content, **given_numbers})["picture"]
    planes = torch.from_numpy(content.transpose(2, 0, 1)[None] / np.float32(255))
    arrays = [torch.from_numpy(array) for array in given_numbers.values()]
    expected = app_graphs(student)[2].run((planes, *arrays))[0].permute(1, 2, 0)
    assert found.shape == content.shape and found.dtype == np.uint8
    assert picture_psnr(expected, found) > 50


@pytest.mark.parametrize(("role", "size"), [("style", (336, 256)), ("measure", (64, 40))])
def test_statistics_are_near_torchs(student, fp16_packages, draw, role, size):
    graph = next(graph for graph in app_graphs(student) if graph.role == role)
    picture = draw(2, *size)
    found = MilEvaluator(fp16_packages[role]).predict({graph.picture: picture})[graph.output]
    expected = graph.run((torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255)),)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=5e-3, rtol=5e-3)


def test_what_a_package_says_of_itself_is_read(fp16_packages):
    program = read_program(fp16_packages["paint"])
    assert [feature.name for feature in program.inputs] == ["content", "style_code", "content_stats", "strength"]
    assert program.inputs[0].colour == "RGB" and program.inputs[0].sizes == ((48, 32), (32, 32), (64, 40))
    assert program.inputs[3].shape == (1,) and program.outputs[0].colour == "RGB"
    assert (program.specification, program.opset) == (7, "CoreML6")
    assert program.metadata["license"] == "CC0" and program.metadata["version"] == "1.2.3"


def test_values_are_rounded_to_the_types_that_the_program_declares(tmp_path):
    def build(mb, x):
        halved = mb.mul(x=mb.cast(x=x, dtype="fp16"), y=np.float16(0.1))
        return mb.cast(x=mb.sub(x=halved, y=np.float16(0.3)), dtype="fp32", name="y")

    save_program(tmp_path / "p.mlpackage", build, (4,))
    x = np.array([1, 3, 7.1, 2000.3], np.float32)
    found = MilEvaluator(tmp_path / "p.mlpackage").predict({"x": x})["y"]
    product = (x.astype(np.float16).astype(np.float32) * np.float32(np.float16(0.1))).astype(np.float16)
    expected = (product.astype(np.float32) - np.float32(np.float16(0.3))).astype(np.float16)
    assert np.array_equal(found, expected.astype(np.float32)) and not np.allclose(found, x * 0.1 - 0.3, atol=1e-5)


def test_what_overflows_fp16_is_infinite_as_on_the_device(tmp_path):
    def build(mb, x):
        return mb.cast(x=mb.mul(x=mb.cast(x=x, dtype="fp16"), y=np.float16(1000)), dtype="fp32", name="y")

    save_program(tmp_path / "p.mlpackage", build, (2,))
    found = MilEvaluator(tmp_path / "p.mlpackage").predict({"x": np.array([60, 70], np.float32)})["y"]
    assert found.tolist() == [60000, np.inf]


def test_an_unknown_operation_is_named(tmp_path):
    save_program(tmp_path / "p.mlpackage", lambda mb, x: mb.cumsum(x=x, axis=0, name="y"), (4,))
    with pytest.raises(MilError, match="uses cumsum, which the reference evaluator does not run"):
        MilEvaluator(tmp_path / "p.mlpackage")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content": np.zeros((32, 48, 4), np.uint8)}, "a picture is uint8"),
        ({"content": np.zeros((30, 48, 3), np.uint8)}, "48x32, 32x32, 64x40 pixels, not 48x30"),
        ({"strength": np.ones(2)}, r"'strength' has the shape \(1,\), not \(2,\)"),
        ({"other": np.ones(1)}, "takes content, content_stats, strength, style_code, not"),
    ],
)
def test_wrong_inputs_are_refused(student, fp16_packages, draw, changes, message):
    feeds = {"content": draw(0, 48, 32), **numbers(student), **changes}
    with pytest.raises(MilError, match=message):
        MilEvaluator(fp16_packages["paint"]).predict(feeds)


def test_what_is_missing_is_told(copy, tmp_path):
    with pytest.raises(MilError, match="is no Core ML package"):
        MilEvaluator(tmp_path / "absent.mlpackage")
    (copy / WEIGHT_FILE).unlink()
    with pytest.raises(MilError, match="cannot read .*weight.bin"):
        MilEvaluator(copy)


def test_a_constant_in_another_file_is_refused(copy):
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model.FromString((copy / MODEL_FILE).read_bytes())
    block = next(iter(model.mlProgram.functions["main"].block_specializations.values()))
    stored = next(
        op for op in block.operations if "val" in op.attributes and op.attributes["val"].HasField("blobFileValue")
    )
    stored.attributes["val"].blobFileValue.fileName = "@model_path/../../secret"
    (copy / MODEL_FILE).write_bytes(model.SerializeToString())
    with pytest.raises(MilError, match="in the file '@model_path/../../secret'"):
        MilEvaluator(copy)


def test_a_program_without_the_function_main_is_refused(copy):
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model.FromString((copy / MODEL_FILE).read_bytes())
    model.mlProgram.functions["other"].CopyFrom(model.mlProgram.functions["main"])
    (copy / MODEL_FILE).write_bytes(model.SerializeToString())
    with pytest.raises(MilError, match="only 'main' is run"):
        MilEvaluator(copy)
    (copy / MODEL_FILE).write_bytes(Model_pb2.Model().SerializeToString())
    with pytest.raises(MilError, match="holds no ML Program"):
        MilEvaluator(copy)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([MODEL_FILE, WEIGHT_FILE]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0, 1) | st.just(1.0),
)
def test_a_damaged_package_is_run_or_refused_and_no_more(student, fp16_packages, copy, draw, file, changes, kept):
    data = bytearray((fp16_packages["paint"] / file).read_bytes())
    for place, value in changes:
        data[int(place * len(data))] = value
    (copy / file).write_bytes(data[: int(kept * len(data))])
    try:
        found = MilEvaluator(copy).predict({"content": draw(0, 32, 32), **numbers(student)})
    except MilError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(value, np.ndarray) for value in found.values())
    finally:
        (copy / file).write_bytes((fp16_packages["paint"] / file).read_bytes())

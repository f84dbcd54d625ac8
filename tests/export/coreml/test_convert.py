"""What is in the packages: operations that keep to the Neural Engine, precision, and words for people."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("coremltools")

from export.coreml.app_graphs import AppGraph, app_graphs
from export.coreml.convert import Details, to_program
from export.coreml.mil_evaluator import MilEvaluator
from export.coreml.mil_program import Reference, read_program
from export.coreml.package_file import save_package
from runtime.errors import UserError

#: What the Neural Engine runs on planes. Not among them: InstanceNorm, reductions, pads (of any kind, reflecting ones
#: above all), gathers, transposes, dynamic reshapes, shapes and control flow.
ON_PLANES = {"conv", "relu", "add", "mul", "pixel_shuffle", "clip", "cast", "quantize", "dequantize"}
ON_NUMBERS = {"slice_by_index", "maximum", "real_div", "mul", "sub", "add", "cast", "reshape", "split"}
DETAILS = Details("tiny", "CC0", "1.2.3", {"torch": "2.x"})


def steps(package):
    """(operation, rank of its output, whether it is 1x1 or smaller) of everything that is computed at run time."""
    for op in read_program(package).operations:
        if op.kind != "const" and not op.kind.startswith("constexpr_"):
            shape = op.outputs[0][1].shape
            yield op, len(shape) == 4 and shape[2:] != (1, 1)


def test_the_painter_uses_only_what_the_neural_engine_runs(fp16_packages):
    planes = {op.kind for op, is_planes in steps(fp16_packages["paint"]) if is_planes}
    numbers = {op.kind for op, is_planes in steps(fp16_packages["paint"]) if not is_planes}
    assert planes <= ON_PLANES and "conv" in planes
    assert numbers <= ON_NUMBERS


def test_planes_are_fp16_and_statistics_fp32(fp16_packages):
    for role, package in fp16_packages.items():
        for op, _ in steps(package):
            if op.kind == "conv":
                assert op.outputs[0][1].element.name == "fp16", role
            if op.kind in ("reduce_mean", "sqrt", "real_div", "softplus"):
                assert op.outputs[0][1].element.name == "fp32", role


def test_planes_between_convolutions_have_multiples_of_8_channels(fp16_packages):
    for op, is_planes in steps(fp16_packages["paint"]):
        if is_planes and op.kind == "conv" and op.outputs[0][1].shape[1] != 12:  # the Haar bands
            assert op.outputs[0][1].shape[1] % 8 == 0


def test_reshapes_are_static(fp16_packages):
    for package in fp16_packages.values():
        program = read_program(package)
        constants = {name for op in program.operations if op.kind == "const" for name, _ in op.outputs}
        for op in program.operations:
            if op.kind == "reshape":
                shape = op.parameters["shape"][0]
                assert not isinstance(shape, Reference) or shape.name in constants


def test_everything_is_described(fp16_packages):
    for role, package in fp16_packages.items():
        program = read_program(package)
        assert all(len(feature.description) > 20 for feature in (*program.inputs, *program.outputs))
        assert program.metadata["author"] == "brushlet" and "tiny" in program.metadata["description"], role
        assert program.metadata["brushlet.torch"] == "2.x"
        assert not any("date" in key for key in program.metadata)


@pytest.mark.parametrize(("target", "specification"), [("iOS16", 7), ("iOS17", 8)])
def test_one_size_is_fixed(student, tmp_path, draw, target, specification):
    measure = app_graphs(student)[1]
    save_package(to_program(measure, [(32, 16)], target, DETAILS), tmp_path / "m.mlpackage")
    program = read_program(tmp_path / "m.mlpackage")
    assert program.inputs[0].sizes == ((32, 16),) and program.specification == specification
    found = MilEvaluator(tmp_path / "m.mlpackage").predict({"thumbnail": draw(0, 32, 16)})["content_stats"]
    assert found.shape == (1, 2, sum(site.channels for site in student.sites))


class Sorts(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


def test_what_cannot_be_converted_is_told_in_one_line():
    graph = AppGraph("measure", Sorts().eval(), "thumbnail", {}, "content_stats")
    with pytest.raises(UserError, match="cannot convert the measure graph: .*bessel_j0") as error:
        to_program(graph, [(8, 8)], "iOS16", DETAILS)
    assert "\n" not in str(error.value)


def test_a_fixed_style_leaves_the_content_as_the_only_input(tmp_path, draw):
    class Fixed(nn.Module):
        sites, size_multiple = (), 4

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def paint(self, content: torch.Tensor, affine: list) -> torch.Tensor:
            assert affine == []
            return self.conv(content)

    torch.manual_seed(0)
    student = Fixed().eval()
    (graph,) = app_graphs(student)
    save_package(to_program(graph, [(16, 8)], "iOS16", DETAILS), tmp_path / "p.mlpackage")
    evaluator, picture = MilEvaluator(tmp_path / "p.mlpackage"), draw(0, 16, 8)
    assert [feature.name for feature in evaluator.program.inputs] == ["content"]
    assert "one style" in evaluator.program.metadata["description"]
    found = evaluator.predict({"content": picture})["picture"]
    with torch.no_grad():
        planes = student.conv(torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255)))
    assert np.abs(found - planes[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255).max() < 1.1

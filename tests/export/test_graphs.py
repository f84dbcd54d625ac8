"""The three graphs of a student, before any format."""

from __future__ import annotations

import onnx
import pytest
import torch

from benchmarks.macs import onnx_macs
from distill.evaluate import THUMBNAIL as JUDGED_WITH
from distill.students.layers import UpsampleConv
from export.graphs import THUMBNAIL, fold_upsampling, student_graphs, student_info
from export.to_onnx import to_onnx


def test_inputs_and_outputs_are_the_contract(student):
    style, measure, paint = student_graphs(student)
    assert [graph.role for graph in (style, measure, paint)] == ["style", "measure", "paint"]
    channels = sum(site.channels for site in student.sites)
    assert [(spec.name, spec.shape) for spec in style.inputs] == [("style", (1, 3, "H", "W"))]
    assert [(spec.name, spec.shape) for spec in style.outputs] == [("code", (1, 2, channels))]
    assert [(spec.name, spec.shape) for spec in measure.inputs] == [("thumbnail", (1, 3, "H", "W"))]
    assert [(spec.name, spec.shape) for spec in measure.outputs] == [("stats", (1, 2, channels))]
    assert [spec.name for spec in paint.inputs[:4]] == ["content", "scale_0", "shift_0", "scale_1"]
    assert len(paint.inputs) == 1 + 2 * len(student.sites)
    for index, site in enumerate(student.sites):
        assert paint.inputs[1 + 2 * index].shape == (1, site.channels, f"h_{index}", f"w_{index}")
    assert [(spec.name, spec.shape) for spec in paint.outputs] == [("picture", (1, 3, "H", "W"))]
    assert {spec.dtype for graph in (style, measure, paint) for spec in graph.inputs} == {"float32"}


def test_graphs_compute_what_the_student_does(student):
    style, measure, paint = student_graphs(student)
    (picture,) = style.example(32, 48)
    with torch.no_grad():
        assert torch.equal(style.run((picture,)), student.style(picture))
        assert torch.equal(measure.run((picture,)), student.measure(picture))
        content, *flat = paint.example(32, 48)
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        assert torch.equal(paint.run((content, *flat)), student.paint(content, pairs))


def test_examples_are_the_same_for_the_same_seed(student):
    paint = student_graphs(student)[-1]
    first, again, other = paint.example(16, 16, 3), paint.example(16, 16, 3), paint.example(16, 16, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_maps_have_the_resolution_of_their_sites(student):
    _, *flat = student_graphs(student)[-1].example(24, 40, maps=True)
    for site, scale, shift in zip(student.sites, flat[::2], flat[1::2], strict=True):
        assert scale.shape == shift.shape == (1, site.channels, 24 // site.stride, 40 // site.stride)


def test_student_info(student):
    info = student_info(student)
    assert (info.architecture, info.width, info.size_multiple) == ("haar_painter", 0.125, 4)
    assert info.halo == student.halo
    assert [(s.name, s.channels, s.stride, s.measured) for s in info.sites] == [
        (s.name, s.channels, s.stride, s.measured) for s in student.sites
    ]
    encoder = sum(p.numel() for p in student.style.parameters())
    measuring = sum(p.numel() for layer in (student.stem, student.down, student.encode) for p in layer.parameters())
    everything = sum(p.numel() for p in student.parameters())
    assert info.parameters == {"style": encoder, "measure": measuring, "paint": everything - encoder}


def test_multiplications_are_those_of_the_exported_graphs(student, tmp_path):
    """Counted in torch and in ONNX; upsampling that is folded on export counts as it runs."""
    style, measure, paint = student_graphs(student)
    counted = {"measure": THUMBNAIL, "paint": 512}
    total = 0
    for graph in (measure, paint):
        side = counted[graph.role]
        onnx.save(to_onnx(graph), tmp_path / "graph.onnx")
        inputs = zip(graph.inputs, graph.example(side, side), strict=True)
        total += onnx_macs(tmp_path / "graph.onnx", {spec.name: tuple(value.shape) for spec, value in inputs})
    assert student_info(student).macs == total > 10**8


def test_statistics_at_run_time_come_from_the_thumbnail_that_students_are_judged_with():
    assert THUMBNAIL == JUDGED_WITH


@pytest.mark.parametrize("size", [(1, 1), (5, 7)])
def test_folded_upsampling_is_the_same_function(size):
    torch.manual_seed(0)
    layer = UpsampleConv(8, 16).eval()
    folded = fold_upsampling(torch.nn.Sequential(layer))
    assert not any(isinstance(module, UpsampleConv) for module in folded.modules())
    x = torch.randn(2, 8, *size)
    with torch.no_grad():
        assert torch.equal(folded(x), layer(x))


def test_folding_leaves_the_student_alone(student):
    fold_upsampling(student)
    assert isinstance(student.up, UpsampleConv)

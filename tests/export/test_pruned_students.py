"""Students whose layers were cut to different sizes export like any other."""

from __future__ import annotations

import onnxruntime
import pytest
import torch

from distill.students import HaarPainter
from distill.students.haar_painter import Channels
from export.graphs import StudentGraph, student_graphs, student_info
from export.to_onnx import to_onnx

UNEVEN = Channels(half=8, trunk=24, encode=16, blocks=(8, 32), up=16, mix=24)


@pytest.fixture(scope="module")
def pruned() -> HaarPainter:
    torch.manual_seed(0)
    student = HaarPainter(0.1875, 2, UNEVEN).eval()
    torch.nn.init.normal_(student.head.weight, 0, 0.1)
    return student


@pytest.mark.parametrize("index", [0, 1, 2], ids=["style", "measure", "paint"])
def test_its_graphs_compute_what_it_does(pruned, index):
    graph: StudentGraph = student_graphs(pruned)[index]
    inputs = graph.example(32, 48, maps=True)
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {spec.name: tensor.numpy() for spec, tensor in zip(graph.inputs, inputs, strict=True)}
    (output,) = session.run(None, feeds)
    assert abs(output - graph.run(inputs).numpy()).max() < 1e-4


def test_its_sites_have_its_own_channels(pruned):
    info = student_info(pruned)
    assert [site.channels for site in info.sites] == [8, 24, 8, 32, 16, 24]
    assert info.width == 0.1875
    assert info.parameters["paint"] == sum(p.numel() for n, p in pruned.named_parameters() if "style" not in n)

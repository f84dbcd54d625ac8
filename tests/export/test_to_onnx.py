"""The ONNX graphs: names, shapes, operations, and that both kinds of scales run."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from export.graphs import PaintGraph, StudentGraph, student_graphs
from export.to_onnx import FORBIDDEN_IN_PAINT, OPSET, operations, to_onnx
from runtime.bundle import TensorSpec
from runtime.errors import UserError


@pytest.fixture(scope="module")
def graphs(student):
    return {graph.role: graph for graph in student_graphs(student)}


@pytest.fixture(scope="module")
def models(graphs):
    return {role: to_onnx(graph) for role, graph in graphs.items()}


@pytest.fixture(scope="module")
def sessions(models):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return {
        role: onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for role, model in models.items()
    }


def feeds_of(graph: StudentGraph, *arguments, **options) -> dict[str, np.ndarray]:
    inputs = graph.example(*arguments, **options)
    return {spec.name: tensor.numpy() for spec, tensor in zip(graph.inputs, inputs, strict=True)}


def spec_of(value: onnx.ValueInfoProto) -> tuple[str, tuple[int | str, ...]]:
    return value.name, tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)


@pytest.mark.parametrize("role", ["style", "measure", "paint"])
def test_inputs_and_outputs_are_those_of_the_graph(graphs, models, role):
    graph, model = graphs[role], models[role]
    assert [spec_of(value) for value in model.graph.input] == [(spec.name, spec.shape) for spec in graph.inputs]
    assert [spec_of(value) for value in model.graph.output] == [(spec.name, spec.shape) for spec in graph.outputs]
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]


def test_the_painter_is_convolutions_adds_activations_and_pixel_shuffles(models):
    assert set(operations(models["paint"])) == {"Conv", "Mul", "Add", "Relu", "DepthToSpace"}
    assert not FORBIDDEN_IN_PAINT & set(operations(models["paint"]))


def test_the_other_graphs_are_clean(models):
    for role in ("style", "measure"):
        names = set(operations(models[role]))
        assert not names & {"Einsum", "Tile", "Identity", "Constant", "Cast", "InstanceNormalization", "Pad", "Shape"}


def test_nothing_tells_of_the_machine_that_exported(models):
    for model in models.values():
        assert not model.metadata_props
        assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
        assert b"/haar_painter.py" not in model.SerializeToString()


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 132), (64, 96)])
def test_any_multiple_of_four_can_be_painted(graphs, sessions, height, width):
    feeds = feeds_of(graphs["paint"], height, width)
    (picture,) = sessions["paint"].run(["picture"], feeds)
    assert picture.shape == (1, 3, height, width)


def test_constant_maps_equal_single_numbers(graphs, sessions, student):
    feeds = feeds_of(graphs["paint"], 24, 40)
    maps = dict(feeds)
    for index, site in enumerate(student.sites):
        for name in (f"scale_{index}", f"shift_{index}"):
            shape = (1, site.channels, 24 // site.stride, 40 // site.stride)
            maps[name] = np.ascontiguousarray(np.broadcast_to(feeds[name], shape))
    (single,), (mapped,) = (sessions["paint"].run(["picture"], each) for each in (feeds, maps))
    np.testing.assert_allclose(mapped, single, atol=1e-6)


def test_maps_that_vary_give_what_torch_gives(graphs, sessions):
    inputs = graphs["paint"].example(24, 40, maps=True)
    feeds = {spec.name: tensor.numpy() for spec, tensor in zip(graphs["paint"].inputs, inputs, strict=True)}
    (picture,) = sessions["paint"].run(["picture"], feeds)
    np.testing.assert_allclose(picture, graphs["paint"].run(inputs).numpy(), atol=1e-5)


def test_upsampling_weights_are_constants(models, student):
    shapes = {tuple(tensor.dims) for tensor in models["paint"].graph.initializer}
    outputs, inputs = student.up.conv5.weight.shape[:2]
    assert (4 * outputs, inputs, 3, 3) in shapes
    assert (outputs, inputs, 5, 5) not in shapes


def test_the_same_student_gives_the_same_bytes(graphs, models):
    for role, graph in graphs.items():
        assert to_onnx(graph).SerializeToString(deterministic=True) == models[role].SerializeToString(
            deterministic=True
        )


def test_exporting_is_silent(graphs, capfd, recwarn):
    to_onnx(graphs["measure"])
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


class NormalisingStudent(nn.Module):
    """A painter that breaks the rules."""

    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm2d(3)

    def paint(self, content, affine):
        return self.norm(content)


def test_a_painter_with_a_forbidden_operation_is_refused():
    picture = TensorSpec("content", (1, 3, "H", "W"))
    module = PaintGraph(NormalisingStudent())
    module.example = lambda picture, generator, maps: (picture,)
    graph = StudentGraph("paint", module, (picture,), (TensorSpec("picture", picture.shape),), 4, 4)
    assert graph.run((torch.rand(1, 3, 8, 8),)).shape == (1, 3, 8, 8)
    with pytest.raises(UserError, match="the painter uses InstanceNormalization"):
        to_onnx(graph)

"""Names that nobody reads are short, and the graph computes what it did."""

from __future__ import annotations

import numpy as np

from export.graphs import student_graphs
from export.onnx_session import open_session
from export.short_names import _name, shorten
from export.to_onnx import to_onnx


def test_names_differ():
    names = [_name(number) for number in range(2000)]
    assert len(set(names)) == 2000
    assert names[0] == "a" and names[26] == "aa" and names[27] == "ab" and max(map(len, names)) == 3


def test_only_names_and_defaults_go(student):
    graph = student_graphs(student)[-1]
    model = to_onnx(graph)
    short = shorten(model)
    assert short.ByteSize() < model.ByteSize()
    assert [value.name for value in short.graph.input] == [spec.name for spec in graph.inputs]
    assert [value.name for value in short.graph.output] == ["picture"]
    convs = [[node.name for node in m.graph.node if node.op_type == "Conv"] for m in (model, short)]
    assert convs[0] == convs[1]
    attributes = {a.name for node in short.graph.node if node.op_type == "Conv" for a in node.attribute}
    assert attributes == {"kernel_shape", "pads", "strides"}
    inputs = graph.example(40, 56, seed=3)
    feeds = {spec.name: value.numpy() for spec, value in zip(graph.inputs, inputs, strict=True)}
    (expected,), (found,) = (open_session(m).run(None, feeds) for m in (model, short))
    np.testing.assert_array_equal(found, expected)


def test_what_is_no_default_stays(student):
    model = to_onnx(student_graphs(student)[-1])
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    for attribute in node.attribute:
        if attribute.name == "dilations":
            attribute.ints[:] = [2, 2]
    kept = {a.name for a in next(n for n in shorten(model).graph.node if n.name == node.name).attribute}
    assert "dilations" in kept and "group" not in kept

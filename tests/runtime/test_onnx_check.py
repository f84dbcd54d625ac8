"""`runtime.onnx_check`: what students are built of passes, and nothing else reaches an engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from runtime.bundle import BundleError, open_bundle
from runtime.onnx_check import MAX_FIELDS, MAX_NODES, OnnxRefused, check_onnx
from runtime.shipped import find_model
from tests.tiny_bundle import make_tiny_bundle, refresh_manifest


def model_of(*nodes: NodeProto, version: int = 17) -> ModelProto:
    """Nodes between a picture ``x`` and a picture ``y``."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, "H", "W")) for name in "xy"]
    weights = [numpy_helper.from_array(np.zeros(3, np.float32), "w")]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


def plain() -> ModelProto:
    return model_of(helper.make_node("Relu", ["x"], ["y"]))


def refusal(path: Path, model: ModelProto | bytes) -> str:
    """The reason for which the graph is refused."""
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(OnnxRefused) as raised:
        check_onnx(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 200
    return str(raised.value)


def test_what_ships_passes():
    files = sorted(Path(find_model("adain-w025")).glob("*.onnx"))
    assert len(files) >= 3
    for file in files:
        check_onnx(file)


def with_subgraph() -> ModelProto:
    return model_of(helper.make_node("Relu", ["x"], ["y"], body=plain().graph))


def with_function() -> ModelProto:
    model = plain()
    model.functions.add(name="f", domain="d").node.append(helper.make_node("f", [], [], domain="d"))
    return model


def with_sparse_weights() -> ModelProto:
    model = plain()
    model.graph.sparse_initializer.add().dims.append(2**40)
    return model


def with_training() -> ModelProto:
    model = plain()
    model.training_info.add().algorithm.CopyFrom(model.graph)
    return model


def with_constant_elsewhere() -> ModelProto:
    value = TensorProto(name="v", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    return model_of(helper.make_node("Constant", [], ["y"], value=value))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (with_subgraph, "a graph inside a node"),
        (with_function, "functions of its own"),
        (with_sparse_weights, "sparse weights"),
        (with_training, "training instructions"),
        (with_constant_elsewhere, "weights in another file"),
        (lambda: model_of(helper.make_node("Loop", ["x"], ["y"])), "uses 'Loop'"),
        (lambda: model_of(helper.make_node("ConstantOfShape", ["x"], ["y"])), "uses 'ConstantOfShape'"),
        (lambda: model_of(helper.make_node("Relu", ["x"], ["y"], domain="com.microsoft")), "uses 'com.microsoft'"),
        (lambda: model_of(helper.make_node("x" * 10_000, ["x"], ["y"])), "uses 'xxx"),
        (lambda: model_of(helper.make_node("Mean", [], ["y"])), "lacks an input of Mean"),
        (lambda: model_of(helper.make_node("Conv", ["x"], ["y"])), "lacks an input of Conv"),
        (lambda: model_of(helper.make_node("Max", ["x", ""], ["y"])), "lacks an input of Max"),
        (lambda: model_of(helper.make_node("Relu", ["x", "x"], ["y"])), "too many inputs of Relu"),
        (lambda: model_of(helper.make_node("Clip", ["", "w"], ["y"])), "lacks an input of Clip"),
        (lambda: model_of(helper.make_node("a\nb", ["x"], ["y"])), "uses 'a"),
        (lambda: model_of(helper.make_node("Relu", ["x"], ["y"]), version=2**31), "operator set"),
        (lambda: model_of(helper.make_node("Relu", ["x"], ["y"]), version=-1), "operator set"),
    ],
)
def test_what_no_student_has(tmp_path: Path, make: Callable[[], ModelProto], reason: str):
    assert reason in refusal(tmp_path / "g.onnx", make())


def test_more_nodes_than_any_student(tmp_path: Path):
    nodes = [helper.make_node("Relu", ["x"], ["y"])] * MAX_NODES
    (tmp_path / "g.onnx").write_bytes(model_of(*nodes).SerializeToString())
    check_onnx(tmp_path / "g.onnx")
    assert f"more than {MAX_NODES} nodes" in refusal(tmp_path / "g.onnx", model_of(*nodes, nodes[0]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xff" * 30,
        b"\x3a\xff\xff\xff\xff\x0f",
        b"\x3b\x3c",
        b"ORTM" * 9,
        b"<?xml version='1.0'?>",
        b"\x08",
    ],
    ids=["empty", "field-0", "endless-number", "length-beyond-the-end", "groups", "flatbuffer", "xml", "cut"],
)
def test_what_is_no_onnx(tmp_path: Path, data: bytes):
    refusal(tmp_path / "g.onnx", data)


def test_the_walk_is_bounded(tmp_path: Path):
    """A file of nothing but empty fields is given up, not read to its end."""
    assert "parts" in refusal(tmp_path / "g.onnx", b"\x3a\x00" * (MAX_FIELDS + 1))


def test_a_message_in_pieces_is_seen_whole(tmp_path: Path):
    """Parsers join a message that is written twice: the second piece counts like the first."""
    pieces = plain().SerializeToString() + with_subgraph().SerializeToString()
    assert "a graph inside a node" in refusal(tmp_path / "g.onnx", pieces)


@settings(max_examples=200, derandomize=True)
@given(place=st.integers(0, 200), cut=st.integers(0, 20), put=st.binary(max_size=20))
def test_whatever_bytes_there_are_the_walk_ends(
    tmp_path_factory: pytest.TempPathFactory, place: int, cut: int, put: bytes
):
    path, whole = tmp_path_factory.getbasetemp() / "walked.onnx", plain().SerializeToString()
    path.write_bytes(whole[:place] + put + whole[place + cut :])
    try:
        check_onnx(path)
    except OnnxRefused as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["paint.ort", "paint.xml", "paint", "paint.onnx.ort"])
def test_a_name_that_chooses_another_reader_is_refused(tmp_path: Path, name: str):
    """ONNX Runtime reads .ort as a format of its own, OpenVINO .xml, without a look at what is inside."""
    tiny = make_tiny_bundle(tmp_path / "tiny")
    (tiny / "paint.onnx").rename(tiny / name)
    data = json.loads((tiny / "manifest.json").read_text())
    data["graphs"][2]["file"] = name
    (tiny / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match=r"graphs\[2\]: 'file' must end in .onnx"):
        open_bundle(tiny)


def test_a_bundle_says_which_graph_is_refused(tmp_path: Path):
    tiny = make_tiny_bundle(tmp_path / "tiny")
    (tiny / "measure.onnx").write_bytes(with_function().SerializeToString())
    refresh_manifest(tiny)
    with pytest.raises(BundleError, match="measure.onnx holds functions of its own, which no student needs"):
        open_bundle(tiny)

"""A small, complete and valid bundle whose every result can be computed with numpy.

Two sites: `half` (3 channels, stride 2, measured) are the 2x2 means of the picture; `quarter` (1 channel, stride 4,
not measured) is the mean grey of each 4x4 block. The painter adds to the picture what the modulation changed at each
site, so that a scale of 1 and a shift of 0 (strength 0) give the picture itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from runtime.bundle import Graph, Manifest, Site, StudentInfo, StyleFile, TensorSpec, sha256_of
from runtime.style_code import StyleCode

SITES = (Site("half", 3, 2, True), Site("quarter", 1, 4, False))
CHANNELS = 4
EPS = 1e-4
FILES = {"style": "style.onnx", "measure": "measure.onnx", "paint": "paint.onnx"}


def make_tiny_bundle(
    directory: str | Path,
    *,
    name: str = "tiny",
    thumbnail: int = 256,
    styles: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write the bundle into `directory` (made if missing) and return its path.

    Args:
        styles: named style codes, (2, 4) each; one called "warm" by default.
    """
    directory = Path(directory)
    (directory / "styles").mkdir(parents=True, exist_ok=True)
    graphs = tuple(_write_graph(directory, role) for role in FILES)
    held = {"warm": np.array([[0.7, 0.5, 0.3, 0.05], [0.2, 0.1, 0.1, 1.0]])} if styles is None else styles
    student = StudentInfo("tiny", 1.0, 4, 4, thumbnail, {"style": 0, "paint": 0, "measure": 0}, SITES)
    files = tuple(_write_style(directory, key, code, name) for key, code in held.items())
    Manifest(name, student, graphs, files, {"teacher": "none", "command": "test"}, (), {}).write(directory)
    return directory


def refresh_manifest(directory: str | Path) -> None:
    """Bring sizes and hashes in the manifest up to date after a test has changed files of the bundle."""
    path = Path(directory) / "manifest.json"
    data = json.loads(path.read_text())
    for entry in data["graphs"] + data["styles"]:
        file = Path(directory) / entry["file"]
        entry["bytes"], entry["sha256"] = file.stat().st_size, sha256_of(file)
    path.write_text(json.dumps(data))


def tiny_style(picture: np.ndarray) -> np.ndarray:
    """What style.onnx computes: float (1, 3, H, W) -> (2, 4)."""
    mean, deviation = _moments(picture)
    return np.stack([np.append(mean, 0.2 * mean.mean() - 0.1), np.append(deviation, 1)]).astype(np.float32)


def tiny_measure(picture: np.ndarray) -> np.ndarray:
    """What measure.onnx computes: float (1, 3, H, W) -> (2, 4)."""
    mean, deviation = _moments(picture)
    return np.stack([np.append(mean, 0), np.append(deviation, 1)]).astype(np.float32)


def tiny_paint(picture: np.ndarray, affine: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """What paint.onnx computes: float (1, 3, H, W) and an affine per site -> (1, 3, H, W)."""
    half = _pool(picture, 2)
    quarter = _pool(picture, 4).mean(axis=1, keepdims=True)
    painted = picture
    for features, (scale, shift), stride in ((half, affine[0], 2), (quarter, affine[1], 4)):
        painted = painted + (features * scale + shift - features).repeat(stride, axis=2).repeat(stride, axis=3)
    return painted


def _pool(picture: np.ndarray, size: int) -> np.ndarray:
    _, channels, height, width = picture.shape
    blocks = picture.astype(np.float64).reshape(1, channels, height // size, size, width // size, size)
    return blocks.mean(axis=(3, 5))


def _moments(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = _pool(picture, 2)[0].reshape(3, -1)
    return half.mean(axis=1), np.sqrt(half.var(axis=1) + EPS)


def _write_style(directory: Path, name: str, code: np.ndarray, student: str) -> StyleFile:
    path = directory / "styles" / f"{name}.json"
    StyleCode(code, student, name).save(path)
    return StyleFile(name, f"styles/{name}.json", sha256_of(path), path.stat().st_size)


def _write_graph(directory: Path, role: str) -> Graph:
    nodes, inputs, outputs, constants = {"style": _style, "measure": _measure, "paint": _paint}[role]()
    ins, outs = ([_value_info(tensor) for tensor in side] for side in (inputs, outputs))
    initializers = [onnx.numpy_helper.from_array(array, key) for key, array in constants.items()]
    graph = helper.make_graph(nodes, role, ins, outs, initializer=initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path = directory / FILES[role]
    path.write_bytes(model.SerializeToString())
    return Graph(role, "fp32", "onnx", FILES[role], sha256_of(path), path.stat().st_size, inputs, outputs)


def _value_info(tensor: TensorSpec) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.shape)


def _moment_nodes(source: str) -> list[onnx.NodeProto]:
    """Nodes from a picture to `mean` and `deviation`, (1, 1, 3) each."""
    return [
        helper.make_node("AveragePool", [source], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("ReduceMean", ["half"], ["centre"], axes=[2, 3], keepdims=1),
        helper.make_node("Sub", ["half", "centre"], ["centred"]),
        helper.make_node("Mul", ["centred", "centred"], ["squared"]),
        helper.make_node("ReduceMean", ["squared"], ["variance"], axes=[2, 3], keepdims=1),
        helper.make_node("Add", ["variance", "eps"], ["variance_eps"]),
        helper.make_node("Sqrt", ["variance_eps"], ["root"]),
        helper.make_node("Reshape", ["centre", "row"], ["mean"]),
        helper.make_node("Reshape", ["root", "row"], ["deviation"]),
    ]


def _rows(output: str, last_mean: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Concat", ["mean", last_mean], ["means"], axis=2),
        helper.make_node("Concat", ["deviation", "one"], ["deviations"], axis=2),
        helper.make_node("Concat", ["means", "deviations"], [output], axis=1),
    ]


def _constants(**more: float) -> dict[str, np.ndarray]:
    scalars = {"one": 1.0, **more}
    arrays = {key: np.full((1, 1, 1), value, np.float32) for key, value in scalars.items()}
    return {**arrays, "eps": np.array(EPS, np.float32), "row": np.array([1, 1, 3], np.int64)}


Parts = tuple[list[onnx.NodeProto], tuple[TensorSpec, ...], tuple[TensorSpec, ...], dict[str, np.ndarray]]


def _style() -> Parts:
    extra = [
        helper.make_node("ReduceMean", ["mean"], ["grey"], axes=[2], keepdims=1),
        helper.make_node("Mul", ["grey", "fifth"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "tenth"], ["last"]),
    ]
    nodes = _moment_nodes("style") + extra + _rows("code", "last")
    picture, rows = TensorSpec("style", (1, 3, "H", "W")), TensorSpec("code", (1, 2, CHANNELS))
    return nodes, (picture,), (rows,), _constants(fifth=0.2, tenth=0.1)


def _measure() -> Parts:
    picture, rows = TensorSpec("thumbnail", (1, 3, "H", "W")), TensorSpec("stats", (1, 2, CHANNELS))
    return _moment_nodes("thumbnail") + _rows("stats", "zero"), (picture,), (rows,), _constants(zero=0.0)


def _paint() -> Parts:
    nodes = [
        helper.make_node("AveragePool", ["content"], ["site_0"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("AveragePool", ["content"], ["colours"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("ReduceMean", ["colours"], ["site_1"], axes=[1], keepdims=1),
    ]
    inputs, constants, painted = [TensorSpec("content", (1, 3, "H", "W"))], {}, "content"
    for i, site in enumerate(SITES):
        result = "picture" if i == len(SITES) - 1 else f"painted_{i}"
        factor = np.array([1, 1, site.stride, site.stride], np.float32)
        constants[f"factor_{i}"] = factor
        resize = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        nodes += [
            helper.make_node("Mul", [f"site_{i}", f"scale_{i}"], [f"scaled_{i}"]),
            helper.make_node("Add", [f"scaled_{i}", f"shift_{i}"], [f"modulated_{i}"]),
            helper.make_node("Sub", [f"modulated_{i}", f"site_{i}"], [f"change_{i}"]),
            helper.make_node("Resize", [f"change_{i}", "", f"factor_{i}"], [f"large_{i}"], **resize),
            helper.make_node("Add", [painted, f"large_{i}"], [result]),
        ]
        shape = (1, site.channels, f"h_{i}", f"w_{i}")
        inputs += [TensorSpec(f"scale_{i}", shape), TensorSpec(f"shift_{i}", shape)]
        painted = result
    return nodes, tuple(inputs), (TensorSpec("picture", (1, 3, "H", "W")),), constants

"""Bundles to report on: small, quick to paint, and with everything in them that a page has to cope with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from runtime.bundle import Manifest, open_bundle
from runtime.digests import digest_of
from runtime.image_files import write_picture
from tests.tiny_bundle import make_tiny_bundle

HOSTILE = "<script>alert(1)</script>"


def tiny(directory: Path) -> Path:
    """The tiny bundle; its painter is exact."""
    return make_tiny_bundle(directory)


def add_graph(
    bundle: Path, name: str, precision: str, format: str = "onnx", target: str = "", data: bytes | None = None
) -> None:
    """Add a paint graph: a copy of fp32's unless ``data`` is given."""
    opened = open_bundle(bundle)
    path = bundle / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((bundle / "paint.onnx").read_bytes() if data is None else data)
    digest, size = digest_of(path)
    paint = opened.graph("paint")
    entry = replace(paint, file=name, precision=precision, format=format, target=target, sha256=digest, bytes=size)
    replace(opened.manifest, graphs=(*opened.manifest.graphs, entry)).write(bundle)


def edited_paint(bundle: Path, edit: Callable[[onnx.ModelProto], None]) -> bytes:
    """The fp32 paint graph after an edit."""
    model = onnx.load(bundle / "paint.onnx")
    edit(model)
    return model.SerializeToString()


def brightened(by: float) -> Callable[[onnx.ModelProto], None]:
    """An edit after which every number of a picture is larger by ``by``."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "darker"
        model.graph.initializer.append(numpy_helper.from_array(np.array(by, np.float32), "by"))
        model.graph.node.append(onnx.helper.make_node("Add", ["darker", "by"], ["picture"]))

    return edit


def broken(model: onnx.ModelProto) -> None:
    """An edit after which no engine loads the graph."""
    model.graph.node[0].input[0] = "nowhere"


def change_manifest(bundle: Path, **records: Any) -> None:
    """Replace free-form records of the manifest."""
    manifest = Manifest.from_json(json.loads((bundle / "manifest.json").read_text()))
    replace(manifest, **records).write(bundle)


def write_photos(folder: Path) -> list[Path]:
    """Two photos with something in them."""
    rows, columns = np.mgrid[0:80, 0:100]
    waves = np.stack([np.sin(rows / 9) * 100 + 120, np.cos(columns / 7) * 100 + 120, rows + columns], axis=2)
    paths = [folder / "waves.png", folder / "<b>turned</b>.png".replace("/", "")]
    for path, rgb in zip(paths, (waves, waves[:, ::-1, ::-1]), strict=True):
        write_picture(path, np.ascontiguousarray(rgb.astype(np.uint8)))
    return paths


def copy_of(bundle: Path, place: Path) -> Path:
    return Path(shutil.copytree(bundle, place))

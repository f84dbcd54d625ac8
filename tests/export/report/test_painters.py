"""`export.report.painters`: what of a bundle runs here, by what, and why the rest does not."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from distill.students import HaarPainter
from export.report import painters
from export.report.comparison import NOT_RUN, PSNR_OF_EQUALS, RAN, paint_samples
from export.report.painters import CannotRun, open_painter
from export.report.pictures import Photo, sample_photos, sample_styles
from export.to_bundle import Exported
from runtime.bundle import Bundle, open_bundle
from runtime.digests import digest_of
from runtime.errors import UserError
from runtime.stylizer import Stylizer
from tests.export.report.bundles import add_graph, broken, copy_of, edited_paint, tiny, write_photos

SMALL = 32


def test_a_graph_that_engines_are_built_from_is_painted_by_onnx_runtime(tmp_path: Path):
    bundle = tiny(tmp_path / "tiny")
    add_graph(bundle, "paint.int8.tensorrt.onnx", "int8", "tensorrt-onnx")
    opened, photos = open_bundle(bundle), sample_photos(write_photos(tmp_path))
    with Stylizer(opened, margin=0) as plain:
        reference, source = paint_samples(opened, plain, photos, sample_styles(plain))
    assert (reference.status, source.status) == (RAN, RAN) and source.graph.format == "tensorrt-onnx"
    assert "engines are built from" in source.detail and source.psnr == PSNR_OF_EQUALS


@pytest.mark.parametrize("format", ["tensorrt", "tensorrt-rtx", "edgetpu"])
def test_an_engine_for_another_machine_is_not_run_rather_than_broken(tmp_path: Path, format: str):
    bundle = tiny(tmp_path / "tiny")
    add_graph(bundle, "engines/sm89/paint.engine", "int8", format, "sm89", data=b"not for here")
    opened, photos = open_bundle(bundle), sample_photos(write_photos(tmp_path)[:1])
    with Stylizer(opened, margin=0) as plain:
        _, engine = paint_samples(opened, plain, photos, sample_styles(plain))
    assert engine.status == NOT_RUN and engine.detail and engine.psnr is None


def test_a_broken_graph_is_an_error_when_it_is_opened(tmp_path: Path):
    bundle = tiny(tmp_path / "tiny")
    add_graph(bundle, "paint.int8.tensorrt.onnx", "int8", "tensorrt-onnx", data=edited_paint(bundle, broken))
    opened = open_bundle(bundle)
    with Stylizer(opened, margin=0) as plain:
        opening = open_painter(opened, opened.graph("paint", "int8", "tensorrt-onnx"), plain)
        with pytest.raises(UserError, match="onnxruntime cannot load") as caught:
            opening.__enter__()
    assert not isinstance(caught.value, CannotRun)


@pytest.fixture(scope="module")
def packaged(exported: Exported, student: HaarPainter, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The small student's bundle with its painter as a package that takes pictures of `SMALL` pixels."""
    if find_spec("coremltools") is None:
        pytest.skip("coremltools is not installed")
    from export.coreml.app_graphs import app_graphs
    from export.coreml.convert import Details, to_program
    from export.coreml.package_file import save_package

    folder = copy_of(exported.directory, tmp_path_factory.mktemp("packaged") / "bundle")
    paint = app_graphs(student)[-1]
    program = to_program(paint, [(SMALL, SMALL)], "iOS16", Details("tiny", "CC0", "1", {}))
    save_package(program, folder / "paint.mlpackage")
    manifest = open_bundle(folder).manifest
    digest, size = digest_of(folder / "paint.mlpackage")
    like = next(graph for graph in manifest.graphs if graph.role == "paint")
    entry = replace(like, file="paint.mlpackage", format="coreml", precision="fp16", sha256=digest, bytes=size)
    replace(manifest, graphs=(*manifest.graphs, entry)).write(folder)
    return open_bundle(folder)


def test_a_package_paints_what_fp32_paints(packaged: Bundle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(painters, "SIDE", SMALL)
    rows, columns = np.mgrid[0:SMALL, 0:SMALL] * 7
    photo = Photo("ramp", np.stack([rows, columns, (rows + columns) // 2], axis=2).astype(np.uint8))
    monkeypatch.setattr("export.report.comparison.without_border", lambda rgb: rgb)
    with Stylizer(packaged, margin=0) as plain:
        reference, package = paint_samples(packaged, plain, [photo], sample_styles(plain))
    assert (reference.status, package.status) == (RAN, RAN)
    assert package.psnr > 40 and package.shots[0].rgb.shape == (SMALL, SMALL, 3)


def test_a_package_that_takes_no_samples_size_is_not_run(packaged: Bundle):
    with Stylizer(packaged, margin=0) as plain:
        opening = open_painter(packaged, packaged.graph("paint", "fp16", "coreml"), plain)
        with pytest.raises(CannotRun, match="takes pictures of 32x32"):
            opening.__enter__()

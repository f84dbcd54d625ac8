from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.tensorrt.build_engine import EngineOptions
from export.tensorrt.bundle_engines import SOURCE_FORMAT, add_engine
from export.tensorrt.recipe import make_recipe
from runtime.bundle import BundleError, Graph, open_bundle
from runtime.digests import digest_of
from runtime.engines import ENGINES, EngineKind
from runtime.engines.tensorrt_engine import TensorRtEngine
from runtime.errors import UserError
from runtime.stylizer import Stylizer
from tests.runtime.engines.fake_cuda import FakeCuda
from tests.runtime.engines.fake_tensorrt import install
from tests.tiny_bundle import make_tiny_bundle, tiny_paint

ROOT = Path(__file__).resolve().parents[3]


def add_recipe(directory: Path, options: EngineOptions) -> None:
    """What an export leaves behind on a machine that cannot build: a graph and the recipe in its manifest entry."""
    bundle = open_bundle(directory)
    paint = bundle.graph("paint")
    name = f"paint.{options.precision}.tensorrt.onnx"
    shutil.copyfile(bundle.path(paint), directory / name)
    recipe = make_recipe(
        options, {spec.name: spec.shape for spec in paint.inputs}, name, (directory / name).read_bytes()
    )
    source = Graph(
        "paint",
        options.precision,
        SOURCE_FORMAT,
        name,
        *digest_of(directory / name),
        paint.inputs,
        paint.outputs,
        details={"recipe": recipe},
    )
    replace(bundle.manifest, graphs=(*bundle.manifest.graphs, source)).write(directory)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    directory = make_tiny_bundle(tmp_path / "tiny")
    add_recipe(directory, EngineOptions(sizes=("64",)))
    return directory


def test_a_device_builds_what_the_recipe_says(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    cuda = FakeCuda("8.7").install(monkeypatch)
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    graph = add_engine(bundle)
    assert (graph.file, graph.format, graph.target) == ("engines/sm87/paint.fp32.engine", "tensorrt", "sm87")
    assert graph.details == {
        "version": "10.3.0",
        "profiles": [{"least": [64, 64], "usual": [96, 96], "most": [96, 96]}],
    }
    assert [spec.shape for spec in graph.inputs[:2]] == [(1, 3, "H", "W"), (1, 3, 1, 1)]

    held = open_bundle(bundle)
    assert held.graph("paint", "fp32", "tensorrt", "sm87") == graph
    assert held.graph("paint", "fp32", SOURCE_FORMAT).details["recipe"]["schema"] == 1
    engine = TensorRtEngine(held.path(graph))
    rng = np.random.default_rng(0)
    feeds = {"content": rng.random((1, 3, 64, 96), np.float32)}
    for index, channels in enumerate((3, 1)):
        feeds[f"scale_{index}"], feeds[f"shift_{index}"] = rng.random((2, 1, channels, 1, 1), np.float32)
    pairs = [(feeds[f"scale_{index}"], feeds[f"shift_{index}"]) for index in range(2)]
    np.testing.assert_allclose(engine.run(feeds)["picture"], tiny_paint(feeds["content"], pairs), atol=1e-5)
    engine.close()


def test_pictures_are_painted_in_the_sizes_it_was_built_for(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    cuda = FakeCuda("8.7").install(monkeypatch)
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    add_engine(bundle)
    kind = EngineKind("runtime.engines.tensorrt_engine", "TensorRtEngine", "tensorrt")
    monkeypatch.setitem(ENGINES, "tensorrt", kind)
    photo = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    with Stylizer.load(bundle) as plain, Stylizer.load(bundle, "tensorrt", target="sm87") as stylizer:
        for content in (photo, photo.repeat(2, axis=0), photo[:20, :30]):  # it fits, needs tiles, needs a frame
            np.testing.assert_array_equal(stylizer(content, "warm"), plain(content, "warm"))
    assert not cuda.memory and not cuda.streams


def test_building_again_replaces_the_engine(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, "tensorrt-10.3.0", FakeCuda("8.7").install(monkeypatch))
    assert add_engine(bundle) == add_engine(bundle)
    assert sum(graph.format == "tensorrt" for graph in open_bundle(bundle).manifest.graphs) == 1


@pytest.mark.parametrize("record", [None, [], {"targets": 3}, {"targets": {"tensorrt fp32": {"files": "none"}}}])
def test_a_bundle_without_notes_of_its_export_stays_without(bundle: Path, monkeypatch: pytest.MonkeyPatch, record):
    install(monkeypatch, "tensorrt-10.3.0", FakeCuda("8.7").install(monkeypatch))
    note_export(bundle, record)
    add_engine(bundle)
    assert open_bundle(bundle).manifest.provenance["export"] == record


def test_the_export_counts_the_engine_among_its_files(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, "tensorrt-10.3.0", FakeCuda("8.7").install(monkeypatch))
    onnx, graph = {"files": ["paint.onnx"]}, "paint.fp32.tensorrt.onnx"
    note_export(bundle, {"targets": {"onnx fp32": onnx, "tensorrt fp32": {"key": "k", "files": [graph]}}})
    for _ in range(2):
        engine = add_engine(bundle).file
    targets = open_bundle(bundle).manifest.provenance["export"]["targets"]
    assert targets == {"onnx fp32": onnx, "tensorrt fp32": {"key": "k", "files": [graph, engine]}}


def note_export(directory: Path, record: object) -> None:
    manifest = open_bundle(directory).manifest
    replace(manifest, provenance={**manifest.provenance, "export": record}).write(directory)


def test_both_kinds_of_engine_for_one_gpu(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    cuda = FakeCuda("8.9").install(monkeypatch)
    install(monkeypatch, "tensorrt-11.4.0", cuda)
    add_engine(bundle)
    other = make_tiny_bundle(bundle.parent / "other")
    add_recipe(other, EngineOptions("tensorrt-rtx", gpu="sm89", sizes=("64",)))
    install(monkeypatch, "tensorrt-rtx-1.7.1", cuda)
    rtx = add_engine(other)
    assert (rtx.file, rtx.format, rtx.target) == ("engines/sm89/paint.fp32.rtx.engine", "tensorrt-rtx", "sm89")
    assert rtx.file not in [graph.file for graph in open_bundle(bundle).manifest.graphs]


def test_an_engine_for_many_gpus_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, "tensorrt-10.12.0", FakeCuda("8.9").install(monkeypatch))
    directory = make_tiny_bundle(tmp_path / "tiny")
    add_recipe(directory, EngineOptions(hardware_compatible=True, sizes=("64",)))
    assert add_engine(directory).file == "engines/ampere-plus/paint.fp32.engine"


def test_what_trtexec_built_is_taken(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    install(monkeypatch, "tensorrt-10.3.0", FakeCuda("8.7").install(monkeypatch))
    plan = tmp_path / "paint.plan"
    plan.write_bytes(b"built by trtexec")
    graph = add_engine(bundle, plan=plan)
    assert (bundle / graph.file).read_bytes().endswith(b"built by trtexec")
    for bad in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="is not what trtexec --saveEngine writes"):
            add_engine(bundle, plan=bad)


def test_which_recipe(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    install(monkeypatch, "tensorrt-10.3.0", FakeCuda("8.7").install(monkeypatch))
    add_recipe(bundle, EngineOptions(precision="fp16", sizes=("64",)))
    with pytest.raises(UserError, match="several recipes: choose with --precision from fp32, fp16"):
        add_engine(bundle)
    assert add_engine(bundle, "fp16").precision == "fp16"
    with pytest.raises(UserError, match="holds no such recipe: it has fp32, fp16"):
        add_engine(bundle, "int8")
    with pytest.raises(UserError, match="make it with 'brushlet export --format tensorrt --recipe-only'"):
        add_engine(make_tiny_bundle(tmp_path / "plain"))


def test_a_failed_build_leaves_the_bundle_as_it_was(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    before = (bundle / "manifest.json").read_bytes()
    install(monkeypatch, "tensorrt-10.3.0", None)
    with pytest.raises(UserError, match="cannot build here"):
        add_engine(bundle)
    assert (bundle / "manifest.json").read_bytes() == before
    assert not (bundle / "engines").exists()


def test_a_recipe_for_another_graph(bundle: Path):
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["graphs"][-1]["details"]["recipe"]["graph_sha256"] = "0" * 64
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="is for another graph: export again"):
        add_engine(bundle)


def test_a_damaged_bundle_is_not_built_from(bundle: Path):
    (bundle / "paint.fp32.tensorrt.onnx").write_bytes(b"other")
    with pytest.raises(BundleError):
        add_engine(bundle)


def test_the_command_needs_neither_torch_nor_onnx(bundle: Path):
    """It gets as far as asking for TensorRT, which the test hides."""
    hidden = ("torch", "onnx", "distill", "tensorrt")
    code = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({hidden}))\n"
        f"sys.argv = ['x', {str(bundle)!r}]\n"
        "runpy.run_module('export.tensorrt', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: tensorrt cannot be imported"), done.stderr


def test_the_command_builds_with_tensorrt_rtx(tmp_path: Path):
    pytest.importorskip("tensorrt_rtx")
    directory = make_tiny_bundle(tmp_path / "tiny")
    add_recipe(directory, EngineOptions("tensorrt-rtx", gpu="sm89", sizes=("64",)))
    command = [sys.executable, "-m", "export.tensorrt", str(directory), "--precision", "fp32"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "paint.fp32.rtx.engine" in done.stdout and "for sm89" in done.stdout
    assert json.loads((directory / "manifest.json").read_text())["graphs"][-1]["target"] == "sm89"
    open_bundle(directory)

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import onnx
import pytest

from distill.students import HaarPainter
from export.formats import PartlyWritten, Request, Written
from export.graphs import student_graphs
from export.options import ExportOptions
from export.tensorrt.recipe import read_recipe
from export.to_onnx import to_onnx
from export.to_tensorrt import write_tensorrt, write_tensorrt_rtx
from runtime.digests import digest_of
from runtime.engines.engine_file import read_engine_file
from runtime.engines.tensorrt_engine import TensorRtEngine
from runtime.errors import UserError
from tests.runtime.engines.fake_cuda import FakeCuda
from tests.runtime.engines.fake_tensorrt import install


class Folder:
    """A bundle's folder, and what the user is told while it is written to."""

    def __init__(self, folder: Path, student: HaarPainter) -> None:
        self.folder, self.student = folder, student
        self.lines: list[str] = []

    def request(self, precision: str = "fp32", **options: object) -> Request:
        asked = ExportOptions(**{"sizes": ("64",), **options})
        return Request(self.student, self.folder, precision, options=asked, log=self.lines.append)

    def files(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def require_described(self, written: Written) -> None:
        """Every file is in the manifest's entries, as it is."""
        assert self.files() == sorted(graph.file for graph in written.graphs)
        for graph in written.graphs:
            assert (graph.sha256, graph.bytes) == digest_of(self.folder / graph.file)


@pytest.fixture(scope="module")
def painter(student: HaarPainter) -> onnx.ModelProto:
    return to_onnx(student_graphs(student)[-1])


@pytest.fixture
def folder(tmp_path: Path, student: HaarPainter, painter: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """One export of the graph serves all tests, and parity is measured on small pictures."""
    monkeypatch.setattr("export.to_tensorrt.to_onnx", lambda graph: painter)
    monkeypatch.setattr("export.parity._LARGEST_SIDE", 64)
    monkeypatch.setattr("export.parity._RANDOM_SIZES", 1)
    return Folder(tmp_path, student)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    cuda = FakeCuda("8.7").install(monkeypatch)
    install(monkeypatch, "tensorrt-10.12.0", cuda)
    return cuda


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(devices=0).install(monkeypatch)


@pytest.fixture
def int8(monkeypatch: pytest.MonkeyPatch, painter: onnx.ModelProto) -> None:
    """Quantising, which has tests of its own, gives Q/DQ that reach no further than one convolution."""

    def int8_graphs(request: Request, recipe: str, format: str) -> SimpleNamespace:
        assert (recipe, format) == ("tensorrt", "tensorrt-onnx")
        model = onnx.ModelProto()
        model.CopyFrom(painter)
        convolution = next(node for node in model.graph.node if node.op_type == "Conv")
        pair = [
            onnx.helper.make_node("QuantizeLinear", ["content", "step", "zero"], ["q"]),
            onnx.helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["dq"]),
        ]
        convolution.input[0] = "dq"
        nodes = [*pair, *model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        model.graph.initializer.append(onnx.helper.make_tensor("step", onnx.TensorProto.FLOAT, [], [1 / 127]))
        model.graph.initializer.append(onnx.helper.make_tensor("zero", onnx.TensorProto.INT8, [], [0]))
        parity = SimpleNamespace(to_json=lambda: {"psnr": 40.0})
        return SimpleNamespace(models={"paint": model}, parity=parity, evidence={"method": "min-max"})

    module = ModuleType("export.reduced_precision")
    module.int8_graphs = int8_graphs
    monkeypatch.setitem(sys.modules, "export.reduced_precision", module)


def test_a_machine_with_a_gpu_writes_graph_and_engine_and_runs_it(folder: Folder, gpu: FakeCuda):
    written = write_tensorrt(folder.request())
    folder.require_described(written)
    source, engine = written.graphs
    assert (source.file, source.format, source.target) == ("paint.tensorrt.onnx", "tensorrt-onnx", "")
    assert (engine.file, engine.format, engine.target) == ("engines/sm87/paint.fp32.engine", "tensorrt", "sm87")
    torch_parity, engine_parity = (parity.to_json() for parity in written.parity)
    assert torch_parity["format"] == "tensorrt-onnx" and torch_parity["psnr"] > 80
    assert (engine_parity["format"], engine_parity["precision"]) == ("tensorrt", "fp32")
    assert engine_parity["psnr"] >= 60 and engine_parity["size"] == [96, 96]
    assert written.evidence["flavour"] == "tensorrt" and written.evidence["layers_from"] == "the engine inspector"
    assert not gpu.memory and not gpu.streams


def test_the_recipe_lies_beside_the_graph(folder: Folder, gpu: FakeCuda):
    source, _ = write_tensorrt(folder.request(workspace_mb=128)).graphs
    options, digest = read_recipe(source.details["recipe"], "the recipe")
    assert (options.flavour, options.sizes, options.workspace_mb) == ("tensorrt", ("64",), 128)
    assert digest == source.sha256
    assert source.details["recipe"]["graph"] == source.file


def test_an_engine_that_paints_something_else_is_not_kept(
    folder: Folder, gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch
):
    run = TensorRtEngine.run
    monkeypatch.setattr(TensorRtEngine, "run", lambda self, feeds: {"picture": run(self, feeds)["picture"] + 0.01})
    with pytest.raises(UserError, match="the engine's picture is .* dB from its graph's, where 60 dB is asked for"):
        write_tensorrt(folder.request())


def test_int8_is_quantised_for_tensorrt(folder: Folder, gpu: FakeCuda, int8: None):
    written = write_tensorrt(folder.request("int8"))
    assert [graph.file for graph in written.graphs] == ["paint.int8.tensorrt.onnx", "engines/sm87/paint.int8.engine"]
    assert written.evidence["quantization"] == {"method": "min-max"}
    assert [parity.to_json()["psnr"] for parity in written.parity][0] == 40.0


def test_without_tensorrt_the_recipe_is_written_and_that_is_an_error(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, int8: None
):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(PartlyWritten) as caught:
        write_tensorrt(folder.request("int8"))
    said = str(caught.value)
    assert said.startswith("tensorrt cannot be imported") and "\n" not in said
    assert said.endswith(
        "; paint.int8.tensorrt.onnx and the recipe to build it with are written instead of an engine "
        "(--recipe-only is content with that)"
    )
    folder.require_described(caught.value.written)
    assert "recipe" in caught.value.written.graphs[0].details


def test_recipe_only_is_content_with_that(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, "tensorrt-11.4.0", None)
    written = write_tensorrt(folder.request(recipe_only=True))
    folder.require_described(written)
    assert [graph.format for graph in written.graphs] == ["tensorrt-onnx"]
    (line,) = folder.lines
    assert "cannot build here" in line and line.endswith("are written instead of an engine")


def test_recipe_only_builds_where_that_is_possible(folder: Folder, gpu: FakeCuda):
    assert len(write_tensorrt(folder.request(recipe_only=True)).graphs) == 2


def test_options_are_refused_before_any_work(folder: Folder):
    with pytest.raises(UserError, match="--gpu is for --format tensorrt-rtx"):
        write_tensorrt(folder.request(gpu="sm89"))
    with pytest.raises(UserError, match="TensorRT-RTX has no DLA"):
        write_tensorrt_rtx(folder.request(dla=0))
    assert folder.files() == []


def test_tensorrt_rtx_builds_for_a_gpu_that_is_not_here(folder: Folder, no_gpu: None):
    pytest.importorskip("tensorrt_rtx")
    written = write_tensorrt_rtx(folder.request(gpu="rtx4090"))
    folder.require_described(written)
    (engine,) = written.graphs
    assert (engine.file, engine.target) == ("engines/sm89/paint.fp32.rtx.engine", "sm89")
    assert read_engine_file(folder.folder / engine.file).facts.compute_capabilities == ("8.9",)
    assert len(written.parity) == 1 and written.parity[0].to_json()["format"] == "tensorrt-onnx"
    assert written.evidence["precisions"]["convolutions"] == {"fp32": 16}
    (line,) = folder.lines
    assert line.startswith("the engine was not run: no NVIDIA GPU answers here")


def test_an_engine_for_another_gpu_than_this_one_is_not_run(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    cuda = FakeCuda("7.5").install(monkeypatch)
    install(monkeypatch, "tensorrt-rtx-1.7.1", cuda)
    written = write_tensorrt_rtx(folder.request())
    assert written.graphs[0].target == "ampere-plus" and len(written.parity) == 1
    assert folder.lines == ["the engine was not run: it is for ampere-plus, and this GPU has compute capability 7.5"]


def test_recipes_for_several_gpus_do_not_meet(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    files = [
        write_tensorrt_rtx(folder.request(gpu=gpu, recipe_only=True)).graphs[0].file for gpu in ("sm86", "sm89", None)
    ]
    assert files == [f"engines/{target}/paint.fp32.rtx.onnx" for target in ("sm86", "sm89", "ampere-plus")]
    assert folder.files() == sorted(files)

"""Builds by every recorded version of TensorRT, which fails on any name that the version lacks, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from distill.students import HaarPainter
from export.graphs import student_graphs
from export.tensorrt.build_engine import EngineOptions, adopt_plan, build_engine
from export.tensorrt.flavours import CannotBuildHere
from runtime.engines.engine_file import unseal
from runtime.engines.tensorrt_engine import TensorRtEngine
from runtime.errors import UserError
from tests.runtime.engines.fake_cuda import FakeCuda
from tests.runtime.engines.fake_tensorrt import CLASSIC, install, plan_of
from tests.tiny_bundle import make_tiny_bundle

WEAKLY_TYPED = ["tensorrt-10.3.0"]


def told(built) -> dict:
    """What the builder was told."""
    return plan_of(unseal(built.engine, "x").plan)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("version", CLASSIC)
def test_every_version_is_told_the_precision_its_own_way(
    version: str, precision: str, graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    trt = install(monkeypatch, version, cuda)
    built = build_engine(graphs[precision], EngineOptions(precision=precision, sizes=("512",)))
    heard = told(built)
    flags = {"fp32": [], "fp16": ["FP16", "TF32"], "int8": ["FP16", "INT8", "TF32"]}[precision]
    if version not in WEAKLY_TYPED:
        flags = [flag for flag in flags if flag == "TF32"]
    assert heard["flags"] == flags
    assert heard["strongly_typed"] == (version in ("tensorrt-10.12.0", "tensorrt-10.16.1"))
    assert heard["profiles"][0]["content"] == [[1, 3, 512, 512], [1, 3, 544, 544], [1, 3, 544, 544]]
    assert heard["profiles"][0]["scale_0"] == [[1, 8, 1, 1]] * 3
    assert heard["verbosity"] == "DETAILED"
    facts = unseal(built.engine, "x").facts
    assert (facts.flavour, facts.version, facts.precision) == ("tensorrt", trt.__version__, precision)
    assert (facts.compute_capabilities, facts.newer_gpus) == (("8.7",), False)
    assert not cuda.streams and not cuda.memory


@pytest.mark.parametrize("version", CLASSIC)
def test_the_engine_inspector_is_asked(
    version: str, graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    install(monkeypatch, version, cuda)
    built = build_engine(graphs["int8"], EngineOptions(precision="int8"))
    assert built.facts["layers_from"] == "the engine inspector"
    assert built.facts["precisions"]["convolutions"] == {"int8": 1}
    assert built.facts["weights_bytes"] == 1234
    assert [layer.kernel for layer in built.layers] == ["i8i8"]


@pytest.mark.parametrize("version", CLASSIC)
def test_all_options_reach_the_builder(
    version: str, graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda, tmp_path: Path
):
    install(monkeypatch, version, cuda).dla_cores = 2
    cache = tmp_path / "timings"
    options = EngineOptions(
        precision="fp16",
        sizes=("640x480",),
        dla=1,
        workspace_mb=256,
        timing_cache=cache,
        version_compatible=True,
        hardware_compatible=True,
    )
    built = build_engine(graphs["fp16"], options)
    heard = told(built)
    assert heard["pools"] == {"WORKSPACE": 256 * 2**20}
    assert (heard["device"], heard["dla"]) == ("DLA", 1)
    assert {"GPU_FALLBACK", "VERSION_COMPATIBLE"} <= set(heard["flags"])
    assert heard["hardware"] == "AMPERE_PLUS"
    assert heard["profiles"][0]["content"] == [[1, 3, 512, 672]] * 3
    assert cache.read_bytes().startswith(b"timings of ")
    facts = unseal(built.engine, "x").facts
    assert (facts.compute_capabilities, facts.newer_gpus, facts.version_compatible) == (("8.0",), True, True)


def test_what_is_built_runs(
    graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, student: HaarPainter
):
    cuda = FakeCuda().install(monkeypatch)
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    path = tmp_path / "paint.engine"
    path.write_bytes(build_engine(graphs["fp32"], EngineOptions(sizes=("64",))).engine)
    graph = student_graphs(student)[-1]
    inputs = graph.example(96, 64)
    engine = TensorRtEngine(path)
    found = engine.run({spec.name: x.numpy() for spec, x in zip(graph.inputs, inputs, strict=True)})["picture"]
    engine.close()
    assert abs(found - graph.run(inputs).numpy()).max() < 1e-4
    assert not cuda.memory and not cuda.streams


def test_a_machine_without_a_gpu(graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, "tensorrt-11.4.0", None)
    with pytest.raises(CannotBuildHere) as caught:
        build_engine(graphs["fp32"], EngineOptions())
    assert str(caught.value) == (
        "tensorrt 11.4.0.106 cannot build here (CUDA initialization failure with error: 35. Please check your "
        "installation): it needs an NVIDIA GPU"
    )


def test_tensorrt_that_is_not_installed(graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch):
    for flavour, module in (("tensorrt", "tensorrt"), ("tensorrt-rtx", "tensorrt_rtx")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(
            CannotBuildHere, match=rf"{module} cannot be imported .*pip install 'brushlet\[{flavour}\]'"
        ):
            build_engine(graphs["fp32"], EngineOptions(flavour))


def test_a_graph_of_another_precision_than_the_engine_would_be_named_after(
    graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    install(monkeypatch, "tensorrt-10.12.0", cuda)
    with pytest.raises(UserError, match="the graph has no Q/DQ"):
        build_engine(graphs["fp16"], EngineOptions(precision="int8"))
    with pytest.raises(UserError, match="the graph has no fp16 in it"):
        build_engine(graphs["fp32"], EngineOptions(precision="fp16"))
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    assert "FP16" in told(build_engine(graphs["fp32"], EngineOptions(precision="fp16")))["flags"]


def test_what_tensorrt_says_is_told_in_one_line(
    graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    with pytest.raises(UserError) as caught:
        build_engine(b"\xff\xff not a graph", EngineOptions())
    assert str(caught.value) == ("tensorrt 10.3.0 cannot read this graph (/first/Conv Failed to parse the ONNX model.)")
    with pytest.raises(UserError, match="finds no graph in this file"):
        build_engine(b"", EngineOptions())
    with pytest.raises(
        UserError, match=r"within its scratch memory, give it more with --workspace \(no tactics within"
    ):
        build_engine(graphs["fp32"], EngineOptions(workspace_mb=1))


def test_a_graph_that_is_no_painter(monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda, tmp_path: Path):
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    style = (make_tiny_bundle(tmp_path) / "style.onnx").read_bytes()
    with pytest.raises(UserError, match="no input called 'content': only paint graphs become engines"):
        build_engine(style, EngineOptions())


def test_a_dla_core_that_is_not_there_or_takes_no_int8(
    graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    trt = install(monkeypatch, "tensorrt-10.3.0", cuda)
    with pytest.raises(UserError, match="there is no DLA core 0 here: TensorRT 10.3.0 finds 0"):
        build_engine(graphs["fp16"], EngineOptions(precision="fp16", dla=0, sizes=("512",)))
    trt.dla_cores = 1
    with pytest.raises(UserError, match="DLA of TensorRT 10.3.0 takes no Q/DQ graph: use --precision fp16"):
        build_engine(graphs["int8"], EngineOptions(precision="int8", dla=0, sizes=("512",)))
    install(monkeypatch, "tensorrt-11.4.0", cuda).dla_cores = 1
    assert told(build_engine(graphs["int8"], EngineOptions(precision="int8", dla=0, sizes=("512",))))["dla"] == 0


def test_a_plan_that_trtexec_built_is_sealed_for_this_machine(
    graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    inputs = {"content": (1, 3, "H", "W"), "scale_0": (1, 8, "h", "w")}
    built = adopt_plan(b"a plan", graphs["fp32"], EngineOptions(sizes=("512",)), inputs)
    file = unseal(built.engine, "x")
    assert file.plan == b"a plan"
    assert file.facts.compute_capabilities == ("8.7",) and file.facts.version == "10.3.0"
    assert str(file.facts.profiles[0]["content"]) == "(1, 3, 512..544, 512..544)"
    assert built.layers == [] and built.facts["layers_from"].startswith("nothing: the engine could not be loaded")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"flavour": "tensorrt-x"}, "there is no TensorRT called 'tensorrt-x'"),
        ({"precision": "int4"}, "TensorRT has no precision 'int4': it has fp32, fp16, int8"),
        ({"sizes": ("big",)}, "--size big: write 512"),
        ({"gpu": "sm89"}, "--gpu is for --format tensorrt-rtx"),
        ({"dla": 0, "precision": "fp16"}, "a DLA core runs one size only"),
        ({"dla": 0, "precision": "fp16", "sizes": ("512", "640")}, "a DLA core runs one size only"),
        ({"dla": 0, "precision": "fp32", "sizes": ("512",)}, "a DLA core has no fp32"),
        ({"flavour": "tensorrt-rtx", "dla": 0}, "TensorRT-RTX has no DLA"),
        ({"flavour": "tensorrt-rtx", "version_compatible": True}, "run on the version that built them only"),
        ({"flavour": "tensorrt-rtx", "hardware_compatible": True}, "for all GPUs from Ampere on where no --gpu"),
        ({"flavour": "tensorrt-rtx", "gpu": "rtx4900"}, "did you mean 'rtx4090'"),
    ],
)
def test_options_that_no_version_can_serve(options: dict, complaint: str):
    with pytest.raises(UserError, match=complaint):
        EngineOptions(**options)

"""Real engines, built by the real TensorRT-RTX on a machine that needs no GPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from distill.checkpoint import load_student
from export.tensorrt.build_engine import BuiltEngine, EngineOptions, build_engine
from export.tensorrt.flavours import load_flavour
from runtime.engines.engine_file import unseal
from runtime.engines.tensorrt_engine import TensorRtEngine
from runtime.errors import UserError
from tests.export.tensorrt.conftest import in_every_precision

trt = pytest.importorskip("tensorrt_rtx")
if not load_flavour("tensorrt-rtx").compute_capabilities():
    pytest.skip("this TensorRT-RTX cross-compiles for nothing", allow_module_level=True)

#: What the program of an fp32, fp16 or int8 engine calls the numbers that convolutions write.
WRITTEN = {"fp32": "fp32", "fp16": "fp16", "int8": "fp32"}


def build(graphs: dict[str, bytes], precision: str, **options) -> BuiltEngine:
    return build_engine(graphs[precision], EngineOptions("tensorrt-rtx", precision, **{"gpu": "sm89", **options}))


@pytest.fixture(scope="module")
def engines(graphs: dict[str, bytes]) -> dict[str, BuiltEngine]:
    return {precision: build(graphs, precision, sizes=("256",)) for precision in ("fp32", "fp16", "int8")}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_convolution_is_of_the_precision_asked_for(engines: dict[str, BuiltEngine], precision: str):
    built = engines[precision]
    assert built.facts["layers_from"] == "the program in the plan"
    assert built.facts["precisions"]["convolutions"] == {precision: 16}
    convolutions = [layer for layer in built.layers if layer.kind == "convolution"]
    assert {layer.weights for layer in convolutions} == {precision}
    assert {layer.outputs for layer in convolutions} == {(WRITTEN[precision],)}
    assert {"/stem/Conv", "/head/Conv"} <= {layer.name for layer in convolutions}


def test_weights_take_the_room_of_their_precision(engines: dict[str, BuiltEngine]):
    size = {precision: built.facts["weights_bytes"] for precision, built in engines.items()}
    assert size["fp16"] < 0.7 * size["fp32"]
    assert size["int8"] < 0.5 * size["fp32"]


def test_an_engine_file_says_what_it_is_for(engines: dict[str, BuiltEngine]):
    file = unseal(engines["int8"].engine, "x")
    facts = file.facts
    assert (facts.flavour, facts.version, facts.precision) == ("tensorrt_rtx", trt.__version__, "int8")
    assert (facts.compute_capabilities, facts.newer_gpus) == (("8.9",), False)
    assert str(facts.profiles[0]["content"]) == "(1, 3, 256..288, 256..288)"
    assert len(file.plan) == engines["int8"].facts["plan_bytes"]


def test_the_plan_of_the_shipped_student_is_int8_throughout(tmp_path: Path):
    graphs = in_every_precision(load_student("adain-w025").student, tmp_path)
    built = build(graphs, "int8", gpu="rtx4090")
    assert built.facts["precisions"]["convolutions"] == {"int8": 17}
    assert str(unseal(built.engine, "x").facts.profiles[0]["content"]) == "(1, 3, 256..1112, 256..1112)"


def test_int8_on_blackwell(graphs: dict[str, bytes]):
    built = build(graphs, "int8", gpu="rtx5090", sizes=("256",))
    assert built.facts["precisions"]["convolutions"] == {"int8": 16}


def test_turing_gets_no_int8_and_the_user_is_told(graphs: dict[str, bytes]):
    """TensorRT-RTX 1.7 keeps the Q/DQ of a graph for a GPU of compute capability 7.5, but multiplies in fp32."""
    lines: list[str] = []
    options = EngineOptions("tensorrt-rtx", "int8", gpu="t4", sizes=("256",))
    built = build_engine(graphs["int8"], options, lines.append)
    assert built.facts["precisions"]["convolutions"] == {"fp32": 16}
    assert lines == ["note: the graph has 16 convolutions in int8, but the engine computes 16 in fp32"]


def test_without_a_gpu_named_it_is_for_all_from_ampere_on(graphs: dict[str, bytes]):
    facts = unseal(build(graphs, "fp16", gpu=None, sizes=("256",)).engine, "x").facts
    assert (facts.compute_capabilities, facts.newer_gpus) == (("8.0",), True)


def test_several_sizes_are_several_profiles(graphs: dict[str, bytes]):
    built = build(graphs, "fp16", sizes=("256", "320x240"))
    ranges = [str(profile["content"]) for profile in unseal(built.engine, "x").facts.profiles]
    assert ranges == ["(1, 3, 256..288, 256..288)", "(1, 3, 240..272, 320..352)"]
    assert built.facts["precisions"]["convolutions"] == {"fp16": 32}  # each profile is compiled by itself


def test_a_gpu_that_it_does_not_build_for(graphs: dict[str, bytes]):
    with pytest.raises(UserError, match="does not build for compute capability 9.0, only for 7.5, 8.0, 8.6, 8.9, 12.0"):
        build(graphs, "fp32", gpu="h100")


def test_a_timing_cache_is_of_no_use(graphs: dict[str, bytes], tmp_path: Path):
    lines: list[str] = []
    options = EngineOptions("tensorrt-rtx", "fp16", gpu="sm89", sizes=("256",), timing_cache=tmp_path / "timings")
    build_engine(graphs["fp16"], options, lines.append)
    assert lines == ["TensorRT-RTX measures nothing while it builds: the timing cache is not used"]
    assert not (tmp_path / "timings").exists()


def test_too_little_scratch_memory(graphs: dict[str, bytes]):
    with pytest.raises(UserError, match="within its scratch memory, give it more with --workspace .*workspace limit"):
        build(graphs, "fp32", workspace_mb=1)


@pytest.mark.parametrize("data", [b"no graph", b"\x08\x08" * 50, b""])
def test_files_that_hold_no_graph(data: bytes):
    with pytest.raises(UserError) as caught:
        build_engine(data, EngineOptions("tensorrt-rtx", gpu="sm89"))
    assert str(caught.value).startswith(f"tensorrt-rtx {trt.__version__} ") and "\n" not in str(caught.value)


def test_graphs_of_the_wrong_precision(graphs: dict[str, bytes]):
    with pytest.raises(UserError, match="the graph has no Q/DQ"):
        build_engine(graphs["fp32"], EngineOptions("tensorrt-rtx", "int8", gpu="sm89"))
    with pytest.raises(UserError, match="the graph has no fp16 in it"):
        build_engine(graphs["int8"], EngineOptions("tensorrt-rtx", "fp16", gpu="sm89"))


@pytest.mark.skipif(importlib.util.find_spec("cuda") is None, reason="cuda-bindings is not installed")
def test_running_one_needs_a_gpu(engines: dict[str, BuiltEngine], tmp_path: Path):
    path = tmp_path / "paint.engine"
    path.write_bytes(engines["fp32"].engine)
    try:
        TensorRtEngine(path).close()
    except UserError as error:
        said = str(error)
        assert said.startswith("no NVIDIA GPU answers here") or "was built for GPUs of compute capability 8.9" in said

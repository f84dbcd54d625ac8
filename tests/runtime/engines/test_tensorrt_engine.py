"""The engine against a TensorRT and a CUDA that run on the processor (`fake_tensorrt`, `fake_cuda`)."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from runtime.bundle import open_bundle, sha256_of
from runtime.engines.engine_file import EngineFacts, ShapeRange, seal
from runtime.engines.tensorrt_engine import TensorRtEngine
from runtime.errors import UserError
from runtime.stylizer import Stylizer
from runtime.tiles import SizeRange
from tests.runtime.engines.fake_cuda import FakeCuda
from tests.runtime.engines.fake_tensorrt import MAGIC, VERSIONS, install
from tests.tiny_bundle import make_tiny_bundle, tiny_paint

CHANNELS = {"scale_0": 3, "shift_0": 3, "scale_1": 1, "shift_1": 1}
SIZES = ((16, 32), (48, 64))


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (make_tiny_bundle(tmp_path_factory.mktemp("tiny")) / "paint.onnx").read_bytes()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """A GPU of which, after the test, nothing may be left in use."""
    cuda = FakeCuda().install(monkeypatch)
    yield cuda
    assert not cuda.streams and not cuda.memory and not cuda.broken


@pytest.fixture(params=VERSIONS)
def trt(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda) -> ModuleType:
    return install(monkeypatch, request.param, cuda)


@pytest.fixture
def one_trt(monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda) -> ModuleType:
    return install(monkeypatch, "tensorrt-10.3.0", cuda)


def profile(least: int, most: int) -> dict[str, ShapeRange]:
    ones = {name: ShapeRange(*[(1, channels, 1, 1)] * 3) for name, channels in CHANNELS.items()}
    return {"content": ShapeRange((1, 3, least, least), (1, 3, most, most), (1, 3, most, most)), **ones}


def facts_for(trt: ModuleType, **changes: object) -> EngineFacts:
    facts = EngineFacts(
        flavour=trt.__name__,
        version=trt.__version__,
        precision="fp32",
        compute_capabilities=("8.9",),
        newer_gpus=False,
        version_compatible=False,
        profiles=tuple(profile(*size) for size in SIZES),
        onnx_sha256="0" * 64,
    )
    return replace(facts, **changes)


def write(folder: Path, facts: EngineFacts, onnx: bytes) -> Path:
    profiles = [
        {name: [shapes.least, shapes.usual, shapes.most] for name, shapes in held.items()} for held in facts.profiles
    ]
    flags = ["VERSION_COMPATIBLE"] if facts.version_compatible else []
    told = {"onnx": base64.b64encode(onnx).decode(), "profiles": profiles, "flags": flags}
    path = folder / "paint.engine"
    path.write_bytes(seal(facts, MAGIC + json.dumps(told).encode()))
    return path


def feeds(height: int, width: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    affine = {name: rng.random((1, channels, 1, 1), np.float32) for name, channels in CHANNELS.items()}
    return {"content": rng.random((1, 3, height, width), np.float32), **affine}


def expected(given: dict[str, np.ndarray]) -> np.ndarray:
    pairs = [(given["scale_0"], given["shift_0"]), (given["scale_1"], given["shift_1"])]
    return tiny_paint(given["content"], pairs)


def open_engine_of(folder: Path, trt: ModuleType, onnx: bytes, **changes: object) -> TensorRtEngine:
    return TensorRtEngine(write(folder, facts_for(trt, **changes), onnx))


def test_every_recorded_version_computes_the_picture(tmp_path: Path, trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, trt, onnx)
    for seed, size in enumerate([(16, 32), (64, 48), (20, 16), (64, 64)]):
        given = feeds(*size, seed)
        outputs = engine.run(given)
        assert list(outputs) == ["picture"]
        np.testing.assert_allclose(outputs["picture"], expected(given), atol=1e-5)
    engine.close()


def test_memory_is_allocated_for_larger_shapes_only(tmp_path: Path, one_trt: ModuleType, onnx: bytes, cuda: FakeCuda):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    engine.run(feeds(16, 16))
    after_first = cuda.allocations
    assert after_first == 1 + len(CHANNELS) + 1
    for _ in range(3):
        engine.run(feeds(16, 16))
    assert cuda.allocations == after_first
    engine.run(feeds(64, 64))
    assert cuda.allocations == after_first + 2
    engine.run(feeds(32, 32))
    assert cuda.allocations == after_first + 2
    engine.close()
    assert not cuda.memory


def test_a_result_is_not_overwritten_by_the_next_run(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    first = engine.run(feeds(16, 16))["picture"]
    kept = first.copy()
    engine.run(feeds(16, 16, seed=5))
    np.testing.assert_array_equal(first, kept)
    engine.close()


def test_feeds_need_not_be_contiguous(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    given = feeds(16, 32)
    turned = {**given, "content": np.asfortranarray(given["content"])}
    np.testing.assert_allclose(engine.run(turned)["picture"], expected(given), atol=1e-5)
    engine.close()


def test_pictures_on_the_gpu_are_not_copied(tmp_path: Path, one_trt: ModuleType, onnx: bytes, cuda: FakeCuda):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    given = feeds(16, 32)
    there = {name: cuda.array(array) for name, array in given.items()}
    out = cuda.array(np.zeros((1, 3, 16, 32), np.float32))
    before = cuda.allocations
    engine.run_on_gpu(there, {"picture": out})
    assert cuda.copied == 0 and cuda.allocations == before
    np.testing.assert_allclose(cuda.numbers(out), expected(given), atol=1e-5)

    half_there = {**given, "content": there["content"]}
    np.testing.assert_allclose(engine.run(half_there)["picture"], expected(given), atol=1e-5)
    engine.close()
    for value in (*there.values(), out):
        cuda.free(value.__cuda_array_interface__["data"][0])


def test_what_another_stream_still_writes_is_waited_for(
    tmp_path: Path, one_trt: ModuleType, onnx: bytes, cuda: FakeCuda
):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    given = feeds(16, 32)
    _, stream = cuda.stream_create()
    late = cuda.array(np.zeros_like(given["content"]), stream)
    pointer = late.__cuda_array_interface__["data"][0]
    cuda.enqueue(
        stream, lambda: cuda.view(pointer, given["content"].nbytes).__setitem__(slice(None), given["content"].tobytes())
    )
    np.testing.assert_allclose(engine.run({**given, "content": late})["picture"], expected(given), atol=1e-5)
    engine.close()
    cuda.free(pointer)
    cuda.stream_destroy(stream)


def test_arrays_on_the_gpu_that_do_not_fit(tmp_path: Path, one_trt: ModuleType, onnx: bytes, cuda: FakeCuda):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    given = feeds(16, 32)
    small = cuda.array(np.zeros((1, 3, 16, 16), np.float32))
    with pytest.raises(UserError, match=r"'picture' takes float32 \(1, 3, 16, 32\), not float32 \(1, 3, 16, 16\)"):
        engine.run_on_gpu(given, {"picture": small})
    with pytest.raises(UserError, match="it gives picture, not nothing"):
        engine.run_on_gpu(given, {})
    gaps = cuda.array(np.zeros((1, 3, 16, 32), np.float32))
    gaps.__cuda_array_interface__["strides"] = (6144, 4, 384, 12)
    with pytest.raises(UserError, match="'content' has gaps on the GPU"):
        engine.run({**given, "content": gaps})
    gaps.__cuda_array_interface__["strides"] = (0, 2048, 128, 4)  # the stride of a single picture means nothing
    assert engine.run({**given, "content": gaps})["picture"].shape == (1, 3, 16, 32)
    engine.close()
    for value in (small, gaps):
        cuda.free(value.__cuda_array_interface__["data"][0])


def test_sizes_outside_name_the_ranges(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    with pytest.raises(UserError) as caught:
        engine.run(feeds(40, 40))
    ranges = r"(1, 3, 16..32, 16..32) or (1, 3, 48..64, 48..64), not (1, 3, 40, 40)"
    assert ranges in str(caught.value) and "--size" in str(caught.value) and "\n" not in str(caught.value)
    maps = {**feeds(16, 16), "scale_0": np.ones((1, 3, 8, 8), np.float32)}
    with pytest.raises(UserError, match="one style for the whole picture: --engine onnxruntime paints regions"):
        engine.run(maps)
    wide = {**feeds(16, 16), "scale_0": np.ones((1, 5, 1, 1), np.float32)}
    with pytest.raises(UserError, match=r"'scale_0' may have the shape \(1, 3, 1, 1\), not \(1, 5, 1, 1\)"):
        engine.run(wide)
    assert engine.run(feeds(16, 16))["picture"].shape == (1, 3, 16, 16)
    engine.close()


def test_an_old_complaint_of_tensorrt_is_not_told_again(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    engine._log.log(one_trt.ILogger.ERROR, "something of yesterday")
    with pytest.raises(UserError) as caught:
        engine.run(feeds(40, 40))
    assert "yesterday" not in str(caught.value)
    engine.close()


def test_feeds_that_are_not_the_inputs(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    with pytest.raises(UserError, match="it takes content, scale_0, shift_0, scale_1, shift_1, not nothing"):
        engine.run({})
    with pytest.raises(UserError, match="'content' takes float32, not float64"):
        engine.run({**feeds(16, 16), "content": np.zeros((1, 3, 16, 16))})
    engine.close()


def test_several_threads_take_turns(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    inputs = [feeds(16, 16 + 4 * (seed % 4), seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(engine.run, inputs))
    for given, result in zip(inputs, results, strict=True):
        np.testing.assert_allclose(result["picture"], expected(given), atol=1e-5)
    engine.close()


def test_a_closed_engine_says_so_and_may_be_closed_again(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.run(feeds(16, 16))


def test_another_gpu(tmp_path: Path, one_trt: ModuleType, onnx: bytes, cuda: FakeCuda):
    with pytest.raises(UserError, match="GPUs of compute capability 8.6, this one has 8.9: build one for it"):
        open_engine_of(tmp_path, one_trt, onnx, compute_capabilities=("8.6",))
    with pytest.raises(UserError, match="9.0 and newer, this one has 8.9"):
        open_engine_of(tmp_path, one_trt, onnx, compute_capabilities=("9.0",), newer_gpus=True)
    open_engine_of(tmp_path, one_trt, onnx, compute_capabilities=("8.0",), newer_gpus=True).close()
    cuda.capability = "12.0"
    open_engine_of(tmp_path, one_trt, onnx, compute_capabilities=("8.0",), newer_gpus=True).close()


@pytest.mark.parametrize(
    ("built", "fits"), [("10.3.0.30", True), ("10.3.1", False), ("10.4.0", False), ("9.3.0", False)]
)
def test_another_version(tmp_path: Path, one_trt: ModuleType, onnx: bytes, built: str, fits: bool):
    if fits:
        open_engine_of(tmp_path, one_trt, onnx, version=built).close()
        return
    with pytest.raises(UserError, match=f"was built with tensorrt {built}, this is 10.3.0: build it again here"):
        open_engine_of(tmp_path, one_trt, onnx, version=built)


def test_code_for_the_processor_has_to_be_allowed(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    path = write(tmp_path, facts_for(one_trt, version="10.1.0", version_compatible=True), onnx)
    with pytest.raises(UserError, match="allow_host_code=True if you trust"):
        TensorRtEngine(path)
    engine = TensorRtEngine(path, allow_host_code=True)
    assert engine.run(feeds(16, 16))["picture"].shape == (1, 3, 16, 16)
    engine.close()
    newer = write(tmp_path, facts_for(one_trt, version="10.4.0", version_compatible=True), onnx)
    with pytest.raises(UserError, match="built with tensorrt 10.4.0, this is 10.3.0"):
        TensorRtEngine(newer, allow_host_code=True)


def test_what_tensorrt_refuses(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    path = tmp_path / "bad.engine"
    path.write_bytes(seal(facts_for(one_trt), b"not a plan"))
    with pytest.raises(UserError, match=r"tensorrt failed on .*bad.engine: it cannot be loaded \(Magic tag does not"):
        TensorRtEngine(path)
    with pytest.raises(UserError, match="its sizes are not those of its inputs"):
        open_engine_of(tmp_path, one_trt, onnx, profiles=({"content": profile(16, 32)["content"]},))


def test_a_gpu_without_memory(tmp_path: Path, one_trt: ModuleType, onnx: bytes, cuda: FakeCuda):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    cuda.capacity = 40_000
    with pytest.raises(UserError, match="the GPU has no 0 MiB to spare .cudaMalloc: cudaErrorMemoryAllocation"):
        engine.run(feeds(64, 64))
    assert engine.run(feeds(16, 16))["picture"].shape == (1, 3, 16, 16)
    engine.close()


def test_an_error_of_the_gpu_is_one_line(tmp_path: Path, one_trt: ModuleType, onnx: bytes, cuda: FakeCuda):
    engine = open_engine_of(tmp_path, one_trt, onnx)
    lost = cuda.described(0x1234, (1, 3, 16, 32), np.dtype(np.float32))
    with pytest.raises(UserError, match="cudaStreamSynchronize: cudaErrorIllegalAddress"):
        engine.run({**feeds(16, 32), "content": lost})
    with pytest.raises(UserError, match="cudaErrorIllegalAddress"):
        engine.run(feeds(16, 32))
    engine.close()
    cuda.broken = False


def test_a_machine_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, onnx: bytes):
    cuda = FakeCuda(devices=0).install(monkeypatch)
    trt = install(monkeypatch, "tensorrt-11.4.0", cuda)
    with pytest.raises(
        UserError, match="no NVIDIA GPU answers here .cudaGetDeviceCount: cudaErrorNoDevice.: use another"
    ):
        open_engine_of(tmp_path, trt, onnx)


@pytest.mark.parametrize(("flavour", "extra"), [("tensorrt", "tensorrt"), ("tensorrt_rtx", "tensorrt-rtx")])
def test_packages_that_are_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, onnx: bytes, flavour: str, extra: str
):
    trt = ModuleType(flavour)
    trt.__version__ = "11.4.0"
    path = write(tmp_path, facts_for(trt), onnx)
    monkeypatch.setitem(sys.modules, flavour, None)
    with pytest.raises(UserError, match=rf"{flavour} cannot be imported .*pip install 'brushlet\[{extra}\]'"):
        TensorRtEngine(path)
    monkeypatch.setitem(sys.modules, flavour, trt)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(UserError, match="cuda-bindings cannot be imported .*: pip install cuda-bindings"):
        TensorRtEngine(path)


def test_the_real_cuda_bindings_say_that_there_is_no_gpu():
    pytest.importorskip("cuda.bindings")
    from runtime.engines.cuda_memory import Cuda

    try:
        cuda = Cuda()
    except UserError as error:
        assert str(error).startswith("no NVIDIA GPU answers here (cuda") and "\n" not in str(error)
    else:
        major, _, minor = cuda.compute_capability().partition(".")
        assert int(major) >= 5 and minor.isdigit()
        cuda.close()


def test_bad_threads(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    with pytest.raises(UserError, match="threads must be 1 or more"):
        TensorRtEngine(write(tmp_path, facts_for(one_trt), onnx), threads=0)


def test_it_says_for_which_pictures_it_was_built(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    engine = TensorRtEngine(write(tmp_path, facts_for(one_trt), onnx))
    assert engine.content_sizes == tuple(SizeRange((least, least), (most, most)) for least, most in SIZES)
    engine.close()


def test_a_picture_of_any_size_gets_tiles_that_fit_a_profile(tmp_path: Path, one_trt: ModuleType, onnx: bytes):
    bundle = make_tiny_bundle(tmp_path / "tiny")
    manifest = open_bundle(bundle).manifest
    painter = next(graph for graph in manifest.graphs if graph.role == "paint")
    file = write(bundle, facts_for(one_trt), onnx)
    entry = replace(painter, format="tensorrt", file=file.name, sha256=sha256_of(file), bytes=file.stat().st_size)
    replace(manifest, graphs=(*manifest.graphs, entry)).write(bundle)
    with Stylizer.load(bundle) as plain, Stylizer.load(bundle, engine="tensorrt") as built:
        for size in ((5, 7), (33, 21), (150, 100)):
            content = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
            assert (built(content, "warm") == plain(content, "warm")).all()

"""`runtime.engines.openvino_engine`: the same graphs, the same numbers, the same manners as ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from runtime.engines import open_engine, openvino_engine
from runtime.engines.openvino_engine import MOST_COUNTED_SHAPES, MOST_FIXED_SHAPES, RUNS_BEFORE_FIXING
from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor
from runtime.stylizer import Stylizer
from tests.tiny_bundle import make_tiny_bundle, tiny_measure

# Not importorskip: importing it here would report that to its makers.
pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((1, 3, height, width), np.float32)


def test_it_computes_at_any_size(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    for size in ((8, 8), (12, 20)):
        outputs = engine.run({"thumbnail": noise(*size)})
        assert list(outputs) == ["stats"]
        np.testing.assert_allclose(outputs["stats"][0], tiny_measure(noise(*size)), atol=1e-5)
    engine.close()


def paint_feeds(content: np.ndarray) -> dict[str, np.ndarray]:
    """Of strength 0: the painter gives the content back."""
    feeds = {"content": content}
    for site, channels in enumerate((3, 1)):
        feeds[f"scale_{site}"] = np.ones((1, channels, 1, 1), np.float32)
        feeds[f"shift_{site}"] = np.zeros((1, channels, 1, 1), np.float32)
    return feeds


def test_no_run_touches_its_inputs_or_the_outputs_of_another(tiny: Path):
    """Neither in the general graph nor in one of fixed shapes: both share memory with OpenVINO."""
    engine = open_engine("openvino", tiny / "paint.onnx", 1)
    contents = [noise(8, 8) * n / 16 for n in range(1, 2 * RUNS_BEFORE_FIXING)]
    given = [content.copy() for content in contents]
    painted = [engine.run(paint_feeds(content))["picture"] for content in contents]
    assert len(engine._fixed) == 1
    for content, before, picture in zip(contents, given, painted, strict=True):
        np.testing.assert_array_equal(content, before)
        np.testing.assert_allclose(picture, engine.run(paint_feeds(content))["picture"], atol=1e-6)
        assert picture.flags.owndata and picture.flags.writeable


def test_only_painters_take_bytes(tiny: Path):
    assert open_engine("openvino", tiny / "paint.onnx", 1).takes_bytes
    assert not open_engine("openvino", tiny / "measure.onnx", 1).takes_bytes


@pytest.mark.parametrize("size", [(8, 8), (4, 12), (3 * 4, 3 * 4)])
def test_bytes_become_the_bytes_that_numpy_makes_of_planes(tiny: Path, size: tuple[int, int]):
    """In the general graph and in one of fixed shapes, and also where numbers leave 0 to 1."""
    engine = open_engine("openvino", tiny / "paint.onnx", 1)
    rng, seen = np.random.default_rng(0), set()
    for _ in range(2 * RUNS_BEFORE_FIXING):
        content = rng.integers(0, 256, (1, *size, 3), np.uint8)
        feeds = paint_feeds(to_tensor(content[0]))
        feeds["scale_0"] = rng.uniform(0, 3, (1, 3, 1, 1)).astype(np.float32)
        feeds["shift_0"] = rng.uniform(-0.5, 0.5, (1, 3, 1, 1)).astype(np.float32)
        wanted = to_picture(engine.run(feeds)["picture"])
        outputs = engine.run({**feeds, "content": content})
        seen |= set(wanted.ravel())
        assert list(outputs) == ["picture"] and outputs["picture"].dtype == np.uint8
        assert np.array_equal(outputs["picture"][0], wanted)
    assert {0, 255} < seen and {in_bytes for in_bytes, _ in engine._fixed} == {False, True}


def test_every_level_comes_back_through_bytes(tiny: Path):
    engine = open_engine("openvino", tiny / "paint.onnx", 1)
    levels = np.arange(256 * 3, dtype=np.uint16).astype(np.uint8).reshape(1, 16, 16, 3)
    for _ in range(RUNS_BEFORE_FIXING + 2):
        assert np.array_equal(engine.run(paint_feeds(levels))["picture"], levels)
    assert engine._fixed


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_bytes_do_not_hide_numbers_that_are_not_finite(tiny: Path, number: float):
    engine = open_engine("openvino", tiny / "paint.onnx", 1)
    content = np.zeros((1, 8, 8, 3), np.uint8)
    for _ in range(RUNS_BEFORE_FIXING + 2):
        feeds = paint_feeds(content)
        assert engine.run(feeds)["picture"].shape == content.shape
        feeds["shift_1"] = np.full((1, 1, 1, 1), number, np.float32)
        with pytest.raises(UserError, match="openvino failed on .*paint.onnx: numbers that are not finite"):
            engine.run(feeds)


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 3, 8, 8), (1, 8, 8, 4), (0, 8, 8, 3)])
def test_bytes_of_another_shape_are_refused(tiny: Path, shape: tuple[int, ...]):
    engine = open_engine("openvino", tiny / "paint.onnx", 1)
    with pytest.raises(UserError, match="openvino failed on"):
        engine.run(paint_feeds(np.zeros(shape, np.uint8)))


def test_inputs_may_lie_in_memory_in_any_way(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    picture = noise(8, 12)
    read_only = picture.copy()
    read_only.flags.writeable = False
    for same in (
        read_only,
        picture.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        picture[:, :, ::-1].copy()[:, :, ::-1],
    ):
        for _ in range(RUNS_BEFORE_FIXING + 1):
            np.testing.assert_allclose(engine.run({"thumbnail": same})["stats"][0], tiny_measure(picture), atol=1e-5)


def test_several_threads_may_run_one_engine(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    pictures = [noise(8, 4 * n) for n in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda picture: engine.run({"thumbnail": picture})["stats"][0], pictures))
    for picture, result in zip(pictures, results, strict=True):
        np.testing.assert_allclose(result, tiny_measure(picture), atol=1e-5)


def test_pictures_are_those_of_onnxruntime(tiny: Path):
    photo = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
    with Stylizer.load(tiny) as one, Stylizer.load(tiny, "openvino", 1) as other:
        for _ in range(RUNS_BEFORE_FIXING + 2):
            difference = one(photo, "warm").astype(int) - other(photo, "warm")
            assert np.abs(difference).max() <= 1
        assert np.array_equal(other(photo, "warm", 0), photo)


def test_tiles_and_threads_paint_the_same_picture(tiny: Path):
    photo = np.random.default_rng(1).integers(0, 256, (90, 110, 3), np.uint8)
    with (
        Stylizer.load(tiny, "openvino", 2) as whole,
        Stylizer.load(tiny, "openvino", 1, tile=52) as tiled,
        ThreadPoolExecutor(3) as pool,
    ):
        wanted = whole(photo, "warm")
        for stylizer in (whole, tiled):
            for painted in pool.map(lambda _, one=stylizer: one(photo, "warm"), range(9)):
                assert np.abs(painted.astype(int) - wanted).max() <= 1


def test_shapes_that_keep_coming_get_a_graph_of_their_own(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    wanted = tiny_measure(noise(8, 8))
    for run in range(2 * RUNS_BEFORE_FIXING):
        np.testing.assert_allclose(engine.run({"thumbnail": noise(8, 8)})["stats"][0], wanted, atol=1e-5)
        assert len(engine._fixed) == (run >= RUNS_BEFORE_FIXING)
        engine.run({"thumbnail": noise(8, 4 * run + 12)})
    engine.close()
    assert not engine._fixed


def test_the_number_of_such_graphs_is_bounded(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    for width in range(4, 4 * MOST_FIXED_SHAPES + 12, 4):
        for _ in range(RUNS_BEFORE_FIXING + 1):
            stats = engine.run({"thumbnail": noise(8, width)})["stats"][0]
        np.testing.assert_allclose(stats, tiny_measure(noise(8, width)), atol=1e-5)
    assert len(engine._fixed) == MOST_FIXED_SHAPES
    for height in range(4, 4 * MOST_COUNTED_SHAPES + 12, 4):
        engine._keeps_coming((False, ((1, 3, height, 4),)))
    assert len(engine._seen) <= MOST_COUNTED_SHAPES


def test_threads_share_a_graph_of_fixed_shapes(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    pictures = [noise(8, 8) * n / 32 for n in range(1, 33)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda picture: engine.run({"thumbnail": picture})["stats"][0], pictures))
    for picture, result in zip(pictures, results, strict=True):
        np.testing.assert_allclose(result, tiny_measure(picture), atol=1e-5)
    assert len(engine._fixed) == 1


def test_a_closed_engine_says_so(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.run({"thumbnail": noise(8, 8)})


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x08" * 50])
def test_a_file_that_is_no_graph(tmp_path: Path, content: bytes):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match="openvino cannot load .*bad.onnx: .") as caught:
        open_engine("openvino", path)
    assert "\n" not in str(caught.value)


def test_a_graph_whose_types_do_not_fit_each_other(tiny: Path, tmp_path: Path):
    """OpenVINO 2026.4 ends the process on this one: whole numbers, three of them, as a lower limit."""
    model = onnx.load(tiny / "measure.onnx")
    root = next(node for node in model.graph.node if node.op_type == "Sqrt")
    root.op_type = "Clip"
    root.input.append("row")
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(UserError, match="openvino cannot load .*bad.onnx: .*Clip") as caught:
        open_engine("openvino", tmp_path / "bad.onnx")
    assert "\n" not in str(caught.value)


def test_feeds_that_do_not_fit(tiny: Path):
    engine = open_engine("openvino", tiny / "measure.onnx", 1)
    with pytest.raises(UserError, match="openvino failed on"):
        engine.run({"nothing": noise(8, 8)})
    with pytest.raises(UserError, match="openvino failed on"):
        engine.run({"thumbnail": noise(8, 8)[:, :2]})


def test_bad_options_and_a_missing_openvino(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match="threads must be 1 or more"):
        open_engine("openvino", tiny / "measure.onnx", 0)
    with pytest.raises(UserError, match="openvino cannot load"):
        open_engine("openvino", tiny / "measure.onnx", device="WARP")
    openvino_engine._core.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"pip install 'brushlet\[openvino\]'"):
        open_engine("openvino", tiny / "measure.onnx")


def test_a_signal_finds_its_handler_after_another_thread_dropped_the_engine(tiny: Path):
    """Where the CPU has AMX, OpenVINO would replace this thread's signal stack, and free it with the engine."""
    script = f"""
import signal, sys, threading
import numpy as np
from runtime.engines import open_engine, openvino_engine
signal.signal(signal.SIGINT, lambda *_: print("handled"))
engines = [open_engine("openvino", {str(tiny / "measure.onnx")!r}, 1)]
engines[0].run({{"thumbnail": np.zeros((1, 3, 8, 8), np.float32)}})
thread = threading.Thread(target=engines.clear)
thread.start()
thread.join()
signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr

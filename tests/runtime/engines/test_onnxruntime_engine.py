"""`runtime.engines`: the registry, and ONNX Runtime on good and bad graphs."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.engines import open_engine
from runtime.engines.onnxruntime_engine import OnnxRuntimeEngine
from runtime.errors import UserError
from tests.tiny_bundle import make_tiny_bundle, tiny_measure


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((1, 3, height, width), np.float32)


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_it_computes(tiny: Path, threads: int | None):
    engine = open_engine("onnxruntime", tiny / "measure.onnx", threads)
    for size in ((8, 8), (12, 20)):
        outputs = engine.run({"thumbnail": noise(*size)})
        assert list(outputs) == ["stats"]
        np.testing.assert_allclose(outputs["stats"][0], tiny_measure(noise(*size)), atol=1e-6)
    engine.close()


def test_several_threads_may_run_one_engine(tiny: Path):
    engine = open_engine("onnxruntime", tiny / "measure.onnx", 1)
    pictures = [noise(8, 4 * n) for n in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda picture: engine.run({"thumbnail": picture})["stats"][0], pictures))
    for picture, result in zip(pictures, results, strict=True):
        np.testing.assert_allclose(result, tiny_measure(picture), atol=1e-6)


def test_a_closed_engine_says_so(tiny: Path):
    engine = open_engine("onnxruntime", tiny / "measure.onnx")
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.run({"thumbnail": noise(8, 8)})


def test_an_unknown_engine_suggests_the_nearest():
    with pytest.raises(UserError, match="no engine 'onxruntime': did you mean 'onnxruntime'"):
        open_engine("onxruntime", "x.onnx")
    with pytest.raises(UserError, match="no engine 'quark': there is coreml, onnxruntime"):
        open_engine("quark", "x.onnx")


def test_a_missing_onnxruntime_says_how_to_install_it(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="pip install onnxruntime"):
        open_engine("onnxruntime", tiny / "measure.onnx")


def test_a_provider_that_this_build_lacks_is_left_out_with_one_warning(tiny: Path, caplog: pytest.LogCaptureFixture):
    for _ in range(2):
        engine = open_engine("onnxruntime", tiny / "measure.onnx", providers=["qnn", "cpu"])
        assert engine.providers == ("CPUExecutionProvider",)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "has no QNNExecutionProvider, and goes on without it: pip install onnxruntime-qnn" in warnings[0]
    with pytest.raises(UserError, match="no execution provider 'xnpack': did you mean 'xnnpack'"):
        open_engine("onnxruntime", tiny / "measure.onnx", providers=["xnpack"])


def test_a_provider_that_cannot_start_is_left_out_too(tiny: Path, caplog: pytest.LogCaptureFixture, monkeypatch):
    """What a machine without the GPU, or without its libraries, says: the build has it, the session does not."""
    import onnxruntime

    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda path, options, providers: real(path, options, providers=providers[1:])
    )
    engine = open_engine("onnxruntime", tiny / "measure.onnx", providers=["cuda"])
    assert engine.providers == ("CPUExecutionProvider",)
    assert "cannot start CUDAExecutionProvider on this machine" in caplog.text


def test_threads_below_1(tiny: Path):
    with pytest.raises(UserError, match="threads must be 1 or more"):
        open_engine("onnxruntime", tiny / "measure.onnx", 0)


def test_idle_threads_do_not_spin_unless_asked(tiny: Path):
    for spinning in (False, True):
        engine = OnnxRuntimeEngine(tiny / "measure.onnx", spinning=spinning)
        entry = engine._session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning")
        assert entry == str(int(spinning))


@pytest.mark.parametrize("data", [b"", b"no graph", b"\x08\x08", bytes(1000)])
def test_a_file_that_is_no_graph(tmp_path: Path, data: bytes, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "bad.onnx").write_bytes(data)
    with pytest.raises(UserError, match="cannot load .*bad.onnx") as raised:
        open_engine("onnxruntime", tmp_path / "bad.onnx")
    assert len(str(raised.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_missing(tmp_path: Path):
    with pytest.raises(UserError, match="cannot load .*none.onnx"):
        open_engine("onnxruntime", tmp_path / "none.onnx")


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"picture": noise(8, 8)},
        {"thumbnail": noise(8, 8)[0]},
        {"thumbnail": noise(8, 8).astype(np.float64)},
        {"thumbnail": noise(8, 8)[:, :2]},
    ],
    ids=["none", "name", "rank", "type", "channels"],
)
def test_feeds_that_do_not_fit(tiny: Path, feeds: dict[str, np.ndarray], capfd: pytest.CaptureFixture[str]):
    engine = open_engine("onnxruntime", tiny / "measure.onnx")
    with pytest.raises(UserError, match="measure.onnx") as raised:
        engine.run(feeds)
    assert len(str(raised.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


@given(st.data())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_graph_runs_or_is_refused_in_one_line(tiny: Path, tmp_path: Path, data: st.DataObject):
    damaged = bytearray((tiny / "measure.onnx").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.onnx").write_bytes(damaged)
    try:
        open_engine("onnxruntime", tmp_path / "x.onnx", 1).run({"thumbnail": noise(8, 8)})
    except UserError as error:
        assert len(str(error).splitlines()) == 1


def test_the_tiny_graphs_are_what_the_shape_checker_says(tiny: Path):
    for role in ("style", "measure", "paint"):
        onnx.checker.check_model(str(tiny / f"{role}.onnx"), full_check=True)

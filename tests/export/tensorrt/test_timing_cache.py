from __future__ import annotations

from pathlib import Path

import pytest

from export.tensorrt.build_engine import EngineOptions, build_engine
from runtime.errors import UserError
from tests.runtime.engines.fake_cuda import FakeCuda
from tests.runtime.engines.fake_tensorrt import install

REPLACED = "is no timing cache of this TensorRT and GPU: it is not used, and will be replaced"


def build(graphs: dict[str, bytes], cache: Path) -> list[str]:
    """Build with that cache; returns what was logged."""
    lines: list[str] = []
    build_engine(graphs["fp32"], EngineOptions(timing_cache=cache), lines.append)
    return lines


def test_a_cache_is_made_and_used_again(
    graphs: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    cache = tmp_path / "timings"
    assert build(graphs, cache) == []
    assert cache.read_bytes() == b"timings of 10.3.0"
    cache.write_bytes(b"timings longer than before, of 10.3.0")
    assert build(graphs, cache) == []
    assert cache.read_bytes() == b"timings longer than before, of 10.3.0"
    assert [path.name for path in tmp_path.iterdir()] == ["timings"]


@pytest.mark.parametrize("contents", [b"damaged", b"timings of 11.4.0"])
def test_a_cache_that_is_damaged_or_of_another_version_is_replaced(
    graphs: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda, contents: bytes
):
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    cache = tmp_path / "timings"
    cache.write_bytes(contents)
    assert build(graphs, cache) == [f"{cache} {REPLACED}"]
    assert cache.read_bytes() == b"timings of 10.3.0"


def test_a_file_far_too_large_is_not_read(
    graphs: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    monkeypatch.setattr("export.tensorrt.timing_cache.MOST_BYTES", 10)
    cache = tmp_path / "timings"
    cache.write_bytes(b"timings of 10.3.0")
    assert "larger than any timing cache" in build(graphs, cache)[0]


def test_a_place_that_cannot_hold_a_cache(
    graphs: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda
):
    install(monkeypatch, "tensorrt-10.3.0", cuda)
    with pytest.raises(UserError, match="--timing-cache .* is not a file"):
        build(graphs, tmp_path)
    with pytest.raises(UserError, match="cannot write .*: the folder does not exist"):
        build(graphs, tmp_path / "none" / "timings")

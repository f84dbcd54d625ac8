"""Observations on disk: the same as new ones, and counted again when damaged."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from export.activation_ranges import METHODS, Observed, ranges_of
from export.calibration_cache import MOST_FILES, cached, calibration_root, observation_key


def observation() -> dict[str, Observed]:
    rng = np.random.default_rng(0)
    return {
        name: Observed.nothing().and_also(rng.normal(0, size, 5000).astype(np.float32))
        for name, size in (("a", 1), ("/b/Conv_output_0", 7))
    }


class Counted:
    """Observes, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, Observed]:
        self.times += 1
        return observation()


def test_a_hit_gives_identical_ranges(tmp_path):
    count = Counted()
    first, known = cached("key", count, tmp_path)
    second, known_then = cached("key", count, tmp_path)
    assert (known, known_then, count.times) == (False, True, 1)
    for method in METHODS:
        for symmetric in (False, True):
            assert ranges_of(first, method, symmetric) == ranges_of(second, method, symmetric)


def test_another_key_is_observed(tmp_path):
    count = Counted()
    cached("one", count, tmp_path)
    cached("two", count, tmp_path)
    assert count.times == 2


@pytest.mark.parametrize("position", [0, 30, 0.3, 0.6, 0.9, -5])
def test_a_damaged_file_is_observed_again(tmp_path, position):
    count = Counted()
    expected, _ = cached("key", count, tmp_path)
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    at = int(position * len(data)) if isinstance(position, float) else position
    data[at] ^= 0xFF
    file.write_bytes(data)
    found, _ = cached("key", count, tmp_path)
    assert ranges_of(found, "mse", False) == ranges_of(expected, "mse", False)
    assert cached("key", count, tmp_path)[1], "the file is whole again"


@pytest.mark.parametrize("content", [b"", b"nothing of ours", b"PK\x03\x04"])
def test_a_file_of_something_else_is_observed_again(tmp_path, content):
    (tmp_path / "key.npz").write_bytes(content)
    count = Counted()
    assert cached("key", count, tmp_path)[1] is False and count.times == 1


def test_a_file_cut_short_is_observed_again(tmp_path):
    count = Counted()
    cached("key", count, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    cached("key", count, tmp_path)
    assert count.times == 2


def test_arrays_of_another_shape_are_observed_again(tmp_path):
    np.savez(tmp_path / "key.npz", names=np.array(["a"]), ends=np.zeros((1, 3)), counts=np.zeros((1, 5)))
    count = Counted()
    cached("key", count, tmp_path)
    assert count.times == 1


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(tmp_path):
    (tmp_path / "file").write_text("no folder")
    found, known = cached("key", Counted(), tmp_path / "file")
    assert not known and set(found) == {"a", "/b/Conv_output_0"}


def test_old_files_are_dropped(tmp_path):
    for i in range(MOST_FILES + 3):
        cached(f"key{i}", observation, tmp_path)
    assert len(list(tmp_path.iterdir())) == MOST_FILES
    assert (tmp_path / f"key{MOST_FILES + 2}.npz").exists()


def test_the_key_depends_on_graphs_and_pictures():
    one, two = onnx.ModelProto(producer_name="one"), onnx.ModelProto(producer_name="two")
    keys = {observation_key([one], "p"), observation_key([two], "p"), observation_key([one], "q"),
            observation_key([one, two], "p")}  # fmt: skip
    assert len(keys) == 4
    assert observation_key([one], "p") == observation_key([one], "p")


def test_the_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BRUSHLET_CACHE", str(tmp_path))
    assert calibration_root() == tmp_path / "calibration"

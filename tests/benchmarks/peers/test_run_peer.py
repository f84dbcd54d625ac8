"""`benchmarks.peers.run_peer` and `.litert`: what goes into a LiteRT graph, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import PeerAbsent, run_peer
from benchmarks.peers.convert import prepare_peer
from benchmarks.peers.litert import LiteRtGraph
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.run_peer import open_peer


class FakeGraph:
    """The content graph gives its picture back, darkened by the code; the style graph its mean."""

    orders = {"content": [(1, 1, 1, 2), (1, 8, 8, 3)], "style": [(1, 6, 6, 3)]}

    def __init__(self, path, threads: int) -> None:
        self.input_shapes = self.orders[path.name]

    def run(self, inputs: list[np.ndarray]) -> np.ndarray:
        assert [array.shape for array in inputs] == self.input_shapes
        assert all(array.dtype == np.float32 for array in inputs)
        if len(inputs) == 1:
            return np.full((1, 1, 1, 2), inputs[0].mean(), np.float32)
        return inputs[1] * inputs[0][0, 0, 0, 0]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> run_peer.LoadedPeer:
    monkeypatch.setattr(run_peer, "LiteRtGraph", FakeGraph)
    graphs = {"content": "content", "style": "style"}
    return open_peer(PreparedPeer("m", "d", "litert", "int8", graphs, size=8), threads=1)


def test_litert_gets_its_own_size_and_gives_back_the_pictures(fake):
    half = np.full((300, 400, 3), 128, np.uint8)
    code = fake.code(half)
    np.testing.assert_allclose(code[0], 128 / 255, atol=1e-6)
    content = np.full((20, 30, 3), 200, np.uint8)
    painted = fake.paint(content, code)
    assert (painted.shape, painted.dtype) == ((20, 30, 3), np.uint8)
    assert (painted == round(200 * 128 / 255)).all()


def test_a_picture_of_the_graphs_size_is_not_scaled(fake):
    content = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(fake.paint(content, (np.ones((1, 1, 1, 2), np.float32),)), content)


def test_a_file_that_is_no_graph(tmp_path):
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "x.tflite").write_bytes(b"not a graph")
    with pytest.raises(PeerAbsent, match="LiteRT cannot load x.tflite"):
        LiteRtGraph(tmp_path / "x.tflite", 1)


def test_without_litert_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(PeerAbsent, match="pip install ai-edge-litert"):
        LiteRtGraph(tmp_path / "x.tflite", 1)


@pytest.mark.parametrize("name", ["magenta-int8", "magenta-fp16"])
def test_the_real_magenta_paints_in_the_style_it_is_given(shared_data, tmp_path, name):
    pytest.importorskip("ai_edge_litert")
    peer = PreparedPeer.load(prepare_peer(name, shared_data / "weights", tmp_path))
    assert (peer.size, peer.engine, peer.fixed_style) == (384, "litert", False)
    loaded = open_peer(peer, threads=1)
    rng = np.random.default_rng(0)
    content = np.kron(rng.integers(0, 256, (12, 12, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    red, blue = (np.full((256, 256, 3), colour, np.uint8) for colour in ((200, 40, 40), (40, 40, 200)))
    means = [loaded.paint(content, loaded.code(style)).reshape(-1, 3).mean(axis=0) for style in (red, blue)]
    assert means[0][0] - means[0][2] > means[1][0] - means[1][2] + 20, "a red style gives a redder picture"
    assert loaded.macs(384, 384) == 1_847_398_168

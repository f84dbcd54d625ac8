"""`benchmarks.peers.variants`: a converted peer in other engines and in eight bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.peers import PeerAbsent, variants
from benchmarks.peers.convert import prepare_peer
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.run_peer import open_peer
from benchmarks.peers.variants import variants_of
from export import calibration
from runtime import UserError
from tests.benchmarks.peers.tiny_weights import write_tiny_weights


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peer")
    return prepare_peer("johnson-nc8", write_tiny_weights(folder / "weights"), folder)


def test_every_engine_paints_the_same_pictures(prepared):
    pytest.importorskip("openvino")
    found = list(variants_of(prepared, ["onnxruntime", "openvino"], ["fp32"]))
    assert [reason for _, reason in found] == [None, None]
    peers = [PreparedPeer.load(path) for path, _ in found]
    assert [peer.engine for peer in peers] == ["onnxruntime", "openvino"]
    photo = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    ours, theirs = (peer.paint(photo, ()) for peer in (open_peer(each, 1) for each in peers))
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert ours.std() > 0


def test_an_engine_that_paints_something_else_takes_no_part(prepared, monkeypatch):
    opened = variants.open_peer

    class Off:
        def __init__(self, peer, threads):
            self.peer, self.shift = opened(peer, threads), float(peer.engine != "onnxruntime")
            self.code, self.feeds = self.peer.code, self.peer.feeds

        def run(self, feeds):
            return self.peer.run(feeds) + self.shift

    monkeypatch.setattr(variants, "open_peer", lambda peer, threads: Off(peer, threads))
    monkeypatch.setattr("benchmarks.peers.run_peer.open_engine", lambda engine, path, threads: Same(path))
    _, (nothing, reason) = variants_of(prepared, ["onnxruntime", "openvino"], ["fp32"])
    assert nothing is None and reason.startswith("in openvino, fp32: it differs from ONNX Runtime by ")


class Same:
    """An engine whose picture is its content."""

    def __init__(self, path):
        self.path = path

    def run(self, feeds):
        return {"picture": next(iter(feeds.values()))}


def test_eight_bits_are_made_by_the_students_recipe(prepared, tmp_path, monkeypatch):
    quick = calibration.open_calibration
    monkeypatch.setattr(calibration, "open_calibration", lambda crops: quick(crops=8))
    ((path, reason),) = variants_of(prepared, ["onnxruntime"], ["int8"])
    assert reason is None
    peer = PreparedPeer.load(path)
    assert peer.precision == "int8" and "layers in float32 for" in peer.description
    kinds = {node.op_type for node in onnx.load(peer.graphs["content"]).graph.node}
    assert "QuantizeLinear" in kinds


def test_why_there_is_no_int8_is_said(prepared, monkeypatch):
    def refuse(*_):
        raise UserError("int8: 12.0 dB")

    monkeypatch.setattr(variants, "in_int8", refuse)
    found = list(variants_of(prepared, ["onnxruntime"], ["fp32", "int8"]))
    assert found[0][1] is None
    assert found[1] == (None, "in int8: int8: 12.0 dB")


def test_a_peer_with_an_engine_of_its_own_stays_in_it(tmp_path):
    path = tmp_path / "magenta-int8.json"
    PreparedPeer("magenta-int8", "d", "litert", "int8", {"content": "c", "style": "s"}, size=384).save(path)
    assert list(variants_of(path, ["onnxruntime", "openvino"], ["fp32", "int8"])) == [(path, None)]


def test_without_the_packages_int8_is_absent(prepared, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "export.network_int8", None)
    with pytest.raises(PeerAbsent, match=r"pip install 'brushlet\[export\]'"):
        variants.in_int8(PreparedPeer.load(prepared), prepared.parent)

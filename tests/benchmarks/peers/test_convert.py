"""Peers made ready: the same pictures in ONNX as in torch at any size, and weights that are refused."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.macs import onnx_macs
from benchmarks.peers import PEERS, PeerAbsent, choose_peers, find_files
from benchmarks.peers.convert import prepare_peer
from benchmarks.peers.networks import Networks
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.run_peer import open_peer
from runtime import UserError
from runtime.framing import style_crop, to_picture, to_tensor
from tests.benchmarks.peers.tiny_weights import write_tiny_weights

CONVERTED = [name for name, peer in PEERS.items() if peer.engine == "onnxruntime"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module", params=CONVERTED)
def peer(request: pytest.FixtureRequest, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedPeer:
    folder = tmp_path_factory.mktemp(request.param)
    return PreparedPeer.load(prepare_peer(request.param, weights, folder))


def networks_of(name: str, weights: Path) -> Networks:
    return import_module(PEERS[name].module).networks(find_files(PEERS[name], weights))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_onnx_paints_what_torch_paints_at_another_size(peer, weights):
    """Sizes and pictures that the conversion did not see; each converted graph has dynamic height and width."""
    networks, loaded = networks_of(peer.name, weights), open_peer(peer, threads=1)
    content, style = noise(72, 48), noise(256, 264, 1)
    with torch.inference_mode():
        codes = networks.style(torch.from_numpy(to_tensor(style_crop(style)))) if networks.style else ()
        wanted = networks.paint(torch.from_numpy(to_tensor(content)), *codes).numpy()
    found = loaded.code(style)
    assert len(found) == len(codes)
    for mine, theirs in zip(found, codes, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-3, rtol=1e-3)
    assert wanted.shape == (1, 3, 72, 48)
    painted = loaded.run(loaded.feeds(content, found))
    spread = wanted.std(axis=(2, 3)).max()
    assert spread > 1e-3, "not a flat picture"
    assert np.abs(painted - wanted).max() <= 0.01 * spread


def test_sizes_that_are_no_multiple_are_painted_too(peer):
    loaded = open_peer(peer, threads=1)
    code = loaded.code(noise(256, 256))
    assert loaded.paint(noise(45, 61), code).shape == (45, 61, 3)


def test_style_changes_the_picture_where_there_is_a_choice(peer):
    loaded, content = open_peer(peer, threads=1), noise(64, 64)
    first, second = (
        loaded.run(loaded.feeds(content, loaded.code(style))) for style in (noise(256, 256, 1), noise(256, 256, 2) // 4)
    )
    assert peer.fixed_style is PEERS[peer.name].fixed_style
    assert (np.abs(first - second).max() > 1e-3) is not peer.fixed_style


def test_multiplications_are_those_that_torch_counts(peer, weights):
    from torch.utils.flop_counter import FlopCounterMode

    networks, content = networks_of(peer.name, weights), torch.rand(1, 3, 64, 96)
    codes = networks.style(torch.rand(1, 3, 64, 64)) if networks.style else ()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        networks.paint(content, *codes)
    assert open_peer(peer, threads=1).macs(64, 96) == counter.get_total_flops() // 2


def test_macs_follow_the_size(peer):
    path = Path(peer.graphs["content"])
    small, large = (onnx_macs(path, {"content": (1, 3, side, side)}) for side in (64, 128))
    assert large == pytest.approx(4 * small, rel=0.02)


def test_macs_of_unknown_shapes_are_refused(peer):
    with pytest.raises(ValueError, match="do not follow"):
        onnx_macs(Path(peer.graphs["content"]), {})


def test_it_says_what_it_is(peer):
    peers_own = PEERS[peer.name]
    assert peer.description.startswith(f"{peers_own.title}, ")
    assert " M parameters" in peer.description
    own_style = {
        "johnson-nc8": "'candy'",
        "johnson-nc16": "'mosaic'",
        "johnson-full": "'wave'",
        "cyclegan": "'horse2zebra'",
    }
    assert own_style.get(peer.name, "") in peer.description
    assert (peer.engine, peer.precision, peer.size) == ("onnxruntime", "fp32", None)
    assert set(peer.graphs) == {"content"} if peers_own.fixed_style else {"content", "style"}


@pytest.mark.parametrize("name", PEERS)
def test_absent_weights_are_named(name, tmp_path):
    with pytest.raises(PeerAbsent) as caught:
        prepare_peer(name, tmp_path, tmp_path)
    for pattern in PEERS[name].files.values():
        assert f"no {pattern}" in str(caught.value)


def test_weights_of_another_network_are_refused(weights, tmp_path):
    shutil.copy(weights / "adain_decoder.pth", tmp_path / "candy_nc8_b1.model")
    with pytest.raises(PeerAbsent, match="candy_nc8_b1.model: not the network of johnson .there is no 'conv1"):
        prepare_peer("johnson-nc8", tmp_path, tmp_path)
    shutil.copy(weights / "adain_decoder.pth", tmp_path / "vgg_normalised.pth")
    shutil.copy(weights / "adain_decoder.pth", tmp_path / "decoder.pth")
    with pytest.raises(PeerAbsent, match="of another architecture"):
        prepare_peer("adain", tmp_path, tmp_path)
    np.savez(tmp_path / "full_wave.npz", Variable=np.ones(3))
    with pytest.raises(PeerAbsent, match="full_wave.npz cannot be read as 16 convolutions"):
        prepare_peer("johnson-full", tmp_path, tmp_path)


class Harmful:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def test_code_in_weights_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1": Harmful()}, "candy_nc8_b1.model")
    with pytest.raises(PeerAbsent, match="candy_nc8_b1.model is refused"):
        prepare_peer("johnson-nc8", tmp_path, tmp_path)
    assert not Path("executed").exists()


def test_a_conversion_that_changes_the_picture_is_refused(weights, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.peers.convert.MAX_ERROR", -1.0)
    with pytest.raises(PeerAbsent, match="johnson-nc8 in ONNX differs from torch by"):
        prepare_peer("johnson-nc8", weights, tmp_path)


def test_without_what_converts_it_says_what_to_install(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxslim", None)
    monkeypatch.delitem(__import__("sys").modules, "export.to_onnx", raising=False)
    with pytest.raises(PeerAbsent, match=r"converting it needs onnxslim: pip install 'brushlet\[export\]'"):
        prepare_peer("johnson-nc8", weights, tmp_path)


def test_names_are_checked():
    assert choose_peers(()) == tuple(PEERS)
    assert choose_peers(("cyclegan", "microast", "cyclegan")) == ("cyclegan", "microast")
    with pytest.raises(UserError, match="there is no peer 'micro-ast': did you mean 'microast'"):
        choose_peers(("micro-ast",))
    with pytest.raises(UserError, match="there is no peer 'x': there is microast, magenta-int8, "):
        choose_peers(("x",))


def test_the_prepared_file_is_plain_json(peer, tmp_path):
    peer.save(tmp_path / "p.json")
    assert json.loads((tmp_path / "p.json").read_text())["name"] == peer.name
    assert PreparedPeer.load(tmp_path / "p.json") == peer


def test_adain_paints_what_the_teacher_paints(weights):
    from distill.teachers import load_teacher

    folder = weights
    teacher = load_teacher("adain", _community_names(folder))
    networks = networks_of("adain", folder)
    content, style = torch.rand(1, 3, 64, 48), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        mine = networks.paint(content, *networks.style(style)).clamp(0, 1)
    assert torch.allclose(mine, teacher.stylize(content, style), atol=1e-5)


def _community_names(folder: Path) -> Path:
    """The same two files under the names that the teacher looks for."""
    named = folder / "named"
    named.mkdir(exist_ok=True)
    shutil.copy(folder / "vgg_normalised_tiny.pth", named / "vgg_normalised.pth")
    shutil.copy(folder / "adain_decoder.pth", named / "decoder.pth")
    return named


def test_the_real_weights_paint(shared_data, tmp_path):
    """Every convertible peer changes a photo's colours and keeps its drawing."""
    from PIL import Image

    file = sorted((shared_data / "content" / "bsds500").glob("*.jpg"))[3]
    photo = np.asarray(Image.open(file).convert("RGB").resize((192, 128), Image.Resampling.LANCZOS))
    painting = np.asarray(Image.open(sorted((shared_data / "style" / "paintings").glob("*.jpg"))[5]).convert("RGB"))
    edges = np.abs(np.diff(photo.mean(axis=2), axis=1)).ravel()
    for name in CONVERTED:
        if name == "adain":
            continue  # the same code as the teacher's, and slow
        networks = networks_of(name, shared_data / "weights")
        with torch.inference_mode():
            codes = networks.style(torch.from_numpy(to_tensor(style_crop(painting)))) if networks.style else ()
            painted = to_picture(networks.paint(torch.from_numpy(to_tensor(photo)), *codes).numpy())
        assert np.abs(painted.astype(float) - photo).mean() > 8, f"{name} changes the picture"
        found = np.abs(np.diff(painted.astype(float).mean(axis=2), axis=1)).ravel()
        assert np.corrcoef(edges, found)[0, 1] > 0.25, f"{name} keeps its edges"

"""Perceptual networks: what they compute, and which weights files they take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from distill import perceptual
from distill.losses import style_loss
from distill.perceptual import (
    CompactPerception,
    Vgg,
    Vgg19Perception,
    compact_perception,
    embedded_moments,
    moments,
    vgg19_perception,
    vgg_from_community,
)
from distill.samples import to_tensor
from runtime.errors import UserError
from runtime.image_files import read_picture
from tests.distill.tiny import draw, perception, small_perception

#: Where the community's `vgg_normalised.pth` has its convolutions: padding, activations and poolings are numbered too.
NUMBERS = (0, 2, 5, 9, 12, 16, 19, 22, 25, 29)


def in_community_layout(net: Vgg, extra: int = 0) -> dict[str, Tensor]:
    """The state dict that loads into `net`, with `extra` deeper convolutions."""
    layers = [net.normalise, *net.convs, *(nn.Conv2d(net.channels[-1], 8, 3) for _ in range(extra))]
    numbers = [*NUMBERS, *range(32, 32 + 3 * extra, 3)]
    return {
        f"{number}.{name}": getattr(layer, name).data
        for number, layer in zip(numbers, layers, strict=True)
        for name in ("weight", "bias")
    }


@settings(max_examples=20)
@given(st.integers(2, 6), st.integers(2, 6))
def test_moments_are_numpys(height, width):
    features = torch.randn(2, 3, height, width)
    mean, deviation = moments(features)
    values = features.numpy().astype(np.float64)
    assert mean.shape == deviation.shape == (2, 3, 1, 1)
    assert np.allclose(mean, values.mean((2, 3), keepdims=True), atol=1e-6)
    assert np.allclose(deviation, np.sqrt(values.var((2, 3), keepdims=True) + 1e-5), atol=1e-6)


def test_taps_have_strides_1_2_4_8():
    taps = Vgg((8, 16, 24, 32))(torch.rand(2, 3, 40, 33))
    assert [tap.shape for tap in taps] == [(2, 8, 40, 33), (2, 16, 20, 17), (2, 24, 10, 9), (2, 32, 5, 5)]
    assert all(tap.min() >= 0 for tap in taps)


@settings(max_examples=10)
@given(widths=st.tuples(*[st.integers(1, 9)] * 4), extra=st.integers(0, 3), shuffled=st.randoms())
def test_widths_are_read_off_the_communitys_shapes(widths, extra, shuffled):
    net = Vgg(widths)
    items = list(in_community_layout(net, extra).items())
    shuffled.shuffle(items)
    loaded = vgg_from_community(dict(items))
    assert loaded.channels == widths
    picture = torch.rand(1, 3, 24, 24)
    assert all(torch.equal(a, b) for a, b in zip(loaded(picture), net(picture), strict=True))
    assert not any(p.requires_grad for p in loaded.parameters())


def without(state: dict[str, Tensor], *keys: str) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key not in keys}


STATE = in_community_layout(Vgg((8, 8, 8, 8)))
WRONG = {
    "too shallow": (without(STATE, "29.weight", "29.bias"), "at least 10 convolutions .* these weights have 9"),
    "no bias": (without(STATE, "5.bias"), "keys like '0.weight'"),
    "names": ({"features.0.weight": torch.zeros(1)}, "keys like '0.weight'"),
    "no normalisation": (
        dict(zip(STATE, [*list(STATE.values())[2:], *list(STATE.values())[:2]], strict=True)),
        r"convolution 0 has shape \(8, 3, 3, 3\), expected \(3, 3, 1, 1\)",
    ),
    "linear": (STATE | {"5.weight": torch.zeros(8, 8)}, "four dimensions"),
    "another width": (STATE | {"5.weight": torch.zeros(8, 4, 3, 3)}, r"convolution 2 has shape \(8, 4, 3, 3\)"),
    "another kernel": (STATE | {"29.weight": torch.zeros(8, 8, 1, 1)}, r"convolution 9 has shape \(8, 8, 1, 1\)"),
    "another bias": (STATE | {"5.bias": torch.zeros(1)}, r"convolution 2 has shape \(1,\), expected \(8,\)"),
}


@pytest.mark.parametrize(("state", "reason"), WRONG.values(), ids=WRONG)
def test_other_shapes_are_refused_in_one_line(tmp_path, state, reason):
    with pytest.raises(ValueError, match=reason):
        vgg_from_community(state)
    torch.save(state, tmp_path / "vgg_normalised.pth")
    with pytest.raises(UserError, match=f"vgg_normalised.pth is not a VGG-19 encoder: .*{reason}") as caught:
        vgg19_perception(tmp_path)
    assert "\n" not in str(caught.value)


def test_vgg19_where_its_weights_are(tmp_path, monkeypatch):
    torch.save(STATE, tmp_path / "vgg_normalised.pth")
    assert vgg19_perception(tmp_path).vgg.channels == (8, 8, 8, 8)
    assert vgg19_perception("compact") is None
    monkeypatch.setenv("BRUSHLET_WEIGHTS", str(tmp_path))
    assert vgg19_perception(None).name == "vgg19"
    monkeypatch.delenv("BRUSHLET_WEIGHTS")
    monkeypatch.setattr("distill.weights.cache_directory", lambda: tmp_path / "nothing")
    assert vgg19_perception(None) is None
    with pytest.raises(UserError, match="no weights file or directory"):
        vgg19_perception(tmp_path / "nowhere")


@settings(max_examples=30)
@given(channels=st.integers(1, 6), targets=st.integers(1, 9), side=st.integers(2, 8), seed=st.integers(0, 99))
def test_embedded_moments_are_the_moments_of_the_embedded_map(channels, targets, side, seed):
    torch.manual_seed(seed)
    embed = nn.Conv2d(channels, targets, 1).requires_grad_(False)
    features = torch.randn(2, channels, side, side + 1) * 3 + 1
    for mine, wanted in zip(embedded_moments(features, embed), moments(embed(features)), strict=True):
        assert mine.shape == (2, targets, 1, 1)
        assert torch.allclose(mine, wanted, rtol=1e-4, atol=1e-4)


def test_statistics_keep_their_precision_under_autocast():
    torch.manual_seed(0)
    embed, features = nn.Conv2d(8, 16, 1).requires_grad_(False), torch.randn(1, 8, 9, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = embedded_moments(features, embed)
        assert (features[0, 0] @ features[0, 0]).dtype == torch.bfloat16
    for mine, wanted in zip(lowered, embedded_moments(features, embed), strict=True):
        assert mine.dtype == torch.float32 and torch.equal(mine, wanted)


def test_the_compact_network_speaks_vgg19s_units():
    torch.manual_seed(0)
    net = CompactPerception((4, 6, 8, 10), (7, 9, 11, 13)).requires_grad_(False)
    picture = torch.rand(2, 3, 32, 32)
    seen, embedded = net(picture), net.embedded(picture)
    assert torch.equal(seen.content, embedded[-1])
    for mine, wanted in zip(seen.style, map(moments, embedded), strict=True):
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(mine, wanted, strict=True))


def test_vgg19s_perception_is_its_taps():
    torch.manual_seed(0)
    net = Vgg19Perception(Vgg((4, 4, 6, 8)))
    picture = torch.rand(1, 3, 32, 32)
    taps, seen = net.vgg(picture), net(picture)
    assert torch.equal(seen.content, taps[-1])
    assert [m.shape[1] for m, _ in seen.style] == [4, 4, 6, 8]
    assert torch.allclose(seen.style[2][1], moments(taps[2])[1], atol=1e-4)
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("net", [small_perception(), perception()], ids=["vgg19", "compact"])
def test_the_content_can_be_had_alone(net):
    picture = torch.rand(2, 3, 24, 40)
    assert torch.equal(net.content(picture), net(picture).content)


def test_gradients_reach_the_picture_and_not_the_weights(monkeypatch):
    for net in (
        Vgg19Perception(Vgg((4, 4, 4, 4))),
        CompactPerception((4, 4, 4, 4), (5, 5, 5, 5)).requires_grad_(False),
    ):
        picture = torch.rand(1, 3, 32, 32, requires_grad=True)
        other = net(torch.rand(1, 3, 32, 32))
        style_loss(net(picture), other).backward()
        assert picture.grad.abs().sum() > 0
        assert all(p.grad is None for p in net.parameters())


@pytest.fixture(scope="module")
def vgg(shared_data) -> Vgg19Perception:
    return vgg19_perception(shared_data / "weights")


def test_the_real_vgg19(vgg):
    assert vgg.vgg.channels == (64, 128, 256, 512)
    # The first layer centres on ImageNet's mean in BGR, on a scale of 255.
    grey = vgg.vgg.normalise(torch.tensor([0.485, 0.456, 0.406])[None, :, None, None])
    assert grey.abs().max() < 0.5
    assert vgg.vgg.normalise(torch.ones(1, 3, 1, 1))[0, :, 0, 0].tolist() == pytest.approx([151, 138, 131], abs=2)


def test_the_compact_network_that_ships_judges_like_vgg19(vgg, shared_data):
    """Style losses of a few pictures against each other: the same order and about the same size."""
    folder = shared_data / "style" / "paintings"
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))[::7][:4]
    squares = [read_picture(path).resized(128, 128).rgb for path in files] + [draw(3, 128)]
    pictures = to_tensor(squares)
    losses = []
    with torch.inference_mode():
        for net in (vgg, compact_perception()):
            seen = [net(picture[None]) for picture in pictures]
            losses.append([style_loss(a, b).item() for i, a in enumerate(seen) for b in seen[:i]])
    assert np.corrcoef(np.log(losses))[0, 1] > 0.9
    assert all(0.5 < mine / real < 2 for real, mine in zip(*losses, strict=True))


def test_what_ships_is_frozen():
    net = compact_perception()
    assert net.name == "compact" and not net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert [e.out_channels for e in net.embeddings] == [64, 128, 256, 512]
    assert net.vgg.channels == perceptual.COMPACT_CHANNELS
    assert F.relu(net.vgg(torch.rand(1, 3, 32, 32))[-1]).max() > 0

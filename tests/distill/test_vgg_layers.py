"""VGG-19's activations by name: against torch's own layers, in both layouts, whole and cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from distill import vgg_layers as module
from distill.perceptual import TAPS, vgg_from_community
from distill.vgg_layers import LAYERS, STAGES, available, gram, open_layers, vgg_layers
from distill.weights import ENVIRONMENT
from runtime.errors import UserError
from tests.distill import tiny

WIDTHS = (4, 6, 8, 10, 10)
#: Places of the convolutions in torchvision's `vgg19().features`, and in `vgg16().features`.
PLACES_19 = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
PLACES_16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr("distill.weights.cache_directory", lambda: tmp_path / "no cache")


def convs(stages: tuple[int, ...] = STAGES) -> list[tuple[Tensor, Tensor]]:
    generator, found, into = torch.Generator().manual_seed(0), [], 3
    for count, width in zip(stages, WIDTHS, strict=True):
        for _ in range(count):
            weight = torch.randn(width, into, 3, 3, generator=generator) * (2 / (9 * into)) ** 0.5
            found.append((weight, 0.1 * torch.randn(width, generator=generator)))
            into = width
    return found


def community(count: int = len(LAYERS)) -> dict[str, Tensor]:
    """Of `vgg_normalised.pth`: the 1x1 layer, then padding, convolution, activation … numbered in one row."""
    first = (torch.eye(3).flip(0)[..., None, None] * 2, torch.tensor([-1.0, -0.9, -0.8]))
    return {
        f"{3 * n}.{part}": tensor
        for n, layer in enumerate([first, *convs()[:count]])
        for part, tensor in zip(("weight", "bias"), layer, strict=True)
    }


def torchvision(stages: tuple[int, ...] = STAGES, places: tuple[int, ...] = PLACES_19) -> dict[str, Tensor]:
    state = {"classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}
    for place, (weight, bias) in zip(places, convs(stages), strict=True):
        state |= {f"features.{place}.weight": weight, f"features.{place}.bias": bias}
    return state


def sequential(padding: str, pool: nn.Module) -> nn.Sequential:
    """The network of `convs` as torch puts it together; `LAYERS[i]` is where the i-th ReLU is."""
    layers: list[nn.Module] = []
    for name, (weight, bias) in zip(LAYERS, convs(), strict=True):
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, padding_mode=padding)
        conv.load_state_dict({"weight": weight, "bias": bias})
        layers += [pool] if name.endswith("_1") and name != "relu1_1" else []
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers)


def activations(net: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    found = []
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            found.append(x)
    return dict(zip(LAYERS, found, strict=True))


@pytest.mark.parametrize(("pooling", "pool"), [("average", nn.AvgPool2d(2)), ("max", nn.MaxPool2d(2))])
@torch.no_grad()
def test_activations_are_those_of_the_layers_put_together(pooling, pool):
    net, picture = vgg_layers(community(), pooling, "x.pth"), torch.rand(2, 3, 48, 32)
    state = community()
    wanted = activations(
        sequential("reflect", pool),
        torch.einsum("oi,nihw->nohw", state["0.weight"][..., 0, 0], picture) + state["0.bias"][:, None, None],
    )
    found = net(picture, LAYERS)
    assert list(found) == list(LAYERS) == list(net.layers)
    for name in LAYERS:
        assert torch.allclose(found[name], wanted[name], atol=1e-5), name
    assert set(net(picture, ["relu2_2", "relu1_1"])) == {"relu1_1", "relu2_2"}
    assert net.description == f"VGG-19 up to relu5_4 (x.pth, {pooling} pooling)"


@torch.no_grad()
def test_weights_that_are_cut_off_are_the_encoder_that_judges():
    state, picture = community(9), torch.rand(1, 3, 32, 48)
    net, encoder = vgg_layers(state, "max", "x.pth"), vgg_from_community(state)
    assert net.layers == LAYERS[:9] and net.layers[-1] == "relu4_1"
    for mine, theirs in zip(net(picture, TAPS).values(), encoder(picture), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


@torch.no_grad()
def test_torchvisions_weights_keep_their_proportions_and_have_means_of_one():
    net, picture = vgg_layers(torchvision(), "average", "vgg19.pth"), torch.rand(1, 3, 64, 48)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in module.IMAGENET)
    wanted = activations(sequential("zeros", nn.AvgPool2d(2)), (picture - mean) / deviation)
    for name, found in net(picture, LAYERS).items():
        for mine, theirs in zip(found[0], wanted[name][0], strict=True):  # one factor per filter, wherever it is active
            factor = (mine * theirs).sum() / theirs.square().sum().clamp_min(1e-9)
            assert torch.allclose(mine, factor * theirs, atol=1e-3 * mine.max().item() + 1e-6), name
    photos = module.open_pictures(None, "content", module.NORMALISED_AT, "train")
    seen = [net(module.to_tensor([photos[i]]), LAYERS) for i in range(module.NORMALISED_OVER)]
    for name in LAYERS:
        means = torch.cat([found[name].flatten(2) for found in seen], 2).mean((0, 2))
        assert ((means - 1).abs() < 1e-3).logical_or(means < 1e-3).all(), name
        assert (means > 0.5).any(), name


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (torchvision((2, 2, 3, 3, 3), PLACES_16), r"conv3_4 has the shape \(10, 8, 3, 3\)"),
        (community(8), r"it has 8 convolutions, and at least 9 are needed \(up to conv4_1\)"),
        ({k: v for k, v in community().items() if not k.startswith("0.")}, "its first layer is not the 1x1"),
        ({f"features.{n}.{p}": torch.ones(4) for n in range(3) for p in ("weight", "bias")}, "four dimensions"),
        ({"a.weight": torch.ones(4)}, "expected keys like"),
    ],
)
def test_other_networks_are_refused(tmp_path, state, reason):
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(UserError, match=f"x.pth is not VGG-19: .*{reason}") as caught:
        open_layers(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)


@torch.no_grad()
def test_where_weights_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "compact_perception", tiny.perception)
    compact = open_layers(None)
    assert compact.description == "the compact VGG that ships" and compact.layers == TAPS
    picture = torch.rand(1, 3, 32, 32)
    wanted = dict(zip(TAPS, tiny.perception().embedded(picture), strict=True))
    found = compact(picture, ["relu3_1", "relu4_1"])
    assert set(found) == {"relu3_1", "relu4_1"} and torch.equal(found["relu3_1"], wanted["relu3_1"])
    torch.save(community(9), tmp_path / "vgg_normalised.pth")
    assert "relu4_1 (vgg_normalised.pth" in open_layers(tmp_path).description
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert "relu4_1 (vgg_normalised.pth" in open_layers(None).description
    torch.save(torchvision(), tmp_path / "vgg19-dcbb9e9d.pth")
    assert "relu5_4 (vgg19-dcbb9e9d.pth" in open_layers(None, "max").description
    assert open_layers("compact").description == "the compact VGG that ships"
    with pytest.raises(UserError, match="pooling is average or max, not 'median'"):
        open_layers(None, "median")


@pytest.mark.parametrize(
    ("wanted", "layers", "chosen"),
    [
        (("relu4_2",), LAYERS, ("relu4_2",)),
        (("relu4_2",), LAYERS[:9], ("relu4_1",)),
        (("relu1_1", "relu5_1"), LAYERS[:9], ("relu1_1",)),
        (("relu1_2", "relu2_2", "relu3_3", "relu4_3"), LAYERS[:9], ("relu1_2", "relu2_2", "relu3_3", "relu4_1")),
        (("relu1_2", "relu2_2", "relu3_3", "relu4_3"), TAPS, TAPS),
        (("relu4_1", "relu4_3"), LAYERS[:9], ("relu4_1",)),
        (("relu1_1",), ("relu1_2", "relu2_1"), ("relu1_2",)),
        (("relu5_1",), TAPS, ("relu4_1",)),
    ],
)
def test_layers_that_stand_in(wanted, layers, chosen):
    assert available(wanted, layers) == chosen


def test_a_gram_matrix_is_inner_products_by_the_number_of_pixels():
    torch.manual_seed(0)
    features = torch.randn(2, 3, 4, 5)
    matrix = gram(features)
    assert matrix.shape == (2, 3, 3)
    for i in range(3):
        for j in range(3):
            wanted = (features[1, i] * features[1, j]).sum() / 20
            assert matrix[1, i, j].item() == pytest.approx(wanted.item(), abs=1e-6)


@torch.no_grad()
def test_the_real_weights(shared_data):
    """Gatys' normalised weights: mean activations of photos are near 1 with the pooling they were normalised with."""
    net = open_layers(shared_data / "weights", "max")
    assert net.layers[-1] == "relu4_1"
    photos = module.open_pictures(None, "content", 64, "train")
    seen = net(module.to_tensor([photos[0]]), net.layers)
    assert all(0.2 < seen[name].mean().item() < 3 for name in net.layers)

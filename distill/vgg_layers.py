"""VGG-19's activations by name, as deep as the weights go: what losses of published methods are defined on.

Simonyan & Zisserman 2014. Read are the AdaIN community's ``vgg_normalised.pth`` (the normalised weights of Gatys et
al., whole or cut off after any convolution from conv4_1 on) and torchvision's ``vgg19`` (``features.N``). Without
either, the compact VGG that ships gives the four activations it was trained for, in VGG-19's channels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.data import open_pictures
from distill.perceptual import TAPS, CompactPerception, compact_perception, conv_layers
from distill.samples import to_tensor
from distill.weights import ENVIRONMENT, choose_weights, load_state
from runtime.errors import UserError

#: 3x3 convolutions of VGG-19 by stage.
STAGES = (2, 2, 4, 4, 4)
LAYERS = tuple(f"relu{stage}_{number}" for stage, count in enumerate(STAGES, 1) for number in range(1, count + 1))
#: Weights that end before relu4_1 are of no use to any method.
LEAST = LAYERS.index("relu4_1") + 1
#: Names that torchvision's file is kept under.
TORCHVISION_FILES = ("vgg19-*.pth", "vgg19.pth")
#: What torchvision's networks expect: RGB in [0, 1] less this mean, by this deviation.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
#: Photos over whose pixels the mean activation of each filter becomes 1, and their short side.
NORMALISED_OVER, NORMALISED_AT = 4, 160


class VggLayers(nn.Module):
    """VGG-19 with the activations that its ``convs`` reach; ``layers`` are their names, shallow to deep.

    ``pooling`` is "average", as Gatys et al. have it, or "max".
    """

    def __init__(self, first: nn.Conv2d, convs: Sequence[nn.Conv2d], pooling: str, description: str):
        super().__init__()
        self.first, self.convs = first, nn.ModuleList(convs)
        self.layers, self.pooling, self.description = LAYERS[: len(convs)], pooling, description
        self.eval().requires_grad_(False)

    def forward(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> the ``wanted`` activations by name; nothing deeper than those is computed."""
        wanted, found, x = set(wanted), {}, self.first(picture)
        for name, conv in zip(self.layers, self.convs, strict=True):
            if name.endswith("_1") and name != LAYERS[0]:
                x = F.avg_pool2d(x, 2) if self.pooling == "average" else F.max_pool2d(x, 2)
            x = F.relu(conv(x))
            if name in wanted:
                found[name] = x
            if len(found) == len(wanted):
                break
        return found


class CompactLayers(nn.Module):
    """The four activations of the compact VGG, embedded in VGG-19's channels; it pools by the maximum."""

    layers = TAPS
    description = "the compact VGG that ships"

    def __init__(self, perception: CompactPerception):
        super().__init__()
        self.perception = perception

    def forward(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        wanted = set(wanted)
        return {name: x for name, x in zip(TAPS, self.perception.embedded(picture), strict=True) if name in wanted}


def open_layers(weights: str | Path | None, pooling: str = "average") -> VggLayers | CompactLayers:
    """VGG-19 from ``weights`` (a file, a folder, 'download', 'compact', or None to look around), else the compact one.

    Raises:
        UserError: ``weights`` is given and holds no VGG-19, or a file is damaged or of another network.
    """
    if pooling not in ("average", "max"):
        raise UserError(f"pooling is average or max, not '{pooling}'")
    path = _torchvision_file(weights) or choose_weights("vgg19", weights)
    if path is None:
        return CompactLayers(compact_perception())
    try:
        return vgg_layers(load_state(path), pooling, path.name)
    except ValueError as error:
        raise UserError(f"{path} is not VGG-19: {error}") from error


def _torchvision_file(weights: str | Path | None) -> Path | None:
    folder = weights if weights is not None else os.environ.get(ENVIRONMENT)
    if not folder or not Path(folder).is_dir():
        return None
    return next((path for pattern in TORCHVISION_FILES for path in sorted(Path(folder).glob(pattern))), None)


def vgg_layers(state: Mapping[str, Tensor], pooling: str, name: str) -> VggLayers:
    """The network of a state dict in either layout; ``name`` says in its description where it is from.

    torchvision's weights are rescaled as Gatys et al. did it, until the mean activation of each filter over photos is
    1, which changes nothing but units: :func:`normalise`.

    Raises:
        ValueError: the shapes are not VGG-19's pattern.
    """
    torchvision = any(key.startswith("features.") for key in state)
    if torchvision:
        state = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
    layers = conv_layers(state)
    if torchvision:
        first, padding = _imagenet_input(), "zeros"
    else:
        first, padding, layers = _conv(*layers[0], padding="reflect"), "reflect", layers[1:]
        if first.weight.shape != (3, 3, 1, 1):
            raise ValueError("its first layer is not the 1x1 convolution of vgg_normalised.pth")
    convs = [_conv(weight, bias, padding) for weight, bias in layers[: len(LAYERS)]]
    _require_pattern(convs)
    description = f"VGG-19 up to {LAYERS[len(convs) - 1]} ({name}, {pooling} pooling)"
    net = VggLayers(first, convs, pooling, description)
    if torchvision:
        photos = open_pictures(None, "content", NORMALISED_AT, "train")
        normalise(net, [to_tensor([photos[i]]) for i in range(NORMALISED_OVER)])
    return net


def _require_pattern(convs: Sequence[nn.Conv2d]) -> None:
    if len(convs) < LEAST:
        raise ValueError(f"it has {len(convs)} convolutions, and at least {LEAST} are needed (up to conv4_1)")
    before = 3
    for name, conv in zip(LAYERS, convs, strict=False):
        wide, into, *sides = conv.weight.shape
        # Only the first of a stage may change the width: VGG-16 and VGG-13 differ there.
        if into != before or sides != [3, 3] or (not name.endswith("_1") and wide != into):
            raise ValueError(f"{name.replace('relu', 'conv')} has the shape {tuple(conv.weight.shape)}")
        before = wide


@torch.no_grad()
def normalise(net: VggLayers, photos: Sequence[Tensor]) -> None:
    """Scale each filter so that its mean activation over all pixels of ``photos`` (1, 3, H, W) is 1.

    Each next convolution is scaled back, so that activations keep their proportions (section 2 of Gatys et al. 2016).
    Filters that no photo excites stay as they are.
    """
    seen = [net(photo, net.layers) for photo in photos]
    into: Tensor | None = None
    for name, conv in zip(net.layers, net.convs, strict=True):
        mean = torch.cat([activations[name].flatten(2) for activations in seen], 2).mean((0, 2))
        scale = torch.where(mean > 1e-6, 1 / mean.clamp_min(1e-6), torch.ones_like(mean))
        if into is not None:
            conv.weight /= into[:, None, None]
        conv.weight *= scale[:, None, None, None]
        conv.bias *= scale
        into = scale


def _conv(weight: Tensor, bias: Tensor, padding: str) -> nn.Conv2d:
    conv = nn.Conv2d(
        weight.shape[1], weight.shape[0], weight.shape[2:], padding=weight.shape[2] // 2, padding_mode=padding
    )
    conv.weight.data.copy_(weight)
    conv.bias.data.copy_(bias)
    return conv


def _imagenet_input() -> nn.Conv2d:
    mean, deviation = (torch.tensor(values) for values in IMAGENET)
    return _conv(torch.diag(1 / deviation)[..., None, None], -mean / deviation, "zeros")


def available(wanted: Sequence[str], layers: Sequence[str]) -> tuple[str, ...]:
    """The ``wanted`` layers as far as a network has them; each that it lacks is replaced by one of the same stage.

    The next shallower one, else the next deeper one; a layer of a stage that it lacks altogether is left out. Without
    any left, its deepest.
    """
    chosen: list[str] = []
    for name in wanted:
        stage = [layer for layer in layers if layer.split("_")[0] == name.split("_")[0]]
        shallower = [layer for layer in stage if layer <= name]
        near = shallower[-1] if shallower else (stage[0] if stage else None)
        if near is not None and near not in chosen:
            chosen.append(near)
    return tuple(chosen or layers[-1:])


def gram(features: Tensor) -> Tensor:
    """Gram matrices (N, C, C) of activations (N, C, H, W): inner products over the plane, by its number of pixels."""
    rows = features.flatten(2).float()
    return rows @ rows.mT / rows.shape[2]

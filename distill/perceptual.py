"""Perceptual feature networks: VGG-19 to relu4_1 in the AdaIN community's layout, and the compact stand-in that ships.

VGG-19: Simonyan & Zisserman 2014, with the weight normalisation of Gatys et al. 2016. Both networks take RGB pictures
of shape (N, 3, H, W) in [0, 1] and return the four activations relu1_1, relu2_1, relu3_1 and relu4_1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.moments import MeanAndCovariance, Moments
from distill.pretrained import FOLDER, load_weights
from distill.weights import choose_weights, load_state
from runtime.errors import UserError

#: Names of the activations every perceptual network returns, shallow to deep (strides 1, 2, 4, 8).
TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
#: 3x3 convolutions of VGG-19 up to conv4_1, grouped by the resolution they work at.
CONVS_PER_STAGE = (2, 2, 4, 1)
COMPACT_CHANNELS = (16, 32, 64, 128)


def moments(features: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the picture plane: (N, C, H, W) -> two tensors (N, C, 1, 1)."""
    var, mean = torch.var_mean(features.float(), dim=(2, 3), keepdim=True, correction=0)
    return mean, (var + eps).sqrt()


class Vgg(nn.Module):
    """VGG-19 up to relu4_1 with any channel counts.

    ``channels`` are the widths of the four stages; ``normalise`` adds the 1x1 layer with which the community's
    ``vgg_normalised.pth`` turns RGB in [0, 1] into centred BGR; ``padding`` is ``reflect`` for the community's
    weights and ``zeros`` for networks that are exported to a device.
    """

    def __init__(self, channels: Sequence[int] = (64, 128, 256, 512), normalise: bool = True, padding: str = "reflect"):
        super().__init__()
        self.channels = tuple(channels)
        self.normalise = nn.Conv2d(3, 3, 1) if normalise else None
        convs, before = [], 3
        for width, count in zip(self.channels, CONVS_PER_STAGE, strict=True):
            for _ in range(count):
                convs.append(nn.Conv2d(before, width, 3, padding=1, padding_mode=padding))
                before = width
        self.convs = nn.ModuleList(convs)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """(N, 3, H, W) RGB in [0, 1] -> four activations; both sides must be at least 16 pixels."""
        x = picture if self.normalise is None else self.normalise(picture)
        taps, index = [], 0
        for stage, count in enumerate(CONVS_PER_STAGE):
            if stage:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            for position in range(count):
                x = F.relu(self.convs[index](x))
                if position == 0:
                    taps.append(x)
                index += 1
        return taps


@dataclass(frozen=True)
class Perception:
    """What a picture looks like to a loss: ``content`` is relu4_1 (N, 512, H/8, W/8), ``style`` mean and deviation of
    every tap, each (N, C, 1, 1)."""

    content: Tensor
    style: list[tuple[Tensor, Tensor]]


class Vgg19Perception(nn.Module):
    """Perception by VGG-19 itself: the judge of every table, and the loss of a run's last steps."""

    name = "vgg19"

    def __init__(self, vgg: Vgg):
        super().__init__()
        self.vgg = vgg.requires_grad_(False)

    def content(self, picture: Tensor) -> Tensor:
        """The content of :meth:`forward` alone."""
        return self.vgg(picture)[-1].float()

    def forward(self, picture: Tensor) -> Perception:
        taps = self.vgg(picture)
        return Perception(taps[-1].float(), [Moments.apply(tap, 1e-5) for tap in taps])


class CompactPerception(nn.Module):
    """Perception by the compact VGG, in VGG-19's own units.

    Linear embeddings (Wang et al. 2020, Collaborative Distillation) map each activation back to VGG-19's channels.
    They are never applied to whole maps for style: the mean of a linear map is the map of the mean, and the variance
    of channel i is ``w_i C w_i`` with C the covariance of the few compact channels.
    """

    name = "compact"

    def __init__(self, channels: Sequence[int] = COMPACT_CHANNELS, targets: Sequence[int] = (64, 128, 256, 512)):
        super().__init__()
        self.vgg = Vgg(channels, normalise=False, padding="zeros")
        self.embeddings = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(channels, targets, strict=True))

    def embedded(self, picture: Tensor) -> list[Tensor]:
        """The four activations in VGG-19's channels; what training the embeddings compares."""
        return [embed(tap) for embed, tap in zip(self.embeddings, self.vgg(picture), strict=True)]

    def content(self, picture: Tensor) -> Tensor:
        """The content of :meth:`forward` alone."""
        return self.embeddings[-1](self.vgg(picture)[-1]).float()

    def forward(self, picture: Tensor) -> Perception:
        taps = self.vgg(picture)
        style = [embedded_moments(tap, embed) for tap, embed in zip(taps, self.embeddings, strict=True)]
        return Perception(self.embeddings[-1](taps[-1]).float(), style)


def embedded_moments(features: Tensor, embed: nn.Conv2d, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Mean and deviation (N, D, 1, 1) of ``embed(features)`` for a 1x1 convolution, from C x C covariances only."""
    # Autocast would multiply in half precision whatever the inputs are: too coarse for differences of statistics.
    with torch.autocast(features.device.type, enabled=False):
        mean, covariance = MeanAndCovariance.apply(features)
        weight = embed.weight.flatten(1)
        variance = (weight @ covariance * weight).sum(2)
        mean = mean[:, 0] @ weight.T + embed.bias
    return mean[..., None, None], (variance.clamp_min(0) + eps).sqrt()[..., None, None]


def compact_perception() -> CompactPerception:
    """The perceptual network that ships, frozen."""
    net = CompactPerception()
    net.load_state_dict(load_weights(FOLDER / "compact_vgg.safetensors"))
    return net.eval().requires_grad_(False)


def vgg19_perception(weights: str | Path | None, beside: bool = False) -> Vgg19Perception | None:
    """VGG-19 when its weights are found (see :mod:`distill.weights`), else None.

    ``beside``: ``weights`` are a teacher's, which VGG-19 may lie beside.
    """
    file = choose_weights("vgg19", weights, beside)
    if file is None:
        return None
    try:
        return Vgg19Perception(vgg_from_community(load_state(file)))
    except ValueError as error:
        raise UserError(f"{file} is not a VGG-19 encoder: {error}") from error


def vgg_from_community(state: Mapping[str, Tensor]) -> Vgg:
    """Build a frozen :class:`Vgg` from a ``vgg_normalised.pth`` state dict, reading the widths off the shapes.

    The community numbers the layers of one long ``nn.Sequential``; only conv layers carry weights, and they appear in
    order, so the keys are sorted by number and everything beyond conv4_1 is ignored. Raises ``ValueError`` when the
    shapes are not VGG-19's pattern.
    """
    layers = conv_layers(state)
    wanted = 1 + sum(CONVS_PER_STAGE)
    if len(layers) < wanted:
        raise ValueError(
            f"a VGG-19 encoder has at least {wanted} convolutions up to conv4_1, these weights have {len(layers)}"
        )
    layers = layers[:wanted]
    first_of_stage = [1 + sum(CONVS_PER_STAGE[:stage]) for stage in range(len(CONVS_PER_STAGE))]
    net = Vgg([layers[i][0].shape[0] for i in first_of_stage])
    return load_convs(net, [net.normalise, *net.convs], layers)


def conv_layers(state: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """(weight, bias) pairs of a state dict with keys ``<number>.weight``, ordered by number; else ``ValueError``."""
    try:
        numbers = sorted({int(key.split(".")[0]) for key in state})
        pairs = [(state[f"{n}.weight"].float(), state[f"{n}.bias"].float()) for n in numbers]
    except (KeyError, ValueError, AttributeError) as error:
        raise ValueError("expected keys like '0.weight' and '0.bias' (one long nn.Sequential)") from error
    if any(weight.dim() != 4 for weight, _ in pairs):
        raise ValueError("expected convolution weights of four dimensions")
    return pairs


def load_convs(net: nn.Module, convs: Sequence[nn.Conv2d], layers: Sequence[tuple[Tensor, Tensor]]) -> nn.Module:
    """Copy ``layers`` into ``convs`` one by one, freeze ``net``; ``ValueError`` names the first shape that differs."""
    for position, (conv, (weight, bias)) in enumerate(zip(convs, layers, strict=True)):
        for wanted, found in ((conv.weight, weight), (conv.bias, bias)):
            if wanted.shape != found.shape:
                raise ValueError(
                    f"convolution {position} has shape {tuple(found.shape)}, expected {tuple(wanted.shape)}"
                )
        conv.weight.data.copy_(weight)
        conv.bias.data.copy_(bias)
    return net.eval().requires_grad_(False)

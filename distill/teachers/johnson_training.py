"""Training a network of Johnson, Alahi & Fei-Fei (2016) from one painting and photos.

The losses are the paper's: feature reconstruction (equation 2), style reconstruction by Gram matrices over C H W
(equations 3 and 4), and total variation, minimised by Adam on batches of four. The loss network is VGG-19 instead of
VGG-16, its layers of the same names: content at relu2_2, style at relu1_2, relu2_2, relu3_3 and relu4_3, or as near to
these as the weights at hand go. As runs here are shorter than the paper's 40 000 steps, the rate is four times its 10⁻³
and falls on a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.data import PictureSet, random_crop
from distill.losses import variation_loss
from distill.samples import to_tensor
from distill.teachers.johnson import BLOCKS, paint_pytorch
from distill.teachers.named_weights import NamedWeights
from distill.vgg_layers import CompactLayers, VggLayers, available, gram
from runtime.errors import UserError
from runtime.framing import resize
from runtime.image_files import read_picture

CONTENT_LAYERS = ("relu2_2",)
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
#: Channels of the first convolution at width 1.
BASE = 32
#: What of Adam's rate is left at the end.
LAST_RATE = 0.02
CROP_STREAM = 8


@dataclass(frozen=True)
class JohnsonSettings:
    """What a network is trained with. Crops have ``size`` pixels, the painting's short side ``style_size``."""

    width: float = 0.5
    steps: int = 2000
    batch: int = 4
    size: int = 160
    style_size: int = 256
    content_weight: float = 1.0
    style_weight: float = 2.0
    variation_weight: float = 0.05
    seed: int = 0
    learning_rate: float = 4e-3

    def __post_init__(self) -> None:
        if not (self.width > 0 and 1 <= self.channels <= 4 * BASE):
            raise UserError(f"the width of a Johnson network is above 0 and at most 4, not {self.width:g}")
        if not (1 <= self.steps <= 10_000_000 and 1 <= self.batch <= 256):
            raise UserError("the steps of training are at least 1, and so are the pictures of a batch")
        if not all(32 <= side <= 1024 for side in (self.size, self.style_size)) or self.size % 4:
            raise UserError("sizes in training are from 32 to 1024 pixels, those of crops multiples of 4")
        if not all(0 <= w < inf for w in (self.content_weight, self.style_weight, self.variation_weight)):
            raise UserError("the weights of losses are numbers of at least 0")
        if not 0 < self.learning_rate < 1:
            raise UserError(f"the learning rate lies between 0 and 1, not at {self.learning_rate:g}")
        if self.seed < 0:
            raise UserError(f"the seed is at least 0, not {self.seed}")

    @property
    def channels(self) -> int:
        """Of the first convolution."""
        return round(BASE * self.width)


class JohnsonLoss:
    """The paper's losses of painted pictures, for one painting (1, 3, H, W)."""

    def __init__(self, network: VggLayers | CompactLayers, painting: Tensor, how: JohnsonSettings):
        self.network, self.how = network, how
        self.content_layers = available(CONTENT_LAYERS, network.layers)
        self.style_layers = available(STYLE_LAYERS, network.layers)
        with torch.no_grad():
            self.style = {name: per_channel_gram(x) for name, x in network(painting, self.style_layers).items()}

    @property
    def description(self) -> str:
        layers = f"content at {', '.join(self.content_layers)}, style at {', '.join(self.style_layers)}"
        return f"{self.network.description}, {layers}"

    def __call__(self, painted: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Weighted losses by name, of pictures (N, 3, H, W)."""
        with torch.no_grad():
            wanted = self.network(photo, self.content_layers)
        seen = self.network(painted, {*self.content_layers, *self.style_layers})
        content = sum((seen[name] - x).square().mean() for name, x in wanted.items())
        return {
            "content": self.how.content_weight * content,
            "style": self.how.style_weight * style_loss([(seen[name], x) for name, x in self.style.items()]),
            "variation": self.how.variation_weight * variation_loss(painted),
        }


def per_channel_gram(features: Tensor) -> Tensor:
    """Equation 3: inner products of (N, C, H, W) over the plane, divided by C H W."""
    return gram(features) / features.shape[1]


def style_loss(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Equation 4, the squared Frobenius norm of the difference of Gram matrices, summed over layers; batch mean."""
    return sum((per_channel_gram(mine) - wanted).square().sum((1, 2)).mean() for mine, wanted in pairs)


def initial_weights(channels: int, seed: int) -> dict[str, Tensor]:
    """Random weights in the layout of pytorch/examples: convolutions as torch starts them, normalisations at 1 and 0.

    The last bias is a grey of 127.5 instead of the black that the network would have to leave first.
    """
    c, generator, state = channels, torch.Generator().manual_seed(seed), {}

    def add(name: str, norm: str | None, out: int, into: int, side: int) -> None:
        bound = 1 / math.sqrt(into * side * side)
        for part, shape in (("weight", (out, into, side, side)), ("bias", (out,))):
            state[f"{name}.conv2d.{part}"] = (2 * torch.rand(shape, generator=generator) - 1) * bound
        if norm is not None:
            state[f"{norm}.weight"], state[f"{norm}.bias"] = torch.ones(out), torch.zeros(out)

    add("conv1", "in1", c, 3, 9)
    add("conv2", "in2", 2 * c, c, 3)
    add("conv3", "in3", 4 * c, 2 * c, 3)
    for block in range(1, BLOCKS + 1):
        for number in (1, 2):
            add(f"res{block}.conv{number}", f"res{block}.in{number}", 4 * c, 4 * c, 3)
    add("deconv1", "in4", 2 * c, 4 * c, 3)
    add("deconv2", "in5", c, 2 * c, 3)
    add("deconv3", None, 3, c, 9)
    state["deconv3.conv2d.bias"] = torch.full((3,), 127.5)
    return state


class JohnsonLessons:
    """The weights and their optimiser. ``record`` says of the loss, photos and painting what the settings do not."""

    def __init__(
        self, settings: JohnsonSettings, loss: JohnsonLoss, photos: PictureSet, record: Mapping[str, Any], device: str
    ):
        self.settings, self.loss, self.photos, self.device = settings, loss, photos, device
        self.record = {**asdict(settings), **record}
        self.network = NamedWeights(initial_weights(settings.channels, settings.seed), trainable=True).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), settings.learning_rate)
        self.parts = {"network": self.network, "optimiser": self.optimiser}

    def step(self, number: int) -> dict[str, float]:
        done = number / self.settings.steps
        rate = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))
        self.optimiser.param_groups[0]["lr"] = self.settings.learning_rate * rate
        photo = self.batch(number).to(self.device)
        losses = self.loss(paint_pytorch(self.network, photo), photo)
        self.optimiser.zero_grad()
        sum(losses.values()).backward()
        self.optimiser.step()
        return {name: value.item() for name, value in losses.items()}

    def batch(self, number: int) -> Tensor:
        rng = np.random.default_rng([self.settings.seed, CROP_STREAM, number])
        chosen = (self.photos[int(i)] for i in rng.integers(len(self.photos), size=self.settings.batch))
        return to_tensor([random_crop(photo, self.settings.size, rng, augment=False) for photo in chosen])


def painting_of(path: Path, short_side: int) -> Tensor:
    """A painting as (1, 3, H, W) with that short side."""
    rgb = read_picture(path).on_white()
    ratio = short_side / min(rgb.shape[:2])
    return to_tensor([resize(rgb, *(max(short_side, round(side * ratio)) for side in rgb.shape[:2]))])

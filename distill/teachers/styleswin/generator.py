"""StyleSwin's generator (Zhang et al. 2022) in the official layout of microsoft/StyleSwin, at any width and depth.

A constant of 4 x 4 grows through layers of two blocks with double attention, each layer but the last ending in a
bilinear upsampling that adds sinusoidal positions; every layer adds to the picture through a 1x1
convolution, as StyleGAN2's skips do. A mapping network turns noise into the style that modulates every block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.teachers.styleswin.attention import Block, EqualLinear

#: What the mapping network learns at, in parts of the rest's rate.
MAPPING_RATE = 0.01
#: Pictures come out as ImageNet normalises them.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Buffers of the official code that follow from the shapes.
FOLLOWS = ("relative_position_index", "attn_mask1", "attn_mask2", "_float_tensor", "upsample.kernel")


@dataclass(frozen=True)
class LayerShape:
    """A layer's channels, its attention's window and heads (of each half), and what its perceptrons hide."""

    channels: int
    window: int
    heads: int
    hidden: int

    @classmethod
    def usual(cls, channels: int, side: int) -> LayerShape:
        """As the paper has it, for a layer that works on pictures of that side: windows of 8, 32 channels per head."""
        return cls(channels, min(side, 8), max(channels // 32, 4) // 2, 4 * channels)


@dataclass(frozen=True)
class Shape:
    """What a generator's weights say of it."""

    layers: tuple[LayerShape, ...]
    style: int = 512
    mapping: int = 8

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Shape:
        """Read off the shapes of an official state dict; ``KeyError`` or ``ValueError`` where it is none."""
        layers = []
        while f"layers.{len(layers)}.blocks.0.qkv.weight" in state:
            block = f"layers.{len(layers)}.blocks.0"
            rows, heads = state[f"{block}.attn.0.relative_position_bias_table"].shape
            hidden, channels = state[f"{block}.mlp.fc1.weight"].shape
            layers.append(LayerShape(channels, (math.isqrt(rows) + 1) // 2, heads, hidden))
        mapping = sum(name.startswith("style.") and name.endswith(".weight") for name in state)
        if not layers or not mapping:
            raise ValueError("it has no layers of attention, or no mapping network")
        if any(layer.channels % 4 or layer.channels < 8 for layer in layers):
            raise ValueError("channels are multiples of 4 from 8 on")
        return cls(tuple(layers), state["style.1.weight"].shape[1], mapping)


class PixelNorm(nn.Module):
    """Vectors (N, C) to a mean square of 1."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class ConstantInput(nn.Module):
    """The learned 4 x 4 that every picture starts from."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Upsample(nn.Module):
    """Twice the side, other channels, and ``alpha`` times the sinusoidal positions."""

    def __init__(self, channels: int, outputs: int):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(channels), nn.Linear(channels, outputs, bias=False)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
        x = self.reduction(self.norm(x.permute(0, 2, 3, 1)))
        return x + self.alpha * positions(*x.shape[1:]).to(x)


def positions(height: int, width: int, channels: int) -> Tensor:
    """(H, W, C): sines and cosines of the column, counted from 1, in the first half, of the row in the second.

    Frequencies fall from 1 to 1/10000 (Vaswani et al. 2017; in two dimensions Xu et al. 2021).
    """
    count = channels // 4
    frequencies = torch.exp(torch.arange(count) * -(math.log(10000) / (count - 1)))
    down, right = (
        torch.cat([angles.sin(), angles.cos()], 1)
        for angles in (torch.arange(1, side + 1)[:, None] * frequencies for side in (height, width))
    )
    return torch.cat([right[None].expand(height, -1, -1), down[:, None].expand(-1, width, -1)], 2)


class Layer(nn.Module):
    """Two blocks, and an upsampling where ``outputs`` are given."""

    def __init__(self, shape: LayerShape, style: int, outputs: int | None):
        super().__init__()
        parts = (shape.channels, shape.window, shape.heads, shape.hidden, style)
        self.blocks = nn.ModuleList(Block(*parts) for _ in range(2))
        self.upsample = None if outputs is None else Upsample(shape.channels, outputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, style)
        return x if self.upsample is None else self.upsample(x)


class ToRgb(nn.Module):
    """What a layer adds to the picture (N, 3, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv, self.bias = nn.Conv2d(channels, 3, 1), nn.Parameter(torch.zeros(1, 3, 1, 1))
        kernel = torch.tensor([1.0, 3, 3, 1])
        self.register_buffer("kernel", (kernel[:, None] * kernel / 16).expand(3, 1, 4, 4).clone(), persistent=False)

    def forward(self, x: Tensor, picture: Tensor | None) -> Tensor:
        added = self.conv(x.permute(0, 3, 1, 2)) + self.bias
        if picture is None:
            return added
        if picture.shape[2] < added.shape[2]:
            picture = F.conv_transpose2d(picture, self.kernel, stride=2, padding=1, groups=3)
        return added + picture


class Generator(nn.Module):
    """Noise (N, style) to pictures; or, by :meth:`decode`, features of a photo in the place of the constant."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        mapping = (EqualLinear(shape.style, shape.style, MAPPING_RATE, True) for _ in range(shape.mapping))
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = ConstantInput(shape.layers[0].channels)
        after = [layer.channels for layer in shape.layers[1:]]
        self.layers = nn.ModuleList(
            Layer(layer, shape.style, outputs) for layer, outputs in zip(shape.layers, [*after, None], strict=True)
        )
        self.to_rgbs = nn.ModuleList(ToRgb(channels) for channels in [*after, shape.layers[-1].channels])
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)
        self.apply(initialise)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Generator:
        """From an official state dict; ``KeyError``, ``ValueError`` or ``RuntimeError`` where it is none."""
        state = {name: value for name, value in state.items() if not name.endswith(FOLLOWS)}
        generator = cls(Shape.of(state))
        generator.load_state_dict(state)
        return generator

    def forward(self, noise: Tensor) -> Tensor:
        """Pictures (N, 3, S, S), about [0, 1]."""
        constant = self.input.input.permute(0, 2, 3, 1).expand(len(noise), -1, -1, -1)
        return self.decode(constant, self.style(noise), 0)

    def decode(self, x: Tensor, style: Tensor, first: int) -> Tensor:
        """(N, h, w, C) through the layers from ``first`` on, in a style of the mapping network -> (N, 3, H, W)."""
        picture = None
        for layer, to_rgb in zip(self.layers[first:], self.to_rgbs[first:], strict=True):
            x = layer(x, style)
            picture = to_rgb(x, picture)
        return picture * self.deviation + self.mean


def initialise(layer: nn.Module) -> None:
    """The official start of plain layers; equalised ones have theirs."""
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
    elif isinstance(layer, nn.Conv2d):
        nn.init.xavier_normal_(layer.weight, gain=0.02)
    if isinstance(layer, (nn.Linear, nn.Conv2d)) and layer.bias is not None:
        nn.init.zeros_(layer.bias)

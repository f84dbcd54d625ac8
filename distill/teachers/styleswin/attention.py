"""Double attention of StyleSwin (Zhang et al. 2022): half of the heads see windows, the other half shifted ones.

Each head is softmax(QKᵀ/√d + B)V within its windows, B a bias by relative position (Liu et al. 2021, equation 4);
the heads' results are put side by side and projected together. Pictures are (N, H, W, C) here, sides multiples of the
window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: What a position of another region, brought into a window by the cyclic shift, has added to its score.
FOREIGN = -100.0


class WindowAttention(nn.Module):
    """Attention within windows, with a learned bias for each relative position and head."""

    def __init__(self, window: int, heads: int):
        super().__init__()
        self.window, self.heads = window, heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("places", relative_places(window), persistent=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, shift: int = 0) -> Tensor:
        """Three pictures (N, H, W, C) to one; windows begin ``shift`` pixels down and right of the corner."""
        height, width = query.shape[1:3]
        bias = self.relative_position_bias_table[self.places].permute(2, 0, 1)
        if shift:
            query, key, value = (x.roll((-shift, -shift), (1, 2)) for x in (query, key, value))
            regions = foreign_regions(height, width, self.window, shift)
            bias = bias + regions[:, None].to(bias)
        query, key, value = (windows(x, self.window, self.heads) for x in (query, key, value))
        x = merged(F.scaled_dot_product_attention(query, key, value, bias), height, width)
        return x.roll((shift, shift), (1, 2)) if shift else x


def relative_places(window: int) -> Tensor:
    """(N, N) rows of the bias table, by the places of query and key among the N pixels of a window."""
    y, x = (torch.arange(window * window) // window, torch.arange(window * window) % window)
    down, right = (place[:, None] - place[None] + window - 1 for place in (y, x))
    return down * (2 * window - 1) + right


def windows(x: Tensor, window: int, heads: int) -> Tensor:
    """(N, H, W, C) -> (N, windows, heads, window², C / heads)."""
    n, height, width, channels = x.shape
    x = x.view(n, height // window, window, width // window, window, heads, channels // heads)
    return x.permute(0, 1, 3, 5, 2, 4, 6).reshape(n, -1, heads, window * window, channels // heads)


def merged(x: Tensor, height: int, width: int) -> Tensor:
    """What :func:`windows` took apart."""
    n, _, heads, pixels, depth = x.shape
    window = math.isqrt(pixels)
    x = x.view(n, height // window, width // window, heads, window, window, depth)
    return x.permute(0, 1, 4, 2, 5, 3, 6).reshape(n, height, width, heads * depth)


def foreign_regions(height: int, width: int, window: int, shift: int) -> Tensor:
    """(windows, window², window²): 0 where two pixels of a shifted window were neighbours before, else ``FOREIGN``."""
    rows, columns = (regions(side, window, shift) for side in (height, width))
    region = windows((rows[:, None] * 3 + columns[None])[None, ..., None], window, 1)[0, :, 0, :, 0]
    return torch.where(region[:, :, None] == region[:, None], 0.0, FOREIGN)


def regions(side: int, window: int, shift: int) -> Tensor:
    """Which of three stretches each pixel of a shifted side is from."""
    place = torch.arange(side)
    return (place >= side - window).long() + (place >= side - shift).long()


class EqualLinear(nn.Module):
    """A linear layer whose weights are scaled when they are used (Karras et al. 2018, 2020).

    ``rate`` makes it learn more slowly than the rest, as the mapping network does; ``activate`` adds a leaky ReLU.
    """

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, activate: bool = False):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outputs, inputs) / rate), nn.Parameter(torch.zeros(outputs))
        self.rate, self.scale, self.activate = rate, rate / math.sqrt(inputs), activate

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.rate)
        return F.leaky_relu(x, 0.2) * math.sqrt(2) if self.activate else x


class AdaptiveInstanceNorm(nn.Module):
    """Instance normalisation, then scale and shift from the style (equation 8 of Huang & Belongie 2017)."""

    def __init__(self, channels: int, style: int):
        super().__init__()
        self.style = EqualLinear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.style(style)[:, None, None].chunk(2, -1)
        variance, mean = torch.var_mean(x, (1, 2), correction=0, keepdim=True)
        return (x - mean) * (variance + 1e-5).rsqrt() * scale + shift


class Mlp(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Double attention and a perceptron, each after an AdaIN and around a skip."""

    def __init__(self, channels: int, window: int, heads: int, hidden: int, style: int):
        super().__init__()
        self.window = window
        self.norm1, self.norm2 = (AdaptiveInstanceNorm(channels, style) for _ in range(2))
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.attn = nn.ModuleList(WindowAttention(window, heads) for _ in range(2))
        self.mlp = Mlp(channels, hidden)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        shift = self.window // 2 if min(x.shape[1:3]) > self.window else 0
        halves = [part.chunk(2, -1) for part in self.qkv(self.norm1(x, style)).chunk(3, -1)]
        plain, shifted = (self.attended(halves, branch, shift * branch) for branch in range(2))
        x = x + self.proj(torch.cat([plain, shifted], -1))
        return x + self.mlp(self.norm2(x, style))

    def attended(self, halves: Sequence[Sequence[Tensor]], branch: int, shift: int) -> Tensor:
        """Query, key and value of half of the channels through that half's attention."""
        return self.attn[branch](*(half[branch] for half in halves), shift)

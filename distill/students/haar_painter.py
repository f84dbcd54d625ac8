"""The student: style encoder, content statistics and a painter at quarter resolution with a Haar stem and head.

Adaptive instance normalisation (Huang & Belongie 2017) is split as the design asks: the style encoder predicts target
means and deviations, the content's own are measured on a thumbnail, and the painter only multiplies and adds. Two
kinds of site are modulated: *measured* ones, which carry content features and are normalised by the content's
statistics, and *conditioned* ones further on, whose scale and shift come from the style alone (FiLM, Perez et al.
2018); both are the same arithmetic with a mean of 0 and a deviation of 1 for the latter.

Fine detail: the head does not paint pixels but the Haar low pass and gains for the photo's own Haar details. Texture
below two pixels is therefore the photo's, amplified or damped, never a lattice of the network's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.perceptual import COMPACT_CHANNELS, Vgg, moments
from distill.students.layers import UpsampleConv, conv, haar_analysis, haar_synthesis

Affine = tuple[Tensor, Tensor]
CODE_HIDDEN = 88
#: Bounds what a file that claims to be a student can make us allocate.
MOST_BLOCKS = 16
MIN_DEVIATION = 0.02
STATS_EPS = 1e-4


@dataclass(frozen=True)
class Site:
    """A modulated layer: ``channels`` maps at 1/``stride`` of the picture's resolution."""

    name: str
    channels: int
    stride: int
    measured: bool


def rounded(channels: float) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(8, round(channels / 8) * 8)


def modulate(x: Tensor, affine: Affine) -> Tensor:
    scale, shift = affine
    return x * scale + shift


class Residual(nn.Module):
    """Two 3x3 convolutions around a skip; the inner activation may be modulated."""

    def __init__(self, channels: int):
        super().__init__()
        self.inner, self.outer = conv(channels, channels), conv(channels, channels)
        nn.init.normal_(self.outer.weight, 0, 0.1 * (2 / (9 * channels)) ** 0.5)

    def forward(self, x: Tensor, affine: Affine | None = None) -> Tensor:
        hidden = self.inner(x)
        if affine is not None:
            hidden = modulate(hidden, affine)
        return x + self.outer(F.relu(hidden))


class StyleEncoder(nn.Module):
    """Style picture (N, 3, H, W) in [0, 1] -> style code (N, 2, M): target mean and deviation per modulated channel.

    Means and deviations of the compact VGG's four activations are the very statistics that the style loss compares;
    a small perceptron turns them into the code. The encoder stays frozen: it ships once for every width.
    """

    def __init__(self, measured: Sequence[bool]):
        super().__init__()
        self.features = Vgg(COMPACT_CHANNELS, normalise=False, padding="zeros")
        self.features.requires_grad_(False)
        inputs, outputs = 2 * sum(COMPACT_CHANNELS), 2 * len(measured)
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.register_buffer("measured", torch.tensor(measured), persistent=False)
        self.hidden, self.out = nn.Linear(inputs, CODE_HIDDEN), nn.Linear(CODE_HIDDEN, outputs)
        nn.init.normal_(self.out.weight, 0, 0.02)
        nn.init.zeros_(self.out.bias)

    def statistics(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 480): means and deviations of the compact VGG's activations."""
        return torch.cat([m.flatten(1) for tap in self.features(picture) for m in moments(tap)], 1)

    @torch.no_grad()
    def calibrate(self, statistics: Tensor) -> None:
        """Centre and scale the perceptron's inputs by a sample of :meth:`statistics`, shape (K, 480)."""
        self.centre.copy_(statistics.mean(0))
        self.spread.copy_(statistics.std(0).clamp_min(1e-3))

    def code_of(self, statistics: Tensor) -> Tensor:
        normal = ((statistics - self.centre) / self.spread).clamp(-6, 6)
        mean, raw = self.out(F.relu(self.hidden(normal))).view(len(normal), 2, -1).unbind(1)
        deviation = torch.where(self.measured, F.softplus(raw + 0.5) + MIN_DEVIATION, 1 + raw)
        return torch.stack([mean, deviation], 1)

    def forward(self, picture: Tensor) -> Tensor:
        return self.code_of(self.statistics(picture))


class HaarPainter(nn.Module):
    """A student of any width; ``width`` multiplies 128 trunk and 64 half-resolution channels (rounded to 8)."""

    architecture = "haar_painter"
    size_multiple = 4

    def __init__(self, width: float = 0.25, blocks: int = 3):
        super().__init__()
        if not 0 < width <= 4:
            raise ValueError(f"width must be above 0 and at most 4, got {width}")
        if not 0 <= blocks <= MOST_BLOCKS:
            raise ValueError(f"a painter has 0 to {MOST_BLOCKS} blocks, got {blocks}")
        self.width, self.block_count = width, blocks
        #: Reach of a pixel's influence, in pixels: what tiles must overlap by. Each block adds two quarter pixels.
        self.halo = 24 + 8 * blocks
        trunk, half = rounded(128 * width), rounded(64 * width)
        self.sites = (
            Site("skip", half, 2, True),
            Site("trunk", trunk, 4, True),
            *(Site(f"block{i}", trunk, 4, False) for i in range(blocks)),
            Site("up", half, 2, False),
            Site("mix", half, 2, False),
        )
        self.stem, self.down, self.encode = conv(3, half, 6, 2), conv(half, trunk, 4, 2), Residual(trunk)
        self.blocks = nn.ModuleList(Residual(trunk) for _ in range(blocks))
        self.up, self.skip, self.mix = UpsampleConv(trunk, half), conv(half, half, 1), conv(half, half)
        self.head = conv(half, 12)
        nn.init.normal_(self.head.weight, 0, 0.02)
        self.head.bias.data.copy_(torch.tensor([0.5] * 3 + [1.0] * 9))
        analysis = haar_analysis()
        analysis[:3] = 0
        self.register_buffer("detail_weight", analysis, persistent=False)
        self.register_buffer("detail_bias", torch.tensor([1.0] * 3 + [0.0] * 9), persistent=False)
        self.register_buffer("synthesis", haar_synthesis(), persistent=False)
        self.style = StyleEncoder([s.measured for s in self.sites for _ in range(s.channels)])

    def content_features(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Activations at the two measured sites: (N, half, H/2, W/2) and (N, trunk, H/4, W/4)."""
        half = F.relu(self.stem(picture))
        return half, self.encode(F.relu(self.down(half)))

    def measure(self, thumbnail: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 2, M): mean and deviation per channel; 0 and 1 at sites that are not measured."""
        half, trunk = (
            torch.stack([m.flatten(1) for m in moments(f, STATS_EPS)], 1) for f in self.content_features(thumbnail)
        )
        rest = sum(s.channels for s in self.sites if not s.measured)
        neutral = torch.stack([half.new_zeros(len(half), rest), half.new_ones(len(half), rest)], 1)
        return torch.cat([half, trunk, neutral], 2)

    def affine(self, code: Tensor, stats: Tensor) -> list[Affine]:
        """AdaIN's arithmetic: codes and statistics (N, 2, M) -> per site a scale and a shift (N, C, 1, 1)."""
        scale = code[:, 1] / stats[:, 1]
        shift = code[:, 0] - scale * stats[:, 0]
        widths = [s.channels for s in self.sites]
        pairs = zip(scale.split(widths, 1), shift.split(widths, 1), strict=True)
        return [(a[..., None, None], b[..., None, None]) for a, b in pairs]

    def paint(self, content: Tensor, affine: Sequence[Affine]) -> Tensor:
        """(N, 3, H, W) with sides that are multiples of 4, and one affine per site -> picture, not clipped."""
        skip, trunk, *blocks, up, mix = affine
        half, x = self.content_features(content)
        x = modulate(x, trunk)
        for block, site in zip(self.blocks, blocks, strict=True):
            x = block(x, site)
        x = F.relu(modulate(self.up(x), up) + self.skip(modulate(half, skip)))
        x = F.relu(modulate(self.mix(x), mix))
        detail = F.conv2d(content, self.detail_weight, self.detail_bias, stride=2)
        return F.pixel_shuffle(F.conv2d(self.head(x) * detail, self.synthesis), 2)

    def forward(self, content: Tensor, style: Tensor, thumbnail: Tensor | None = None) -> Tensor:
        """Stylise in one go; the content measures itself unless a thumbnail of it is given."""
        stats = self.measure(content if thumbnail is None else thumbnail)
        return self.paint(content, self.affine(self.style(style), stats))

"""The student: style encoder, content statistics and a painter at quarter resolution with a Haar stem and head.

Adaptive instance normalisation (Huang & Belongie 2017) is split as the design asks: the style encoder predicts target
means and deviations, the content's own are measured on a thumbnail, and the painter only multiplies and adds. Two
kinds of site are modulated: *measured* ones, which carry content features and are normalised by the content's
statistics, and *conditioned* ones further on, whose scale and shift come from the style alone (FiLM, Perez et al.
2018); both are the same arithmetic with a mean of 0 and a deviation of 1 for the latter.

Fine detail: the head does not paint pixels but the Haar low pass and gains for the photo's own Haar details. A painter
with *grain* adds details of its own, from where its features change; in flat areas there is nothing to make them from,
so neither kind can become a lattice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.perceptual import COMPACT_CHANNELS, Vgg, moments
from distill.students.layers import GrainConv, UpsampleConv, conv, haar_analysis, haar_synthesis

Affine = tuple[Tensor, Tensor]
CODE_HIDDEN = 88
#: Bounds what a file that claims to be a student can make us allocate.
MOST_BLOCKS, MOST_CHANNELS = 16, 512
MIN_DEVIATION = 0.02
STATS_EPS = 1e-4


@dataclass(frozen=True)
class Site:
    """A modulated layer: ``channels`` maps at 1/``stride`` of the picture's resolution."""

    name: str
    channels: int
    stride: int
    measured: bool


@dataclass(frozen=True)
class Channels:
    """How many channels each freely chosen layer of a painter has; multiples of 8 up to ``MOST_CHANNELS``.

    ``half`` are the features at half the resolution, ``trunk`` the stream that all residual blocks add to, ``encode``
    and ``blocks`` the insides of the residuals, ``up`` the sum of upsampled trunk and skip, ``mix`` what the head sees.
    """

    half: int
    trunk: int
    encode: int
    blocks: tuple[int, ...]
    up: int
    mix: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.blocks) > MOST_BLOCKS:
            raise ValueError(f"a painter has 0 to {MOST_BLOCKS} blocks, got {len(self.blocks)}")
        for count in (self.half, self.trunk, self.encode, *self.blocks, self.up, self.mix):
            if type(count) is not int or not 8 <= count <= MOST_CHANNELS or count % 8:
                raise ValueError(f"channels are multiples of 8 from 8 to {MOST_CHANNELS}, got {count!r}")

    @classmethod
    def of_width(cls, width: float, blocks: int) -> Channels:
        """A painter's channels before any pruning; ``width`` multiplies 128 of the trunk and 64 at half resolution."""
        if not 0 < width <= 4:
            raise ValueError(f"width must be above 0 and at most 4, got {width}")
        if not 0 <= blocks <= MOST_BLOCKS:
            raise ValueError(f"a painter has 0 to {MOST_BLOCKS} blocks, got {blocks}")
        trunk, half = rounded(128 * width), rounded(64 * width)
        return cls(half, trunk, trunk, (trunk,) * blocks, half, half)


def rounded(channels: float) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(8, round(channels / 8) * 8)


def modulate(x: Tensor, affine: Affine | None) -> Tensor:
    if affine is None:
        return x
    scale, shift = affine
    return x * scale + shift


class Residual(nn.Module):
    """Two 3x3 convolutions around a skip; the inner activation may be modulated."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.inner, self.outer = conv(channels, hidden), conv(hidden, channels)
        nn.init.normal_(self.outer.weight, 0, 0.1 * (2 / (9 * hidden)) ** 0.5)

    def forward(self, x: Tensor, affine: Affine | None = None) -> Tensor:
        return x + self.outer(F.relu(modulate(self.inner(x), affine)))


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


class HaarLayers(nn.Module):
    """The layers that paint, without the style that steers them.

    128 trunk and 64 half-resolution channels times ``width``, or ``channels`` as given. ``grain`` adds details of its
    own to the head's; a fresh one adds none yet.
    """

    architecture = ""
    size_multiple = 4
    #: The modulated layers of a student; none where a style is folded into the weights.
    sites: tuple[Site, ...] = ()

    def __init__(
        self,
        width: float = 0.25,
        blocks: int = 3,
        channels: Channels | Mapping[str, Any] | None = None,
        grain: bool = False,
    ):
        super().__init__()
        c = Channels.of_width(width, blocks)
        if channels is not None:
            c = channels if isinstance(channels, Channels) else Channels(**channels)
        if len(c.blocks) != blocks:
            raise ValueError(f"a painter of {blocks} blocks cannot have channels for {len(c.blocks)}")
        self.width, self.block_count, self.channels = width, blocks, c
        #: Reach of a pixel's influence, in pixels: what tiles must overlap by. Each block adds two quarter pixels.
        self.halo = 24 + 8 * blocks
        self.stem, self.down = conv(3, c.half, 6, 2), conv(c.half, c.trunk, 4, 2)
        self.encode = Residual(c.trunk, c.encode)
        self.blocks = nn.ModuleList(Residual(c.trunk, inner) for inner in c.blocks)
        self.up, self.skip, self.mix = UpsampleConv(c.trunk, c.up), conv(c.half, c.up, 1), conv(c.up, c.mix)
        self.head = conv(c.mix, 12)
        nn.init.normal_(self.head.weight, 0, 0.02)
        self.head.bias.data.copy_(torch.tensor([0.5] * 3 + [1.0] * 9))
        self.grain = GrainConv(c.mix, 12) if grain else None
        analysis = haar_analysis()
        analysis[:3] = 0
        self.register_buffer("detail_weight", analysis, persistent=False)
        self.register_buffer("detail_bias", torch.tensor([1.0] * 3 + [0.0] * 9), persistent=False)
        self.register_buffer("synthesis", haar_synthesis(), persistent=False)

    @classmethod
    def of_weights(cls, state: Mapping[str, Tensor]) -> HaarLayers:
        """The painter that a state dict fits, with these weights; ``width`` is what its trunk would have."""
        blocks = sum(key.startswith("blocks.") and key.endswith(".inner.weight") for key in state)
        inner = tuple(len(state[f"blocks.{i}.inner.weight"]) for i in range(blocks))
        half, trunk, encode, up, mix = (
            len(state[f"{layer}.weight"]) for layer in ("stem", "down", "encode.inner", "skip", "mix")
        )
        channels = Channels(half, trunk, encode, inner, up, mix)
        painter = cls(trunk / 128, blocks, channels, grain="grain.weight" in state)
        painter.load_state_dict(state)
        return painter

    @property
    def shape(self) -> dict[str, Any]:
        """The arguments that make a painter of this shape, as JSON."""
        shape: dict[str, Any] = {"width": self.width, "blocks": self.block_count}
        if self.channels != Channels.of_width(self.width, self.block_count):
            shape["channels"] = {**asdict(self.channels), "blocks": list(self.channels.blocks)}
        if self.grain is not None:
            shape["grain"] = True
        return shape

    def content_features(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Activations at half and quarter resolution: (N, half, H/2, W/2) and (N, trunk, H/4, W/4)."""
        half = F.relu(self.stem(picture))
        return half, self.encode(F.relu(self.down(half)))

    def decode(self, content: Tensor, affine: Sequence[Affine | None]) -> Tensor:
        """A picture from ``content``; ``affine`` holds one for each site of a student that is steered."""
        skip, trunk, *blocks, up, mix = affine
        half, x = self.content_features(content)
        x = modulate(x, trunk)
        for block, site in zip(self.blocks, blocks, strict=True):
            x = block(x, site)
        x = F.relu(modulate(self.up(x), up) + self.skip(modulate(half, skip)))
        x = F.relu(modulate(self.mix(x), mix))
        detail = F.conv2d(content, self.detail_weight, self.detail_bias, stride=2)
        bands = self.head(x) * detail
        if self.grain is not None:
            bands = bands + self.grain(x)
        return F.pixel_shuffle(F.conv2d(bands, self.synthesis), 2)


class HaarPainter(HaarLayers):
    """A student that paints in any style, at any width."""

    architecture = "haar_painter"

    def __init__(
        self,
        width: float = 0.25,
        blocks: int = 3,
        channels: Channels | Mapping[str, Any] | None = None,
        grain: bool = False,
    ):
        super().__init__(width, blocks, channels, grain)
        c = self.channels
        self.sites = (
            Site("skip", c.half, 2, True),
            Site("trunk", c.trunk, 4, True),
            *(Site(f"block{i}", inner, 4, False) for i, inner in enumerate(c.blocks)),
            Site("up", c.up, 2, False),
            Site("mix", c.mix, 2, False),
        )
        self.style = StyleEncoder([s.measured for s in self.sites for _ in range(s.channels)])

    @property
    def site_layers(self) -> tuple[str, ...]:
        """Per site the name of the layer whose output channels it modulates."""
        return ("stem", "down", *(f"blocks.{i}.inner" for i in range(self.block_count)), "up.conv5", "mix")

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
        return self.decode(content, affine)

    def forward(self, content: Tensor, style: Tensor, thumbnail: Tensor | None = None) -> Tensor:
        """Stylise in one go; the content measures itself unless a thumbnail of it is given."""
        stats = self.measure(content if thumbnail is None else thumbnail)
        return self.paint(content, self.affine(self.style(style), stats))

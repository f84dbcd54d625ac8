"""MicroAST: towards super-fast ultra-resolution arbitrary style transfer (Wang et al. 2023).

Two micro encoders, of content and style, with activations at a quarter of the resolution from two depths; a modulator
that turns the style's into a weight and a bias per channel; and a decoder whose residual blocks are modulated by them
(dual modulation: AdaIN, then weight and bias inside the block).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.networks import Networks, Weights, conv, count, load_weights, moments

if TYPE_CHECKING:
    from torch import Tensor

#: Convolutions of an encoder before its first residual block: place in the sequence and stride.
ENCODER = ((0, 1), (2, 2), (4, 1), (6, 2), (8, 1))
#: The decoder's last part: places of its convolutions, and of the upsamplings before them.
DECODER, UPSAMPLED = (1, 3, 6, 8, 10), (1, 6)


def networks(files: Mapping[str, Path]) -> Networks:
    """The four networks in ``files``."""
    names = ("content_encoder", "style_encoder", "modulator", "decoder")
    content, style, modulator, decoder = (load_weights(files[name]) for name in names)
    return Networks(
        lambda picture, *codes: paint(content, decoder, picture, *codes),
        lambda picture: style_codes(style, modulator, picture),
        count(content, style, modulator, decoder),
    )


def style_codes(encoder: Weights, modulator: Weights, picture: Tensor) -> tuple[Tensor, ...]:
    """Mean, deviation, weight and bias (1, C, 1, 1) at the shallow depth, then at the deep one."""
    codes: list[Tensor] = []
    for number, features in enumerate(_encode(encoder, picture), start=1):
        modulation = (
            conv(modulator, f"{kind}{number}.0.conv_layer", features).mean((2, 3), keepdim=True)
            for kind in ("weight", "bias")
        )
        codes += [*moments(features), *modulation]
    return tuple(codes)


def paint(encoder: Weights, decoder: Weights, picture: Tensor, *codes: Tensor) -> Tensor:
    """(1, 3, H, W) in [0, 1] -> the same, unclipped; H and W multiples of 4."""
    import torch.nn.functional as F

    x = _encode(encoder, picture)[-1]
    for name, (mean, deviation, weight, bias) in (("dec1", codes[4:]), ("dec2", codes[:4])):
        own_mean, own_deviation = moments(x)
        x = (x - own_mean) / own_deviation * deviation + mean
        y = F.relu(weight * conv(decoder, f"{name}.conv1.conv_layer", x) + bias * x)
        x = x + weight * conv(decoder, f"{name}.conv2.conv_layer", y) + bias * y
    for place in DECODER:
        if place in UPSAMPLED:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = conv(decoder, f"dec3.{place}.conv_layer", x)
        x = x if place == DECODER[-1] else F.relu(x)
    return x


def _encode(weights: Weights, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Features (1, C, H/4, W/4) of two depths."""
    import torch.nn.functional as F

    x = picture
    for place, stride in ENCODER:
        x = F.relu(conv(weights, f"enc1.{place}.conv_layer", x, stride))
    shallow = _residual(weights, "enc1.10", x)
    return shallow, _residual(weights, "enc2.0", shallow)


def _residual(weights: Weights, name: str, x: Tensor) -> Tensor:
    import torch.nn.functional as F

    return x + conv(weights, f"{name}.conv2.conv_layer", F.relu(conv(weights, f"{name}.conv1.conv_layer", x)))

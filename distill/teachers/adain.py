"""AdaIN: arbitrary style transfer in real time with adaptive instance normalization (Huang & Belongie 2017).

A VGG-19 encoder up to relu4_1, statistics of the style's activations imposed on the content's (equation 8), and a
decoder that mirrors the encoder. Reads the community's weights (``vgg_normalised.pth`` and ``decoder.pth``) at any
width; where there are none, the compact teacher that ships steps in and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from distill.perceptual import (
    CONVS_PER_STAGE,
    Vgg,
    compact_perception,
    conv_layers,
    load_convs,
    moments,
    vgg_from_community,
)
from distill.pretrained import FOLDER, load_weights
from distill.teachers.teacher import Teacher
from distill.weights import choose_weights, load_state
from runtime.errors import UserError


class Decoder(nn.Module):
    """Mirror of :class:`~distill.perceptual.Vgg`: relu4_1 (N, C, h, w) -> picture (N, 3, 8h, 8w), about [0, 1].

    ``channels`` are the encoder's stage widths, shallow to deep. Every pooling is mirrored by nearest upsampling;
    padding is reflective and the last convolution has no activation.
    """

    def __init__(self, channels: tuple[int, ...] = (64, 128, 256, 512)):
        super().__init__()
        shapes: list[tuple[int, int]] = []
        self.upsample_after: set[int] = set()
        for stage in reversed(range(len(channels))):
            leaves = channels[stage - 1] if stage else 3
            shapes += [(channels[stage],) * 2] * (CONVS_PER_STAGE[stage] - 1) + [(channels[stage], leaves)]
            if stage:
                self.upsample_after.add(len(shapes) - 1)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, padding_mode="reflect") for a, b in shapes)

    def forward(self, features: Tensor) -> Tensor:
        x = features
        for index, layer in enumerate(self.convs):
            x = layer(x)
            if index < len(self.convs) - 1:
                x = F.relu(x)
            if index in self.upsample_after:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return x


def decoder_from_community(state: Mapping[str, Tensor]) -> Decoder:
    """Build a frozen :class:`Decoder` from ``decoder.pth``; ``ValueError`` when the shapes are not a decoder's."""
    layers = conv_layers(state)
    if len(layers) != sum(CONVS_PER_STAGE) or layers[-1][0].shape[0] != 3:
        raise ValueError(f"an AdaIN decoder has {sum(CONVS_PER_STAGE)} convolutions and ends in 3 channels")
    last_of_stage = [sum(reversed(CONVS_PER_STAGE[stage:])) - 1 for stage in range(len(CONVS_PER_STAGE))]
    decoder = Decoder(tuple(layers[i][0].shape[1] for i in last_of_stage))
    return load_convs(decoder, list(decoder.convs), layers)


def adaptive_instance_normalisation(content: Tensor, style: Tensor) -> Tensor:
    """Equation 8: content features (N, C, h, w) with the style features' mean and deviation."""
    (content_mean, content_std), (style_mean, style_std) = moments(content), moments(style)
    return (content - content_mean) / content_std * style_std + style_mean


class AdainTeacher(Teacher):
    """Encoder, AdaIN, decoder."""

    name = "adain"

    def __init__(self, encoder: Vgg, decoder: Decoder, description: str, licence: str):
        super().__init__(description, licence)
        if encoder.channels[-1] != decoder.convs[0].weight.shape[1]:
            raise UserError(
                f"the encoder ends in {encoder.channels[-1]} channels and the decoder starts with "
                f"{decoder.convs[0].weight.shape[1]}: give weights that belong together"
            )
        self.encoder, self.decoder = encoder, decoder
        self.eval().requires_grad_(False)

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        encoded = adaptive_instance_normalisation(self.encoder(content)[-1], self.encoder(style)[-1])
        painted = self.decoder(encoded)
        return painted[..., : content.shape[2], : content.shape[3]]


def compact_adain() -> AdainTeacher:
    """The AdaIN teacher that ships: the compact VGG and a decoder of the same widths."""
    encoder = compact_perception().vgg
    decoder = Decoder(encoder.channels)
    decoder.load_state_dict(load_weights(FOLDER / "compact_adain_decoder.safetensors"))
    description = "the compact AdaIN that ships with brushlet (0.44 M parameters)"
    return AdainTeacher(encoder, decoder, description, "Apache-2.0; trained from VGG-19 (CC BY 4.0) and AdaIN (MIT)")


def load(weights: str | Path | None) -> AdainTeacher:
    """The real teacher when its two files are found (see :mod:`distill.weights`), else the compact one.

    Raises :class:`~runtime.errors.UserError` when ``weights`` is given but does not hold both files, or holds others.
    """
    vgg_file, decoder_file = choose_weights("vgg19", weights), choose_weights("adain-decoder", weights)
    if vgg_file is None or decoder_file is None:
        return compact_adain()
    try:
        encoder = vgg_from_community(load_state(vgg_file))
        decoder = decoder_from_community(load_state(decoder_file))
    except ValueError as error:
        raise UserError(
            f"the AdaIN weights ({vgg_file.name}, {decoder_file.name}) are of another architecture: {error}"
        ) from error
    millions = sum(p.numel() for net in (encoder, decoder) for p in net.parameters()) / 1e6
    description = f"AdaIN with the weights {vgg_file.name} and {decoder_file.name} ({millions:.1f} M parameters)"
    return AdainTeacher(encoder, decoder, description, "VGG-19 CC BY 4.0; AdaIN decoder MIT")

"""MicroAST: towards super-fast ultra-resolution arbitrary style transfer (Wang et al. 2023, AAAI).

Two micro encoders, of content and style, with activations at a quarter of the resolution from two depths; a modulator
that turns the style's into a weight and a bias per channel; and a decoder whose residual blocks are modulated by them
(dual modulation: AdaIN, then weight and bias inside the block). Reads the four files that its authors published
(EndyWon/MicroAST), at any width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from distill.teachers.named_weights import NamedWeights, conv, proved, weight_count
from distill.teachers.teacher import Teacher, at_multiple, cropped_to
from distill.teachers.weight_files import find_files
from distill.weights import load_state

#: The files by role, as the authors name them.
FILES = {
    "content_encoder": "content_encoder_iter_*.pth.tar",
    "style_encoder": "style_encoder_iter_*.pth.tar",
    "modulator": "modulator_iter_*.pth.tar",
    "decoder": "decoder_iter_*.pth.tar",
}
#: Convolutions of an encoder before its first residual block: place in the sequence and stride.
ENCODER = ((0, 1), (2, 2), (4, 1), (6, 2), (8, 1))
#: The decoder's last part: places of its convolutions, and of the upsamplings before them.
DECODER, UPSAMPLED = (1, 3, 6, 8, 10), (1, 6)


class MicroAstTeacher(Teacher):
    """Micro encoders, modulator and decoder."""

    name = "microast"

    def __init__(self, states: Mapping[str, Mapping[str, Tensor]], description: str, licence: str):
        super().__init__(description, licence)
        for role in FILES:
            self.add_module(role, NamedWeights(states[role]))

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        return cropped_to(content, self.paint(at_multiple(content), *self.style_codes(style)))

    def style_codes(self, style: Tensor) -> tuple[Tensor, ...]:
        """Mean, deviation, weight and bias (N, C, 1, 1) at the shallow depth, then at the deep one."""
        codes: list[Tensor] = []
        for depth, features in enumerate(encode(self.style_encoder, style), start=1):
            modulation = (
                conv(self.modulator, f"{kind}{depth}.0.conv_layer", features).mean((2, 3), keepdim=True)
                for kind in ("weight", "bias")
            )
            codes += [*unbiased_moments(features), *modulation]
        return tuple(codes)

    def paint(self, content: Tensor, *codes: Tensor) -> Tensor:
        """Content (N, 3, H, W), sides multiples of 4, and :meth:`style_codes` -> picture, not clipped."""
        x = encode(self.content_encoder, content)[-1]
        for name, (mean, deviation, weight, bias) in (("dec1", codes[4:]), ("dec2", codes[:4])):
            own_mean, own_deviation = unbiased_moments(x)
            x = (x - own_mean) / own_deviation * deviation + mean
            y = F.relu(weight * conv(self.decoder, f"{name}.conv1.conv_layer", x) + bias * x)
            x = x + weight * conv(self.decoder, f"{name}.conv2.conv_layer", y) + bias * y
        for place in DECODER:
            if place in UPSAMPLED:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = conv(self.decoder, f"dec3.{place}.conv_layer", x)
            x = x if place == DECODER[-1] else F.relu(x)
        return x


def encode(weights: NamedWeights, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, C, H/4, W/4) of two depths."""
    x = picture
    for place, stride in ENCODER:
        x = F.relu(conv(weights, f"enc1.{place}.conv_layer", x, stride))
    shallow = residual(weights, "enc1.10", x)
    return shallow, residual(weights, "enc2.0", shallow)


def residual(weights: NamedWeights, name: str, x: Tensor) -> Tensor:
    return x + conv(weights, f"{name}.conv2.conv_layer", F.relu(conv(weights, f"{name}.conv1.conv_layer", x)))


def unbiased_moments(x: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Mean and unbiased deviation over the picture plane, as the authors trained with: two tensors (N, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True), (x.var((2, 3), keepdim=True) + eps).sqrt()


def of_files(files: Mapping[str, Path]) -> MicroAstTeacher:
    """The teacher of four files by role; ``UserError`` when they are damaged or of another network."""
    teacher = MicroAstTeacher({role: load_state(files[role]) for role in FILES}, "", "EndyWon/MicroAST, MIT")
    number = weight_count(teacher) / 1e6
    teacher.description = f"MicroAST with the weights of {files['decoder'].name} ({number:.2f} M parameters)"
    return proved(teacher, ", ".join(path.name for path in files.values()))


def load(weights: str | Path | None) -> MicroAstTeacher:
    """The teacher of the files below the folder ``weights``; see :func:`~distill.teachers.weight_files.find_files`."""
    return of_files(find_files("microast", FILES, weights))

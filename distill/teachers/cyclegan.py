"""The generator of CycleGAN (Zhu, Park, Isola & Efros 2017): photos of one kind become photos of another.

A ResNet of six or nine blocks in the official layout (junyanz/pytorch-CycleGAN-and-pix2pix), or with separable
convolutions (depthwise, normalisation, 1x1) and channel counts found by search, as GAN Compression (Li et al. 2020)
made it small. Instance normalisation without scale and shift, pictures from -1 to 1, tanh at the end. The numbers in
the weights' names are places in a sequence that also counts paddings, normalisations, activations and dropout.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from distill.teachers.named_weights import NamedWeights, conv, instance_norm, proved, weight_count
from distill.teachers.teacher import OneStyleTeacher
from distill.teachers.weight_files import find_file
from distill.weights import load_state

PATTERNS = ("*net_G*.pth",)
LICENCE = "layouts of CycleGAN and GAN Compression (BSD); the weights' own terms are their maker's"
#: Place of the first residual block.
FIRST_BLOCK = 10


class CycleGanTeacher(OneStyleTeacher):
    """The ResNet generator of one direction."""

    name = "cyclegan"

    def __init__(self, weights: NamedWeights, description: str, licence: str, style_name: str):
        super().__init__(description, licence, style_name)
        self.weights = weights
        self.blocks = len({name.split(".")[1] for name in weights.names() if ".conv_block." in name})

    def paint(self, content: Tensor) -> Tensor:
        weights, after = self.weights, FIRST_BLOCK + self.blocks
        x = F.relu(instance_norm(conv(weights, "model.1", content * 2 - 1)))
        for place in (4, 7):
            x = F.relu(instance_norm(conv(weights, f"model.{place}", x, stride=2, pad="constant")))
        for place in range(FIRST_BLOCK, after):
            x = x + self.block(f"model.{place}.conv_block", x)
        for place in (after, after + 3):
            weight, bias = weights[f"model.{place}.weight"], weights[f"model.{place}.bias"]
            x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
            x = F.relu(instance_norm(x))
        return (torch.tanh(conv(weights, f"model.{after + 7}", x)) + 1) / 2

    def block(self, name: str, x: Tensor) -> Tensor:
        """What a residual block adds; its second convolution stands one place later where there is dropout."""
        second = 6 if any(f"{name}.6.{part}" in self.weights for part in ("weight", "conv.0.weight")) else 5
        y = F.relu(instance_norm(self.plain_or_separable(f"{name}.1", x)))
        return instance_norm(self.plain_or_separable(f"{name}.{second}", y))

    def plain_or_separable(self, name: str, x: Tensor) -> Tensor:
        if f"{name}.weight" in self.weights:
            return conv(self.weights, name, x)
        return conv(self.weights, f"{name}.conv.2", instance_norm(conv(self.weights, f"{name}.conv.0", x)))


def of_file(path: Path) -> CycleGanTeacher:
    """The teacher of one file; ``UserError`` when it is damaged or of another network."""
    teacher = CycleGanTeacher(NamedWeights(load_state(path)), "", LICENCE, path.name.split("_")[0])
    number = weight_count(teacher) / 1e6
    teacher.description = f"CycleGAN with the weights {path.name} ({number:.2f} M parameters)"
    return proved(teacher, path.name)


def load(weights: str | Path | None) -> CycleGanTeacher:
    """The teacher of the file ``weights``, or of the only one below that folder."""
    return of_file(find_file("cyclegan", PATTERNS, weights))

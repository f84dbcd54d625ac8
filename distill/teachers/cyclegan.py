"""The generator of CycleGAN (Zhu, Park, Isola & Efros 2017): photos of one kind become photos of another.

A ResNet of six or nine blocks in the official layout (junyanz/pytorch-CycleGAN-and-pix2pix), or with separable
convolutions (depthwise, normalisation, 1x1) and channel counts found by search, as GAN Compression (Li et al. 2020)
made it small. Instance normalisation without scale and shift, pictures from -1 to 1, tanh at the end. The numbers in
the weights' names are places in a sequence that also counts paddings, normalisations, activations and dropout.

:mod:`distill.teachers.cyclegan_training` trains one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.teachers.named_weights import NamedWeights, conv, instance_norm, proved, weight_count
from distill.teachers.patch_gan import PatchGan
from distill.teachers.teacher import OneStyleTeacher
from distill.teachers.weight_files import find_file
from distill.weights import load_state

PATTERNS = ("*net_G*.pth", "*net_G*.safetensors")
LICENCE = "layouts of CycleGAN and GAN Compression (BSD); the weights' own terms are their maker's"
#: Place of the first residual block.
FIRST_BLOCK = 10
#: Deviation of the weights that training starts from, as in the official code.
INITIAL_DEVIATION = 0.02


class CycleGanTeacher(OneStyleTeacher):
    """The ResNet generator of one direction; ``judge`` is the file of its discriminator, where that was kept."""

    name = "cyclegan"

    def __init__(
        self, weights: NamedWeights, description: str, licence: str, style_name: str, judge: Path | None = None
    ):
        super().__init__(description, licence, style_name)
        self.weights, self.judge = weights, judge
        self.blocks = len({name.split(".")[1] for name in weights.names() if ".conv_block." in name})

    def paint(self, content: Tensor) -> Tensor:
        weights, after = self.weights, FIRST_BLOCK + self.blocks
        x = deque(self.states(content), 1)[0]
        for place in (after, after + 3):
            weight, bias = weights[f"model.{place}.weight"], weights[f"model.{place}.bias"]
            x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
            x = F.relu(instance_norm(x))
        return (torch.tanh(conv(weights, f"model.{after + 7}", x)) + 1) / 2

    def states(self, content: Tensor) -> Iterator[Tensor]:
        """Activations at a quarter of the resolution: before the first residual block, and after each."""
        x = F.relu(instance_norm(conv(self.weights, "model.1", content * 2 - 1)))
        for place in (4, 7):
            x = F.relu(instance_norm(conv(self.weights, f"model.{place}", x, stride=2, pad="constant")))
        yield x
        for place in range(FIRST_BLOCK, FIRST_BLOCK + self.blocks):
            x = x + self.block(f"model.{place}.conv_block", x)
            yield x

    def trunk(self, content: Tensor) -> list[Tensor]:
        return list(self.states(content))

    def discriminator(self) -> nn.Module | None:
        return None if self.judge is None else PatchGan.of_file(self.judge)

    def block(self, name: str, x: Tensor) -> Tensor:
        """What a residual block adds; its second convolution stands one place later where there is dropout."""
        second = 6 if any(f"{name}.6.{part}" in self.weights for part in ("weight", "conv.0.weight")) else 5
        y = F.relu(instance_norm(self.plain_or_separable(f"{name}.1", x)))
        return instance_norm(self.plain_or_separable(f"{name}.{second}", y))

    def plain_or_separable(self, name: str, x: Tensor) -> Tensor:
        if f"{name}.weight" in self.weights:
            return conv(self.weights, name, x)
        return conv(self.weights, f"{name}.conv.2", instance_norm(conv(self.weights, f"{name}.conv.0", x)))


def initial_weights(channels: int, blocks: int) -> NamedWeights:
    """Trainable weights of a plain generator in the official layout, ``channels`` at full resolution."""
    c, after = channels, FIRST_BLOCK + blocks
    shapes = {"model.1": (c, 3, 7, 7), "model.4": (2 * c, c, 3, 3), "model.7": (4 * c, 2 * c, 3, 3)}
    for place in range(FIRST_BLOCK, after):
        shapes |= {f"model.{place}.conv_block.{part}": (4 * c, 4 * c, 3, 3) for part in (1, 5)}
    # Transposed convolutions are stored as (inputs, outputs, height, width).
    shapes |= {f"model.{after}": (4 * c, 2 * c, 3, 3), f"model.{after + 3}": (2 * c, c, 3, 3)}
    shapes |= {f"model.{after + 7}": (3, c, 7, 7)}
    state = {}
    for name, shape in shapes.items():
        outputs = shape[1] if name in (f"model.{after}", f"model.{after + 3}") else shape[0]
        state[f"{name}.weight"] = torch.randn(shape) * INITIAL_DEVIATION
        state[f"{name}.bias"] = torch.zeros(outputs)
    return NamedWeights(state, trainable=True)


def beside(generator: Path, letter: str) -> Path:
    """Where a generator's companion is: ``D``, which judges its pictures, or ``F``, which leads back."""
    if "net_G" in generator.name:
        return generator.with_name(generator.name.replace("net_G", f"net_{letter}"))
    return generator.with_name(f"{generator.stem}_net_{letter}{generator.suffix}")


def of_file(path: Path) -> CycleGanTeacher:
    """The teacher of one file; ``UserError`` when it is damaged or of another network."""
    judge = beside(path, "D")
    weights = NamedWeights(load_state(path))
    teacher = CycleGanTeacher(weights, "", LICENCE, path.stem.split("_")[0], judge if judge.is_file() else None)
    number = weight_count(teacher) / 1e6
    teacher.description = f"CycleGAN with the weights {path.name} ({number:.2f} M parameters)"
    return proved(teacher, path.name)


def load(weights: str | Path | None) -> CycleGanTeacher:
    """The teacher of the file ``weights``, or of the only one below that folder."""
    return of_file(find_file("cyclegan", PATTERNS, weights))

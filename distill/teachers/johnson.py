"""Perceptual losses for real-time style transfer (Johnson, Alahi & Fei-Fei 2016), with weights of one style.

In the layout of pytorch/examples (``fast_neural_style``, any number of channels): three convolutions, five residual
blocks and two nearest upsamplings with convolutions, reflection padding, instance normalisation with scale and shift
(Ulyanov et al. 2016), pictures from 0 to 255. Files ending in .npz are in the TensorFlow layout instead
(:mod:`distill.teachers.johnson_tensorflow`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from distill.teachers.johnson_tensorflow import LICENCE as LICENCE_TENSORFLOW
from distill.teachers.johnson_tensorflow import paint_tensorflow, read_layers
from distill.teachers.named_weights import NamedWeights, conv, instance_norm, proved, weight_count
from distill.teachers.teacher import OneStyleTeacher
from distill.teachers.weight_files import find_file
from distill.weights import load_state

#: Files that a folder is searched for; one of another name is given by itself.
PATTERNS = ("*.model", "*.npz")
LICENCE = "layout of pytorch/examples (BSD-3-Clause); the weights' own terms are their maker's"
BLOCKS = 5


class JohnsonTeacher(OneStyleTeacher):
    """The image transformation network, in the layout that ``painting`` is for."""

    name = "johnson"

    def __init__(
        self,
        weights: NamedWeights,
        painting: Callable[[NamedWeights, Tensor], Tensor],
        description: str,
        licence: str,
        style_name: str,
    ):
        super().__init__(description, licence, style_name)
        self.weights, self._painting = weights, painting

    def paint(self, content: Tensor) -> Tensor:
        return self._painting(self.weights, content)


def paint_pytorch(weights: NamedWeights, picture: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1], sides multiples of 4 -> the same, not clipped."""
    x = picture * 255
    for number, stride in ((1, 1), (2, 2), (3, 2)):
        x = F.relu(instance_norm(conv(weights, f"conv{number}.conv2d", x, stride), weights, f"in{number}"))
    for number in range(1, BLOCKS + 1):
        name = f"res{number}"
        y = F.relu(instance_norm(conv(weights, f"{name}.conv1.conv2d", x), weights, f"{name}.in1"))
        x = x + instance_norm(conv(weights, f"{name}.conv2.conv2d", y), weights, f"{name}.in2")
    for number in (1, 2):
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = F.relu(instance_norm(conv(weights, f"deconv{number}.conv2d", x), weights, f"in{number + 3}"))
    return conv(weights, "deconv3.conv2d", x) / 255


def of_file(path: Path) -> JohnsonTeacher:
    """The teacher of one file; ``UserError`` when it is damaged or of another network."""
    if path.suffix == ".npz":
        weights, painting, licence = NamedWeights(read_layers(path)), paint_tensorflow, LICENCE_TENSORFLOW
    else:
        weights, painting, licence = NamedWeights(load_state(path)), paint_pytorch, LICENCE
    style = path.stem.removeprefix("full_").split("_")[0]
    teacher = JohnsonTeacher(weights, painting, "", licence, style)
    number = weight_count(teacher) / 1e6
    teacher.description = f"Johnson et al. 2016 with the weights {path.name} ({number:.2f} M parameters)"
    return proved(teacher, path.name)


def load(weights: str | Path | None) -> JohnsonTeacher:
    """The teacher of the file ``weights``, or of the only one below that folder."""
    return of_file(find_file("johnson", PATTERNS, weights))

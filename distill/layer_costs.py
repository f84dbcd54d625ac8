"""Parameters and multiplications of a student, layer by layer."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

#: The only operation of a paint graph that multiplies matrices; making kernels out of others is done at export.
CONVOLUTION = torch.ops.aten.convolution
#: Side of the square picture that multiplications are counted for, in pixels.
SIDE = 512


@dataclass(frozen=True)
class LayerCost:
    """A layer's channels (in, out), parameters, and multiply-accumulates for one picture of ``SIDE`` x ``SIDE``."""

    layer: str
    channels: tuple[int, int]
    params: int
    macs: int


@dataclass(frozen=True)
class StudentCost:
    """All layers of the painter, its sums (``macs`` with the fixed Haar transforms), and the style encoder's size."""

    layers: tuple[LayerCost, ...]
    params: int
    macs: int
    style_params: int


class NeutralPainting(nn.Module):
    """Painting with scales of 1 and shifts of 0: picture (1, 3, H, W) -> picture, all layers and no style."""

    def __init__(self, student: nn.Module):
        super().__init__()
        self.student = student

    def forward(self, picture: Tensor) -> Tensor:
        shapes = [(1, site.channels, 1, 1) for site in self.student.sites]
        return self.student.paint(picture, [(picture.new_ones(s), picture.new_zeros(s)) for s in shapes])


def student_cost(student: nn.Module) -> StudentCost:
    """Count without computing: shapes only."""
    paint = NeutralPainting(deepcopy(student)).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        paint(torch.empty(1, 3, SIDE, SIDE, device="meta"))
    flops = counter.get_flop_counts()
    layers = []
    for name, layer in student.named_modules():
        if isinstance(layer, nn.Conv2d) and not name.startswith("style."):
            counted = flops[f"NeutralPainting.student.{name.removesuffix('.conv5')}"][CONVOLUTION]
            params = sum(p.numel() for p in layer.parameters())
            layers.append(LayerCost(name, (layer.in_channels, layer.out_channels), params, counted // 2))
    style = sum(p.numel() for name, p in student.named_parameters() if name.startswith("style."))
    total = flops["Global"][CONVOLUTION] // 2
    return StudentCost(tuple(layers), sum(layer.params for layer in layers), total, style)

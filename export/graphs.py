"""A student as three graphs with flat inputs: what every export target starts from.

========  ==========================================  =========================================================
role      inputs                                      output
========  ==========================================  =========================================================
style     ``style`` (1, 3, H, W)                      ``code`` (1, 2, M): target means and deviations
measure   ``thumbnail`` (1, 3, H, W)                  ``stats`` (1, 2, M): the content's means and deviations
paint     ``content`` (1, 3, H, W), then per site     ``picture`` (1, 3, H, W), not clipped
          ``scale_i`` and ``shift_i`` (1, C_i, h, w)
========  ==========================================  =========================================================

Pictures are float32 RGB in [0, 1]. A scale or shift is 1x1, or a map at its site's resolution. A student with one style
folded into its weights has no sites, and a paint graph only.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from distill.students.layers import UpsampleConv
from runtime.bundle import Site, StudentInfo, TensorSpec
from runtime.framing import STYLE_MULTIPLE

#: Long side of the thumbnail that the content's statistics come from, in pixels: the one students are judged with.
THUMBNAIL = 256
#: Sides in pixels of the pictures that multiplications are counted for; styles are coded once, so they do not count.
COUNTED_SIDES = {"measure": THUMBNAIL, "paint": 512}
#: The style encoder pools three times and needs this many pixels on a side.
STYLE_SMALLEST = 16


class StyleGraph(nn.Module):
    """Style picture -> style code."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.style = student.style

    def forward(self, style: Tensor) -> Tensor:
        return self.style(style)

    def example(self, picture: Tensor, generator: torch.Generator, maps: bool) -> tuple[Tensor, ...]:
        return (picture,)


class MeasureGraph(nn.Module):
    """Content thumbnail -> statistics."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, thumbnail: Tensor) -> Tensor:
        return self.student.measure(thumbnail)

    def example(self, picture: Tensor, generator: torch.Generator, maps: bool) -> tuple[Tensor, ...]:
        return (picture,)


class PaintGraph(nn.Module):
    """Content and scale_0, shift_0, scale_1, shift_1 ... -> picture."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, content: Tensor, *affine: Tensor) -> Tensor:
        return self.student.paint(content, list(zip(affine[::2], affine[1::2], strict=True)))

    def example(self, picture: Tensor, generator: torch.Generator, maps: bool) -> tuple[Tensor, ...]:
        """The affines of a random style picture; ``maps`` varies them over the content."""
        if not self.student.sites:
            return (picture,)
        side = 2 * STYLE_MULTIPLE * STYLE_SMALLEST
        code = self.student.style(torch.rand(1, 3, side, side, generator=generator))
        flat = [part for pair in self.student.affine(code, self.student.measure(picture)) for part in pair]
        if maps:
            height, width = picture.shape[2:]
            strides = [site.stride for site in self.student.sites for _ in range(2)]
            shapes = [(1, 1, height // stride, width // stride) for stride in strides]
            flat = [
                part * (0.8 + 0.4 * torch.rand(shape, generator=generator))
                for part, shape in zip(flat, shapes, strict=True)
            ]
        return (picture, *flat)


@dataclass(frozen=True, eq=False)
class StudentGraph:
    """One of the three graphs.

    Attributes:
        module: takes the inputs in order, batch 1; its weights are the student's own.
        multiple: H and W are multiples of this, in pixels.
        smallest: least H and W, in pixels.
    """

    role: str
    module: StyleGraph | MeasureGraph | PaintGraph
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    multiple: int
    smallest: int

    @torch.no_grad()
    def example(self, height: int, width: int, seed: int = 0, maps: bool = False) -> tuple[Tensor, ...]:
        """Inputs for a random picture of that size; the same for the same seed.

        Args:
            maps: scales and shifts as maps at their sites' resolutions instead of 1x1; other graphs have none.
        """
        generator = torch.Generator().manual_seed(seed)
        return self.module.example(torch.rand(1, 3, height, width, generator=generator), generator, maps)

    @torch.no_grad()
    def run(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The output in torch."""
        return self.module(*inputs)


def student_graphs(student: nn.Module) -> tuple[StudentGraph, ...]:
    """The style, measure and paint graph of a student in eval mode on the CPU; the last only if its style is fixed."""
    channels, multiple = sum(site.channels for site in student.sites), student.size_multiple
    rows = (1, 2, channels)
    affine = tuple(
        TensorSpec(f"{name}_{index}", (1, site.channels, f"h_{index}", f"w_{index}"))
        for index, site in enumerate(student.sites)
        for name in ("scale", "shift")
    )
    paint = StudentGraph(
        "paint",
        PaintGraph(student),
        (_picture("content"), *affine),
        (_picture("picture"),),
        multiple,
        multiple,
    )
    if not student.sites:
        return (paint,)
    style = StudentGraph(
        "style", StyleGraph(student), (_picture("style"),), (TensorSpec("code", rows),), STYLE_MULTIPLE, STYLE_SMALLEST
    )
    measure = StudentGraph(
        "measure", MeasureGraph(student), (_picture("thumbnail"),), (TensorSpec("stats", rows),), multiple, multiple
    )
    return (style, measure, paint)


def student_info(student: nn.Module) -> StudentInfo:
    """What a bundle's manifest says about the student."""
    graphs = student_graphs(student)
    return StudentInfo(
        architecture=student.architecture,
        width=float(student.width),
        size_multiple=student.size_multiple,
        halo=student.halo,
        thumbnail=THUMBNAIL,
        parameters={graph.role: parameters_used(graph) for graph in graphs},
        sites=tuple(Site(site.name, site.channels, site.stride, site.measured) for site in student.sites),
        macs=sum(macs_of(graph, COUNTED_SIDES[graph.role]) for graph in graphs if graph.role in COUNTED_SIDES),
    )


def macs_of(graph: StudentGraph, side: int) -> int:
    """Multiplications with addition of the graph's convolutions and matrix products for a picture of side x side."""
    module, inputs = fold_upsampling(graph.module), graph.example(side, side)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops() // 2


def parameters_used(graph: StudentGraph) -> int:
    """The number of weights that the graph's output depends on."""
    module = deepcopy(graph.module).requires_grad_(True)
    inputs = graph.example(2 * STYLE_SMALLEST, 2 * STYLE_SMALLEST)
    parameters = list(module.parameters())
    with torch.enable_grad():
        used = torch.autograd.grad(module(*inputs).sum(), parameters, allow_unused=True)
    return sum(p.numel() for p, gradient in zip(parameters, used, strict=True) if gradient is not None)


def fold_upsampling(module: nn.Module) -> nn.Module:
    """A copy in which each `UpsampleConv` is the plain convolution it equals, so that no graph computes weights."""
    copy = deepcopy(module)
    for parent in list(copy.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, UpsampleConv):
                setattr(parent, name, _folded(child))
    return copy


@torch.no_grad()
def _folded(layer: UpsampleConv) -> nn.Sequential:
    weight, bias = layer.folded()
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=weight.shape[2] // 2)
    conv.weight.copy_(weight)
    conv.bias.copy_(bias)
    return nn.Sequential(conv, nn.PixelShuffle(2))


def _picture(name: str) -> TensorSpec:
    return TensorSpec(name, (1, 3, "H", "W"))

"""The three graphs as an app calls them: pictures in and out, and no arithmetic left to the app.

The paint graph of other formats takes a scale and a shift per site. Here it takes the style code, the content's
statistics and the strength, and `runtime.affine` is part of the graph.

========  ==============================================================  ==========================================
role      inputs                                                          output
========  ==============================================================  ==========================================
style     ``style`` picture                                               ``style_code`` (1, 2, M)
measure   ``thumbnail`` picture                                           ``content_stats`` (1, 2, M)
paint     ``content`` picture, ``style_code`` (1, 2, M),                  ``picture``
          ``content_stats`` (1, 2, M), ``strength`` (1,)
========  ==============================================================  ==========================================

M counts the modulated channels. A student with one style folded into its weights has a paint graph only, which takes
the content alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.graphs import STYLE_SMALLEST, MeasureGraph, StyleGraph, fold_upsampling
from runtime.affine import MIN_DEVIATION

Shape = tuple[int, ...]
#: A graph's inputs in order: the picture (1, 3, H, W) in [0, 1], then the arrays.
Inputs = tuple[Tensor, ...]

STYLE_CODE, CONTENT_STATS, STRENGTH = "style_code", "content_stats", "strength"
DESCRIPTIONS = {
    "style": "The style picture, RGB; crop it in the middle and scale it to one of the sizes.",
    "thumbnail": "The content picture scaled down with area averaging to one of the sizes, RGB, not cropped.",
    "content": "The picture to paint, RGB.",
    "picture": "The painted picture, RGB, of the content's size.",
    STYLE_CODE: "Target mean (row 0) and standard deviation (row 1) of each modulated channel: what a style is.",
    CONTENT_STATS: "The content's own mean (row 0) and standard deviation (row 1) of each modulated channel.",
    STRENGTH: "How much of the style is applied, from 0 (none) to 1 (all).",
}


class PaintForApp(nn.Module):
    """Content (1, 3, H, W) in [0, 1] and the style's numbers -> picture (1, 3, H, W) in 0..255, clipped."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student
        self.channels = [site.channels for site in student.sites]

    def forward(self, content: Tensor, *numbers: Tensor) -> Tensor:
        affine = self._affine(*numbers) if self.channels else []
        # Core ML turns an image output of 0..255 into 8 bits.
        return (self.student.paint(content, affine) * 255).clamp(0, 255)

    def _affine(self, code: Tensor, stats: Tensor, strength: Tensor) -> list[tuple[Tensor, Tensor]]:
        """`runtime.affine.affine_of` and `split_sites`: per site a scale and a shift (1, C, 1, 1)."""
        scale = code[:, 1] / stats[:, 1].clamp_min(MIN_DEVIATION)
        shift = code[:, 0] - scale * stats[:, 0]
        blended = strength * scale + (1 - strength), strength * shift
        scales, shifts = (part.reshape(1, -1, 1, 1).split(self.channels, 1) for part in blended)
        return list(zip(scales, shifts, strict=True))


@dataclass(frozen=True, eq=False)
class AppGraph:
    """One graph to be converted.

    Attributes:
        module: takes the picture (1, 3, H, W) in [0, 1], then the arrays; upsampling is folded into convolutions.
        picture: name of the image input.
        arrays: the other inputs by name with their shapes.
        output: its name; an image of 0..255 for paint, (1, 2, M) otherwise.
    """

    role: str
    module: nn.Module
    picture: str
    arrays: dict[str, Shape]
    output: str

    @property
    def paints(self) -> bool:
        return self.role == "paint"

    def example(self, width: int, height: int) -> Inputs:
        """Inputs of the right shapes to trace the module with."""
        return (torch.full((1, 3, height, width), 0.5), *(torch.ones(shape) for shape in self.arrays.values()))

    @torch.no_grad()
    def run(self, inputs: Inputs) -> Tensor:
        """The output in torch."""
        return self.module(*inputs)

    @torch.no_grad()
    def layers(self) -> dict[str, nn.Conv2d | nn.Linear]:
        """The layers with weights that the graph runs, by name, in the module's order."""
        found: dict[str, nn.Conv2d | nn.Linear] = {}
        with observing(self.module, lambda name, layer, inputs, output: found.setdefault(name, layer)):
            self.module(*self.example(2 * STYLE_SMALLEST, 2 * STYLE_SMALLEST))
        return {name: found[name] for name, _ in self.module.named_modules() if name in found}


@contextmanager
def observing(module: nn.Module, observe: Callable[[str, nn.Module, Tensor, Tensor], object]) -> Iterator[None]:
    """While the block runs, call ``observe`` for each layer with weights: its name, itself, its input and output."""

    def hook(name: str) -> Callable[[nn.Module, Inputs, Tensor], None]:
        def seen(layer: nn.Module, inputs: Inputs, output: Tensor) -> None:
            observe(name, layer, inputs[0], output)

        return seen

    hooks = [
        layer.register_forward_hook(hook(name))
        for name, layer in module.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    ]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


def app_graphs(student: nn.Module) -> tuple[AppGraph, ...]:
    """The style, measure and paint graph of a student in eval mode on the CPU; paint alone if its style is fixed."""
    folded = fold_upsampling(student).eval().requires_grad_(False)
    rows = (1, 2, sum(site.channels for site in student.sites))
    if not student.sites:
        return (AppGraph("paint", PaintForApp(folded).eval(), "content", {}, "picture"),)
    numbers = {STYLE_CODE: rows, CONTENT_STATS: rows, STRENGTH: (1,)}
    return (
        AppGraph("style", StyleGraph(folded).eval(), "style", {}, STYLE_CODE),
        AppGraph("measure", MeasureGraph(folded).eval(), "thumbnail", {}, CONTENT_STATS),
        AppGraph("paint", PaintForApp(folded).eval(), "content", numbers, "picture"),
    )

"""A graph with cheaper arithmetic, made in torch so that what it costs can be measured and half undone.

Weights become int8 (a scale per output channel) or palettes, in place: the module goes on computing in float32, with
weights that the compressed form holds exactly. `stored` then tells coremltools to store them in that form. Activations
become 8-bit where they enter a convolution, so that 8-bit weights meet 8-bit activations: unsigned behind a ReLU,
which is also what coremltools' torch quantiser gives, else signed around zero. Modulation, sums and what lies between
stay fp16; that quantiser wraps them too, the affine arithmetic included, which costs some 15 dB here.

Rounding shifts a layer's mean output, and with it the picture's colours. The mean shift over calibration pictures is
taken off the layer's bias (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction",
2019), which gives most of the quality back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.coreml.app_graphs import AppGraph, Inputs, observing
from export.coreml.coremltools_here import coremltools, quietly
from export.coreml.palettes import nearest, palette

#: Tensors below this stay as they are: little is gained, and the Haar kernels (144 weights) are exact in fp16.
_SMALLEST = 200
#: Values kept of each convolution's input per picture, and fractions of the largest that are tried as the range's end.
_SAMPLES = 2048
_FRACTIONS = torch.linspace(0.3, 1, 36).tolist()


@dataclass(frozen=True)
class Levels:
    """The numbers that 8 bits stand for: ``scale`` times -128..127, or times 0..255 for what is never negative."""

    scale: float
    signed: bool

    @property
    def least(self) -> int:
        return -128 if self.signed else 0

    @property
    def most(self) -> int:
        return self.least + 255

    def rounded(self, x: Tensor) -> Tensor:
        """To the nearest of them, ties to even."""
        return torch.fake_quantize_per_tensor_affine(x, self.scale, 0, self.least, self.most)


class QuantizedInput(nn.Module):
    """A convolution whose input passes 8 bits."""

    def __init__(self, conv: nn.Conv2d, levels: Levels) -> None:
        super().__init__()
        self.conv, self.levels = conv, levels

    @property
    def bias(self) -> Tensor | None:
        return self.conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.levels.rounded(x))


def with_int8_weights(graph: AppGraph) -> AppGraph:
    """A copy whose weights are -127..127 times a scale per output channel."""
    return _with_weights(graph, {name: _int8 for name in compressible(graph)})


def with_palettes(graph: AppGraph, bits: Mapping[str, int]) -> AppGraph:
    """A copy in which the weights of the layers named hold at most 2**bits different fp16 numbers each."""
    return _with_weights(graph, {name: partial(_palettized, bits=count) for name, count in bits.items()})


def compressible(graph: AppGraph) -> tuple[str, ...]:
    """Names of the layers whose weights are worth compressing."""
    return tuple(name for name, layer in graph.layers().items() if layer.weight.numel() >= _SMALLEST)


def with_int8_inputs(graph: AppGraph, levels: Mapping[str, Levels]) -> AppGraph:
    """A copy in which the convolutions of those names take 8-bit inputs."""
    module = deepcopy(graph.module)
    for name, of_input in levels.items():
        module.set_submodule(name, QuantizedInput(module.get_submodule(name), of_input))
    return replace(graph, module=module.eval())


@torch.no_grad()
def find_levels(graph: AppGraph, pictures: Iterable[Inputs]) -> dict[str, Levels]:
    """The 8-bit levels for the input of each convolution whose weights are `compressible`, by name.

    A scale minimises the squared error of values sampled over the pictures: an activation's few largest are clipped
    where that serves the others. The picture itself has 256 levels and keeps them.
    """
    samples: dict[str, list[Tensor]] = {}

    def sample(name: str, layer: nn.Module, x: Tensor, output: Tensor) -> None:
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() >= _SMALLEST:
            values = x.flatten()
            ends = torch.stack([values.min(), values.max()])
            samples.setdefault(name, []).append(torch.cat([values[:: max(1, len(values) // _SAMPLES)], ends]))

    with observing(graph.module, sample):
        for inputs in pictures:
            graph.module(*inputs)
    layers = graph.layers()
    return {
        name: Levels(1 / 255, False) if layers[name].in_channels == 3 else _best_levels(torch.cat(values))
        for name, values in samples.items()
    }


@torch.no_grad()
def correct_biases(original: AppGraph, changed: AppGraph, pictures: Iterable[Inputs]) -> None:
    """Take off each bias of ``changed`` what that layer's mean output differs by, given the original's inputs."""
    shifts: dict[str, list[Tensor]] = {}

    def compare(name: str, layer: nn.Module, x: Tensor, output: Tensor) -> None:
        shift = changed.module.get_submodule(name)(x) - output
        shifts.setdefault(name, []).append(shift.mean((0, 2, 3)) if shift.dim() == 4 else shift.mean(0))

    with observing(original.module, compare):
        for inputs in pictures:
            original.module(*inputs)
    for name, found in shifts.items():
        bias = changed.module.get_submodule(name).bias
        if bias is not None:
            bias.sub_(torch.stack(found).mean(0))


def stored(model: Any, precision: str) -> Any:
    """A converted model whose weights are stored in the form they were rounded to.

    Args:
        model: a ``coremltools.models.MLModel`` of a graph from `with_int8_weights` or `with_palettes`; the latter with
            all layers that are `compressible`.
        precision: ``int8`` or ``palettized``.
    """
    ct = coremltools()
    with quietly():
        optimize = ct.optimize.coreml
        if precision == "int8":
            how = optimize.OpLinearQuantizerConfig(
                mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=_SMALLEST
            )
            return optimize.linear_quantize_weights(model, _for_layers(optimize, how))
        # Rounded already: to find the palette is to list the values.
        how = optimize.OpPalettizerConfig(mode="unique", weight_threshold=_SMALLEST)
        return optimize.palettize_weights(model, _for_layers(optimize, how))


def _for_layers(optimize: Any, how: Any) -> Any:
    return optimize.OptimizationConfig(op_type_configs={"conv": how, "linear": how})


@torch.no_grad()
def _with_weights(graph: AppGraph, rounding: Mapping[str, Callable[[np.ndarray], np.ndarray]]) -> AppGraph:
    module = deepcopy(graph.module)
    for name, rounded in rounding.items():
        weight = module.get_submodule(name).weight
        weight.copy_(torch.from_numpy(rounded(weight.double().numpy())))
    return replace(graph, module=module)


def _palettized(weights: np.ndarray, bits: int) -> np.ndarray:
    return nearest(weights, np.unique(palette(weights, bits).astype(np.float16)).astype(np.float64))


def _int8(weights: np.ndarray) -> np.ndarray:
    scale = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True) / 127
    return np.rint(weights / np.where(scale == 0, 1, scale)) * scale


def _best_levels(values: Tensor) -> Levels:
    """Those of the least squared error; a scale of 1 for what is always 0."""
    largest, signed = float(values.abs().max()), bool((values < 0).any())
    if largest == 0:
        return Levels(1.0, signed)
    most = Levels(1.0, signed).most
    tried = [Levels(largest * fraction / most, signed) for fraction in _FRACTIONS]
    errors = [float((levels.rounded(values) - values).square().mean()) for levels in tried]
    return tried[errors.index(min(errors))]

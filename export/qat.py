"""Quantisation-aware fine-tuning: the student learns to paint what it painted before, with eight bits.

Every convolution that is to be quantised sees its input, its weights and its output rounded as the int8 graph rounds
them, while gradients pass as if they had not been (the straight-through estimator: Bengio et al. 2013; Jacob et al.,
CVPR 2018). The picture to be met is the float student's own, so that nothing but rounding is learned away.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.students.layers import UpsampleConv
from export.activation_ranges import Range
from export.calibration import Pair, codes_of, content_tensor, thumbnail_tensor
from export.quantize import RECIPES, Recipe, quantizable

#: Pictures per step, and the peak step of Adam: small, for weights that are nearly right.
BATCH, LEARNING_RATE = 4, 1e-5
_REPORTS = 4


def fine_tune_int8(
    student: nn.Module,
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    pairs: Sequence[Pair],
    steps: int,
    recipe: str = "cpu",
    keep: Iterable[str] = (),
    seed: int = 0,
    log: Callable[[str], None] = lambda line: None,
) -> nn.Module:
    """A copy of the student that loses less when it is quantised.

    Only what paints and nothing else is trained: style codes and statistics stay those of the student, and so do its
    style and measure graphs.

    Args:
        student: float32, in eval mode on the CPU.
        model: its paint graph, as `export.to_onnx` makes it; node names say which layer each convolution is.
        ranges, recipe, keep: as `export.quantize.quantize` will be given them.
        pairs: what to paint while learning, such as a calibration's.
        steps: of `BATCH` pictures each.
    """
    tuned = copy.deepcopy(student).train()
    tuned.requires_grad_(False)
    trained = _painting_only(tuned)
    for weight in trained:
        weight.requires_grad_(True)
    rounding = _Rounding(tuned, model, ranges, RECIPES[recipe], set(keep))
    optimiser = torch.optim.Adam(trained, LEARNING_RATE)
    total = 0.0
    for step, batch in enumerate(_batches(pairs, steps, seed)):
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = _difference(tuned, student, rounding, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += loss.item()
        if (step + 1) % max(1, steps // _REPORTS) == 0:
            log(
                f"fine-tuning for int8: step {step + 1} of {steps}, {10 * math.log10((step + 1) / total):.1f} dB so far"
            )
    rounding.remove()
    return tuned.eval().requires_grad_(False)


def _painting_only(student: nn.Module) -> list[nn.Parameter]:
    """The parameters that neither a style code nor statistics depend on."""
    if not student.sites:
        return list(student.parameters())
    picture = torch.zeros(1, 3, 32, 32)
    probe = copy.deepcopy(student).requires_grad_(True)
    measured = torch.autograd.grad(probe.measure(picture).sum(), list(probe.parameters()), allow_unused=True)
    used = {name for (name, _), grad in zip(probe.named_parameters(), measured, strict=True) if grad is not None}
    return [p for name, p in student.named_parameters() if not name.startswith("style.") and name not in used]


def _difference(tuned: nn.Module, student: nn.Module, rounding: _Rounding, pairs: Sequence[Pair]) -> Tensor:
    """Mean squared error of the pictures as they are seen, clipped."""
    content = torch.cat([torch.from_numpy(content_tensor(pair.content, student.size_multiple)[0]) for pair in pairs])
    with torch.no_grad():
        affine = _joined([_affine(student, pair) for pair in pairs])
        wanted = student.paint(content, affine).clamp(0, 1)
    with rounding:
        return F.mse_loss(tuned.paint(content, affine).clamp(0, 1), wanted)


def _affine(student: nn.Module, pair: Pair) -> list[tuple[Tensor, Tensor]]:
    """Scale and shift per site, blended as the runtime blends them."""
    if not student.sites:
        return []
    (code,) = codes_of([pair], lambda picture: student.style(torch.from_numpy(picture))[0].numpy())
    stats = student.measure(torch.from_numpy(thumbnail_tensor(pair.content, student.size_multiple)))
    s = pair.strength
    return [(s * a + (1 - s), s * b) for a, b in student.affine(torch.from_numpy(code)[None], stats)]


def _joined(affines: Sequence[list[tuple[Tensor, Tensor]]]) -> list[tuple[Tensor, Tensor]]:
    """One affine per site for a batch."""
    return [(torch.cat([a for a, _ in site]), torch.cat([b for _, b in site])) for site in zip(*affines, strict=True)]


def _batches(pairs: Sequence[Pair], steps: int, seed: int) -> Iterator[list[Pair]]:
    """``steps`` batches of pairs whose contents have one size; the same for the same seed."""
    ordered = sorted(pairs, key=lambda pair: pair.content.shape)
    groups = [list(group) for _, group in groupby(ordered, key=lambda pair: pair.content.shape)]
    share = np.array([len(group) for group in groups]) / len(ordered)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        group = groups[rng.choice(len(groups), p=share)]
        yield [group[i] for i in rng.integers(len(group), size=BATCH)]


class _Rounding:
    """Makes the layers that will be quantised round; within ``with`` only, and until it is removed."""

    def __init__(
        self, student: nn.Module, model: onnx.ModelProto, ranges: Mapping[str, Range], plan: Recipe, keep: set[str]
    ) -> None:
        self._active, self._removers = False, []
        self._largest = 64 if plan.reduce_range else 127
        relus = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Relu"}
        chosen = set(quantizable(model)) - keep
        for node in model.graph.node:
            if node.name in chosen:
                layer = _layer_of(student, node.name)
                read, written = node.input[0], relus.get(node.output[0], node.output[0])
                self._round_activations(layer, ranges[read], ranges[written] if plan.outputs else None, plan.symmetric)
                self._round_weights(layer)

    def __enter__(self) -> None:
        self._active = True

    def __exit__(self, *problem: object) -> None:
        self._active = False

    def remove(self) -> None:
        """Give the layers back as they were."""
        for remove in self._removers:
            remove()

    def _round_activations(self, layer: nn.Module, read: Range, written: Range | None, symmetric: bool) -> None:
        def before(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            return (_rounded(inputs[0], read, symmetric) if self._active else inputs[0],)

        def after(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            return _rounded(output, written, symmetric) if self._active and written is not None else output

        handles = [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
        self._removers += [handle.remove for handle in handles]

    def _round_weights(self, layer: nn.Module) -> None:
        """Per output channel; those of an `UpsampleConv` as they are after folding."""

        def rounded(weight: Tensor) -> Tensor:
            if not self._active:
                return weight
            scales = weight.detach().abs().amax((1, 2, 3)).clamp_min(1e-12) / self._largest
            zeros = torch.zeros_like(scales, dtype=torch.int32)
            return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -self._largest, self._largest)

        if isinstance(layer, UpsampleConv):
            plain = layer.folded

            def folded() -> tuple[Tensor, Tensor]:
                weight, bias = plain()
                return rounded(weight), bias

            layer.folded = folded  # type: ignore[method-assign]
            self._removers.append(lambda: layer.__dict__.pop("folded"))
        else:
            forward = layer._conv_forward
            layer._conv_forward = lambda x, weight, bias: forward(x, rounded(weight), bias)
            self._removers.append(lambda: layer.__dict__.pop("_conv_forward"))


def _layer_of(student: nn.Module, node: str) -> nn.Module:
    """The layer behind a node's name: ``/blocks.0/inner/Conv`` is ``blocks.0.inner``, ``/up/up.0/Conv`` is ``up``."""
    parts = node.strip("/").split("/")[:-1]
    layer = student.get_submodule(parts[0])
    return layer if isinstance(layer, UpsampleConv) else student.get_submodule(".".join(parts))


def _rounded(x: Tensor, bounds: Range, symmetric: bool) -> Tensor:
    """The nearest of the 256 levels of that range; what lies outside is clipped."""
    low, high = bounds
    if symmetric:
        return torch.fake_quantize_per_tensor_affine(x, max(high, 1e-12) / 127, 0, -127, 127)
    scale = max(high - low, 1e-12) / 255
    return torch.fake_quantize_per_tensor_affine(x, scale, round(-low / scale), 0, 255)

"""Which channels of a student have to go together: torch-pruning's dependency graph, and the style affine beside it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.layer_costs import NeutralPainting
from distill.students.layers import UpsampleConv

#: Never pruned: their outputs are the Haar bands of a picture's three colours.
HEADS = ("head", "grain")
_TRACED_SIZE = 32


@dataclass(frozen=True)
class Group:
    """Channels that exist together: channel i of all ``outputs`` feeds channel i of all ``inputs``.

    ``outputs`` and ``inputs`` are names of layers; ``sites`` those of the modulated layers among the outputs, whose
    channels stand in the style code, too.
    """

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    sites: tuple[str, ...]
    channels: int


class NearestThenConv(nn.Module):
    """What an :class:`UpsampleConv` equals, its layer visible to a tracer of modules.

    That one computes with a kernel made from its layer's, which a tracer cannot attribute.
    """

    def __init__(self, conv5: nn.Conv2d):
        super().__init__()
        self.conv5 = conv5

    def forward(self, x: Tensor) -> Tensor:
        return self.conv5(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def traceable(student: nn.Module) -> NeutralPainting:
    """A copy of the student to trace, with gradients on."""
    model = NeutralPainting(deepcopy(student)).train().requires_grad_(True)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, UpsampleConv):
                setattr(parent, name, NearestThenConv(child.conv5))
    return model


def channel_groups(student: nn.Module) -> tuple[Group, ...]:
    """The prunable channels of a painter, in the order of its layers; needs torch-pruning (DepGraph, Fang et al. 2023).

    A site's affine enters the painter from outside, so the graph knows nothing of the style encoder's last layer and of
    the code's order; :attr:`Group.sites` says what has to follow there. Raises ``ValueError`` for a student in which
    channels are coupled otherwise than one to one.
    """
    import torch_pruning

    model = traceable(student)
    names = {layer: name.removeprefix("student.") for name, layer in model.named_modules()}
    graph = torch_pruning.DependencyGraph()
    graph.build_dependency(model, torch.rand(1, 3, _TRACED_SIZE, _TRACED_SIZE))
    heads = [layer for name, layer in model.student.named_children() if name in HEADS]
    found = graph.get_all_groups(ignored_layers=heads, root_module_types=[nn.Conv2d])
    groups = [_group(student, graph, group, names) for group in found]
    order = {name: i for i, name in enumerate(names.values())}
    return tuple(sorted(groups, key=lambda group: order[group.outputs[0]]))


def _group(student: nn.Module, graph: object, coupled: object, names: dict[nn.Module, str]) -> Group:
    """One of torch-pruning's groups in words, its layers in the student's order."""
    outputs, inputs, channels = set(), set(), len(coupled[0].idxs)
    for dependency, indices in coupled:
        layer = dependency.target.module
        if not isinstance(layer, nn.Conv2d):
            continue
        if list(indices) != list(range(channels)) or layer.groups != 1:
            raise ValueError(f"channels of {names[layer]} are not coupled one to one")
        (outputs if graph.is_out_channel_pruning_fn(dependency.handler) else inputs).add(names[layer])
    in_order = [name for name in names.values() if name in outputs | inputs]
    sites = (s.name for s, layer in zip(student.sites, student.site_layers, strict=True) if layer in outputs)
    return Group(
        tuple(n for n in in_order if n in outputs), tuple(n for n in in_order if n in inputs), tuple(sites), channels
    )

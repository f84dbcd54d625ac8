"""Students inside students: the first channels of every layer are the layers of a narrower one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from distill.students.haar_painter import HaarLayers

Index = tuple[slice | Tensor, ...]
#: The style encoder's last layer gives M means, then M deviations; its other outputs are the same at every width.
_CODE_LAYER = ("style.out.weight", "style.out.bias")


def narrowed(wide: HaarLayers, narrow: HaarLayers) -> dict[str, Tensor]:
    """The parameters and buffers of ``narrow`` as parts of those of ``wide``, by name; gradients flow to ``wide``.

    Raises ValueError where ``narrow`` has a layer that is wider.
    """
    whole = tensors(wide)
    return {name: whole[name][index] for name, index in fronts(wide, narrow)}


def cut(wide: HaarLayers, width: float) -> HaarLayers:
    """A student of its own with the first channels of ``wide``, in eval mode."""
    narrow = type(wide)(width, wide.block_count, grain=wide.grain is not None)
    with torch.no_grad():
        found = narrowed(wide, narrow)
        narrow.load_state_dict({name: found[name].clone() for name in narrow.state_dict()})
    return narrow.eval()


@torch.no_grad()
def widened(student: HaarLayers, width: float) -> HaarLayers:
    """A wider student that paints what ``student`` does (Net2Net, Chen et al. 2016), in training mode.

    Its new channels have random weights and see everything, but nothing reads them yet: they change no picture and get
    gradients from the first step on. Raises ValueError where ``student`` has a layer that is wider.
    """
    wide = type(student)(width, student.block_count, grain=student.grain is not None)
    whole, own = tensors(wide), tensors(student)
    for name, index in fronts(wide, student):
        whole[name].data[index] = own[name]
        if whole[name].dim() == 4 and name.endswith("weight"):
            outputs, inputs = own[name].shape[:2]
            whole[name].data[:outputs, inputs:] = 0
    return wide


def grained(student: HaarLayers) -> HaarLayers:
    """The student with grain that draws nothing yet."""
    found = type(student)(**{**student.shape, "grain": True})
    found.load_state_dict({**found.state_dict(), **student.state_dict()})
    return found


def tensors(student: HaarLayers) -> dict[str, Tensor]:
    """Parameters and buffers by name, those too that are not saved."""
    return {**dict(student.named_parameters()), **dict(student.named_buffers())}


def fronts(wide: HaarLayers, narrow: HaarLayers) -> Iterator[tuple[str, Index]]:
    """Per tensor of ``narrow`` its name and where it stands in that of ``wide``.

    A style code lists its channels site by site, so there the first of each site are meant.
    """
    channels = torch.tensor(code_channels(wide, narrow), device=wide.head.bias.device)
    modulated, whole = sum(site.channels for site in wide.sites), tensors(wide)
    for name, tensor in tensors(narrow).items():
        if any(own > most for own, most in zip(tensor.shape, whole[name].shape, strict=True)):
            raise ValueError(f"{name} is no part of a student of width {wide.width:g}")
        rest = tuple(map(slice, tensor.shape[1:]))
        if name in _CODE_LAYER:
            yield name, (torch.cat([channels, channels + modulated]), *rest)
        elif name == "style.measured":
            yield name, (channels, *rest)
        else:
            yield name, tuple(map(slice, tensor.shape))


def code_channels(wide: HaarLayers, narrow: HaarLayers) -> list[int]:
    """Which modulated channels of ``wide`` those of ``narrow`` are: positions in a style code's last dimension."""
    offset, chosen = 0, []
    for site, fewer in zip(wide.sites, narrow.sites, strict=True):
        chosen += range(offset, offset + fewer.channels)
        offset += site.channels
    return chosen

"""The generator of CycleGAN (Zhu et al. 2017) as GAN Compression (Li et al. 2020) made it small.

A ResNet of nine blocks whose convolutions are separable (depthwise, normalisation, 1x1), with channel counts found by
search; instance normalisation without scale and shift, pictures from -1 to 1, tanh at the end. The numbers in the
weights' names are places in a sequence that also counts paddings, normalisations and activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.networks import Networks, Weights, conv, count, instance_norm, load_weights

if TYPE_CHECKING:
    from torch import Tensor

FIRST_BLOCK, BLOCKS = 10, 9


def networks(files: Mapping[str, Path]) -> Networks:
    """The network of ``files["content"]``."""
    weights = load_weights(files["content"])
    task = files["content"].name.split("_")[0]
    return Networks(lambda picture: paint(weights, picture), None, count(weights), note=f"task '{task}' only")


def paint(weights: Weights, picture: Tensor) -> Tensor:
    """(1, 3, H, W) in [0, 1] -> the same; H and W multiples of 4."""
    import torch
    import torch.nn.functional as F

    x = F.relu(instance_norm(conv(weights, "model.1", picture * 2 - 1)))
    for place in (4, 7):
        x = F.relu(instance_norm(conv(weights, f"model.{place}", x, stride=2, pad="constant")))
    for place in range(FIRST_BLOCK, FIRST_BLOCK + BLOCKS):
        name = f"model.{place}.conv_block"
        y = F.relu(instance_norm(_separable(weights, f"{name}.1", x)))
        x = x + instance_norm(_separable(weights, f"{name}.6", y))
    for place in (FIRST_BLOCK + BLOCKS, FIRST_BLOCK + BLOCKS + 3):
        weight, bias = weights[f"model.{place}.weight"], weights[f"model.{place}.bias"]
        x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
        x = F.relu(instance_norm(x))
    return (torch.tanh(conv(weights, f"model.{FIRST_BLOCK + BLOCKS + 7}", x)) + 1) / 2


def _separable(weights: Weights, name: str, x: Tensor) -> Tensor:
    return conv(weights, f"{name}.conv.2", instance_norm(conv(weights, f"{name}.conv.0", x)))

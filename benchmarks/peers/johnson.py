"""Perceptual losses for real-time style transfer (Johnson et al. 2016), in the layout of PyTorch's example.

Three convolutions, five residual blocks and two nearest upsamplings, reflection padding, instance normalisation with
scale and shift; pictures from 0 to 255. Any number of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.networks import Networks, Weights, conv, count, instance_norm, load_weights

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS = 5


def networks(files: Mapping[str, Path]) -> Networks:
    """The network of ``files["content"]``."""
    weights = load_weights(files["content"])
    style = files["content"].name.split("_")[0]
    return Networks(lambda picture: paint(weights, picture), None, count(weights), note=f"style '{style}' only")


def paint(weights: Weights, picture: Tensor) -> Tensor:
    """(1, 3, H, W) in [0, 1] -> the same, unclipped; H and W multiples of 4."""
    import torch.nn.functional as F

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

"""Who teaches the generator: discriminators of patches at several scales (pix2pixHD, Wang et al. 2018, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

MOST_CHANNELS = 512


class PatchDiscriminator(nn.Module):
    """Label map and picture (N, C, H, W) to the activations of every layer; the last is one score per patch."""

    def __init__(self, inputs: int, base: int, layers: int):
        super().__init__()
        widths = [base * 2**i for i in range(layers)]
        stages = [nn.Sequential(nn.Conv2d(inputs, base, 4, 2, 2), nn.LeakyReLU(0.2))]
        for before, after in zip(widths, widths[1:], strict=False):
            before, after = min(before, MOST_CHANNELS), min(after, MOST_CHANNELS)
            conv = spectral_norm(nn.Conv2d(before, after, 4, 2, 2, bias=False))
            stages.append(nn.Sequential(conv, nn.InstanceNorm2d(after), nn.LeakyReLU(0.2)))
        stages.append(nn.Conv2d(min(widths[-1], MOST_CHANNELS), 1, 4, 1, 2))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        activations = []
        for stage in self.stages:
            x = stage(x)
            activations.append(x)
        return activations


class MultiscaleDiscriminator(nn.Module):
    """The same at the picture's size and at halves of it, each with weights of its own."""

    def __init__(self, semantics: int, base: int = 64, layers: int = 3, scales: int = 2):
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(semantics + 3, base, layers) for _ in range(scales))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        seen = []
        for scale, discriminator in enumerate(self.scales):
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if scale else x
            seen.append(discriminator(x))
        return seen

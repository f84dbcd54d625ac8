"""StyleSwin's discriminator (Zhang et al. 2022), which looks at pictures in the Haar wavelet domain.

Attention in windows leaves blocking artefacts that show in the spectrum; a discriminator of wavelets (Gal et al. 2021,
SWAGAN) punishes them. Convolutions, downsampling and names are those of the official code, at any width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.students.layers import haar_analysis
from distill.teachers.styleswin.attention import EqualLinear

#: Pictures whose spread is told to the last layer together (Karras et al. 2018).
GROUP = 4
BLUR = (1.0, 3.0, 3.0, 1.0)


def haar_kernel() -> Tensor:
    """(12, 3, 2, 2), orthonormal: means of R, G, B, then top minus bottom, left minus right, and the diagonals."""
    low, right, down, diagonal = (2 * haar_analysis()).split(3)
    return torch.cat([low, down, right, diagonal])


def blur_kernel(channels: int) -> Tensor:
    taps = torch.tensor(BLUR)
    return (taps[:, None] * taps / taps.sum() ** 2).expand(channels, 1, 4, 4).clone()


class EqualConv(nn.Module):
    """A convolution without bias whose weights are scaled when they are used."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale, self.stride, self.padding = 1 / math.sqrt(inputs * kernel**2), stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.padding)


class BiasedLeakyRelu(nn.Module):
    """A bias and a leaky ReLU that keeps the variance."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * math.sqrt(2)


class Blur(nn.Module):
    """Before a 3x3 convolution at stride 2."""

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("kernel", blur_kernel(channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, padding=2, groups=x.shape[1])


class ConvBlock(nn.Module):
    """Two convolutions, the second to half the side."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Sequential(EqualConv(inputs, inputs, 3, padding=1), BiasedLeakyRelu(inputs))
        self.conv2 = nn.Sequential(Blur(inputs), EqualConv(inputs, outputs, 3, stride=2), BiasedLeakyRelu(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class FromWavelets(nn.Module):
    """What a scale's twelve wavelet bands add to the features."""

    def __init__(self, outputs: int):
        super().__init__()
        self.conv = nn.Sequential(EqualConv(12, outputs, 1), BiasedLeakyRelu(outputs))

    def forward(self, bands: Tensor, features: Tensor | None) -> Tensor:
        added = self.conv(bands)
        return added if features is None else added + features


class WaveletDiscriminator(nn.Module):
    """Square pictures (N, 3, size, size) in ImageNet's units -> (N, 1), high for real; ``size`` is a power of two.

    ``most`` are the channels of the small scales; larger scales have fewer, as in the paper, where they are 512.
    """

    def __init__(self, size: int, most: int = 512):
        super().__init__()
        # Bands of size/2, size/4 … 4 pixels; the first has the channels of the picture's own size.
        sides = [size, *(size >> depth for depth in range(2, int(math.log2(size)) - 1))]
        widths = [min(most, max(8, most * 64 // side)) for side in sides]
        self.from_rgbs = nn.ModuleList(FromWavelets(width) for width in widths)
        self.convs = nn.ModuleList(ConvBlock(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.final_conv = nn.Sequential(EqualConv(most + 1, most, 3, padding=1), BiasedLeakyRelu(most))
        self.final_linear = nn.Sequential(EqualLinear(16 * most, most, activate=True), EqualLinear(most, 1))
        self.register_buffer("haar", haar_kernel(), persistent=False)
        self.register_buffer("blur", blur_kernel(3), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        features = None
        for depth, from_wavelets in enumerate(self.from_rgbs):
            if depth:
                picture = F.conv2d(picture, self.blur, stride=2, padding=1, groups=3)
                features = self.convs[depth - 1](features)
            features = from_wavelets(F.conv2d(picture, self.haar, stride=2), features)
        return self.final_linear(self.final_conv(torch.cat([features, spread(features)], 1)).flatten(1))


def spread(features: Tensor) -> Tensor:
    """(N, 1, H, W): mean deviation of the features within groups of pictures, so that sameness is noticed."""
    n, _, height, width = features.shape
    groups = features.view(math.gcd(n, GROUP), -1, *features.shape[1:])
    deviation = (groups.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return deviation.repeat(math.gcd(n, GROUP))[:, None, None, None].expand(n, 1, height, width)


def logistic_loss(real: Tensor, made: Tensor) -> Tensor:
    """What the discriminator minimises (Goodfellow et al. 2014, as StyleGAN writes it)."""
    return F.softplus(-real).mean() + F.softplus(made).mean()


def non_saturating_loss(made: Tensor) -> Tensor:
    """What the generator minimises."""
    return F.softplus(-made).mean()


def gradient_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): mean squared norm of the score's gradient at real pictures."""
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()

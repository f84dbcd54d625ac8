"""Building blocks of paint graphs: convolutions, adds, activations and resizes only, which every engine can run."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A zero-padded convolution; at stride 2 with an even kernel the output is exactly half as large."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def haar_analysis() -> Tensor:
    """(12, 3, 2, 2) kernel of the Haar transform at stride 2: low pass of R, G, B, then three details of each.

    The low pass is the mean of the 2x2 block, so it stays in the picture's own range.
    """
    rows = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 4
    kernel = torch.zeros(4, 3, 3, 2, 2)
    for band in range(4):
        for colour in range(3):
            kernel[band, colour, colour] = rows[band].view(2, 2)
    return kernel.view(12, 3, 2, 2)


def haar_synthesis() -> Tensor:
    """(12, 12, 1, 1) kernel that, followed by a pixel shuffle of 2, inverts :func:`haar_analysis`."""
    signs = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    kernel = torch.zeros(3, 4, 4, 3)
    for colour in range(3):
        kernel[colour, :, :, colour] = signs.T
    return kernel.view(12, 12, 1, 1)


def upsampling_fold() -> Tensor:
    """(2, 3, 5) map from a 5-tap kernel at high resolution to 3 taps at low resolution for either output phase."""
    fold = torch.zeros(2, 3, 5)
    for phase in range(2):
        for tap in range(5):
            fold[phase, (phase + tap - 2) // 2 + 1, tap] = 1
    return fold


class UpsampleConv(nn.Module):
    """Nearest upsampling by 2 and a 5x5 convolution, computed at the low resolution.

    Each of the four output phases sees only 3x3 low-resolution pixels, so the pair equals one 3x3 convolution to four
    times the channels and a pixel shuffle, at 36/100 of the multiplications. Unlike a free sub-pixel convolution it
    answers a flat input with a flat output: it cannot draw the lattices that a style loss drives pixel shuffle into.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv5 = conv(inputs, outputs, 5)
        self.register_buffer("fold", upsampling_fold(), persistent=False)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight (4·outputs, inputs, 3, 3) and bias (4·outputs,) of the equivalent low-resolution convolution."""
        outputs, inputs = self.conv5.weight.shape[:2]
        weight = torch.einsum("pru,qsv,oiuv->opqirs", self.fold, self.fold, self.conv5.weight)
        return weight.reshape(4 * outputs, inputs, 3, 3), self.conv5.bias.repeat_interleave(4)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.folded()
        return F.pixel_shuffle(F.conv2d(x, weight, bias, padding=1), 2)


class GrainConv(nn.Conv2d):
    """A 3x3 convolution whose kernels sum to zero, without a bias: it draws where its input changes, nowhere else.

    Free outputs at the finest scale would answer a flat input with one pattern in every cell, which is the lattice that
    a style loss drives such layers into; these answer it with nothing. A fresh one draws nothing at all.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight - self.weight.mean((2, 3), keepdim=True), padding=1)

"""Johnson et al. 2016 in TensorFlow's layout (the variant of lengstrom/fast-style-transfer).

Kernels are HWIO, padding is TensorFlow's SAME with zeros, upsampling is by transposed convolutions, every convolution
is followed by instance normalisation (epsilon 1e-3; its shift is stored before its scale), and the picture is
``tanh * 150 + 127.5``. The variables are numbered in the order in which they were made, three for each convolution.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distill.teachers.named_weights import NamedWeights
from runtime.errors import UserError

LICENCE = "lengstrom/fast-style-transfer: for research only"
EPS = 1e-3
BLOCKS = 5
CONVOLUTIONS = 3 + 2 * BLOCKS + 3
#: Of the two that enlarge, by their place.
TRANSPOSED = (CONVOLUTIONS - 3, CONVOLUTIONS - 2)


def read_layers(path: Path) -> dict[str, Tensor]:
    """``N.kernel`` in torch's order, ``N.scale`` and ``N.shift`` (C, 1, 1) of convolution N.

    Raises:
        UserError: the file is no such network.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = [stored["Variable" if n == 0 else f"Variable_{n}"] for n in range(3 * CONVOLUTIONS)]
        tensors = [torch.from_numpy(array.astype(np.float32)) for array in arrays]
        state: dict[str, Tensor] = {}
        for number, (kernel, shift, scale) in enumerate(zip(tensors[::3], tensors[1::3], tensors[2::3], strict=True)):
            # (height, width, in, out), of a transposed one (height, width, out, in): torch has these in front, turned.
            state[f"{number}.kernel"] = kernel.permute(3, 2, 0, 1).contiguous()
            state[f"{number}.scale"], state[f"{number}.shift"] = scale[:, None, None], shift[:, None, None]
    except (OSError, ValueError, KeyError, RuntimeError, IndexError, TypeError) as error:
        raise UserError(f"{path.name} cannot be read as {CONVOLUTIONS} convolutions ({error})") from error
    return state


def paint_tensorflow(weights: NamedWeights, picture: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1], sides multiples of 4 -> the same, from -22.5/255 to 277.5/255."""

    def layer(number: int, x: Tensor, stride: int = 1) -> Tensor:
        kernel = weights[f"{number}.kernel"]
        y = _transposed(x, kernel) if number in TRANSPOSED else _same(x, kernel, stride)
        return F.instance_norm(y, eps=EPS) * weights[f"{number}.scale"] + weights[f"{number}.shift"]

    x = picture * 255
    for number, stride in enumerate((1, 2, 2)):
        x = F.relu(layer(number, x, stride))
    for first in range(3, 3 + 2 * BLOCKS, 2):
        x = x + layer(first + 1, F.relu(layer(first, x)))
    for number in TRANSPOSED:
        x = F.relu(layer(number, x))
    return (torch.tanh(layer(CONVOLUTIONS - 1, x)) * 150 + 127.5) / 255


def _same(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """TensorFlow's SAME for an even size: with a stride of 2, one pixel less in front."""
    after = kernel.shape[-1] // 2
    before = after - (stride - 1)
    return F.conv2d(F.pad(x, (before, after) * 2), kernel, stride=stride)


def _transposed(x: Tensor, kernel: Tensor) -> Tensor:
    """Twice the size; SAME drops the last row and column."""
    return F.conv_transpose2d(x, kernel, stride=2)[:, :, :-1, :-1]

"""Johnson et al. 2016 at full width in TensorFlow's layout (the variant of Engstrom's fast-style-transfer).

Kernels are HWIO, padding is TensorFlow's SAME with zeros, upsampling is by transposed convolutions, every convolution
is followed by instance normalisation (epsilon 1e-3; its shift is stored before its scale), and the picture is
``tanh * 150 + 127.5``. The variables are numbered in the order in which they were made, three for each convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers import PeerAbsent
from benchmarks.peers.networks import Networks, count

if TYPE_CHECKING:
    from torch import Tensor

EPS = 1e-3
BLOCKS = 5
CONVOLUTIONS = 3 + 2 * BLOCKS + 3
#: Of the two that enlarge, by their place.
TRANSPOSED = (CONVOLUTIONS - 3, CONVOLUTIONS - 2)


def networks(files: Mapping[str, Path]) -> Networks:
    """The network of ``files["content"]``."""
    layers = read_layers(files["content"])
    note = f"style '{files['content'].stem.removeprefix('full_')}' only"
    parameters = count(*(dict(enumerate(layer)) for layer in layers))  # type: ignore[arg-type]
    return Networks(lambda picture: paint(layers, picture), None, parameters, note=note)


def read_layers(path: Path) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Kernel in torch's order, scale and shift (C, 1, 1) of every convolution.

    Raises:
        PeerAbsent: the file is no such network.
    """
    import torch

    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = [stored["Variable" if n == 0 else f"Variable_{n}"] for n in range(3 * CONVOLUTIONS)]
    except (OSError, ValueError, KeyError) as error:
        raise PeerAbsent(f"{path.name} cannot be read as {CONVOLUTIONS} convolutions ({error})") from error
    tensors = [torch.from_numpy(array.astype(np.float32)) for array in arrays]
    # (height, width, in, out), of a transposed one (height, width, out, in): torch has the last two in front, turned.
    kernels = [kernel.permute(3, 2, 0, 1) for kernel in tensors[::3]]
    return [
        (kernel.contiguous(), scale[:, None, None], shift[:, None, None])
        for kernel, shift, scale in zip(kernels, tensors[1::3], tensors[2::3], strict=True)
    ]


def paint(layers: list[tuple[Tensor, Tensor, Tensor]], picture: Tensor) -> Tensor:
    """(1, 3, H, W) in [0, 1] -> the same, from -22.5/255 to 277.5/255; H and W multiples of 4."""
    import torch
    import torch.nn.functional as F

    def layer(number: int, x: Tensor, stride: int = 1) -> Tensor:
        kernel, scale, shift = layers[number]
        y = _transposed(x, kernel) if number in TRANSPOSED else _same(x, kernel, stride)
        return F.instance_norm(y, eps=EPS) * scale + shift

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
    import torch.nn.functional as F

    after = kernel.shape[-1] // 2
    before = after - (stride - 1)
    return F.conv2d(F.pad(x, (before, after) * 2), kernel, stride=stride)


def _transposed(x: Tensor, kernel: Tensor) -> Tensor:
    """Twice the size; SAME drops the last row and column."""
    import torch.nn.functional as F

    return F.conv_transpose2d(x, kernel, stride=2)[:, :, :-1, :-1]

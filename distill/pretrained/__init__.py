"""Weights that ship with the package, trained by this project: safetensors in half precision, each with a card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

from runtime.atomic_write import write_atomically

FOLDER = Path(__file__).parent


def save_weights(path: Path, net: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write ``net``'s state in fp16, atomically."""
    state = {k: v.detach().half().contiguous() for k, v in net.state_dict().items()}
    write_atomically(path, save(state, dict(metadata)))


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a file of :func:`save_weights` back as float32."""
    return {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}

"""Where a run computes: one device, or several processes that torchrun started."""

from __future__ import annotations

import torch
from accelerate import Accelerator

from distill.precision import fast_dtype
from runtime.errors import UserError


def accelerator_for(device: str) -> Accelerator:
    """accelerate on the device asked for; ``UserError`` when it is not there."""
    kind = device_kind(device)
    precision = "bf16" if fast_dtype(kind) is torch.bfloat16 else "no"
    return Accelerator(cpu=kind == "cpu", mixed_precision=precision)


def device_kind(device: str) -> str:
    """The kind of device that ``--device`` stands for; ``UserError`` when it is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this torch sees no CUDA GPU; use --device cpu or auto")
    if device == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device mps: this torch sees no Apple GPU; use --device cpu or auto")
    if device not in ("auto", "cpu", "cuda", "mps"):
        raise UserError(f"--device is auto, cpu, cuda or mps, not '{device}'")
    return best_device() if device == "auto" else device


def best_device() -> str:
    """The fastest kind of device that this torch can use."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"

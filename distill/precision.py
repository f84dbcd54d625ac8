"""Which number format a device computes fast in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

#: Functions of torch.cpu that tell of bfloat16 units; they are private, and older versions lack them.
CPU_UNITS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def fast_dtype(device: str) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively, else float32.

    Without AVX-512 BF16 or AMX, autocast on a CPU is tens of times *slower* than float32, so it is no default there.
    """
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device == "cpu" and any(getattr(torch.cpu, name, bool)() for name in CPU_UNITS):
        return torch.bfloat16
    return torch.float32


def fast_autocast(device: str) -> AbstractContextManager:
    """Autocast to :func:`fast_dtype`; does nothing where that is float32."""
    dtype = fast_dtype(device)
    return nullcontext() if dtype is torch.float32 else torch.autocast(device.split(":")[0], dtype=dtype)

"""Number formats per device."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from distill import precision
from distill.precision import fast_autocast, fast_dtype


@pytest.fixture
def hardware(monkeypatch):
    """`hardware(avx512, amx, cuda)` says what multiplies bfloat16 natively."""

    def set_hardware(avx512: bool = False, amx: bool = False, cuda: bool = False) -> None:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: cuda)

    return set_hardware


def test_a_plain_cpu_stays_with_float32(hardware):
    hardware()
    assert fast_dtype("cpu") is torch.float32
    assert isinstance(fast_autocast("cpu"), nullcontext)
    with fast_autocast("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32


@pytest.mark.parametrize("unit", ["avx512", "amx"])
def test_a_cpu_with_bfloat16_uses_it(hardware, unit):
    hardware(**{unit: True})
    assert fast_dtype("cpu") is torch.bfloat16
    with fast_autocast("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16


def test_gpus(hardware):
    hardware(cuda=True)
    assert fast_dtype("cuda:1") is torch.bfloat16
    hardware()
    assert fast_dtype("cuda") is torch.float32
    assert fast_dtype("mps") is torch.float32


def test_a_torch_that_cannot_tell_stays_with_float32(monkeypatch):
    for name in precision.CPU_UNITS:
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert fast_dtype("cpu") is torch.float32

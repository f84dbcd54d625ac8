from __future__ import annotations

import re

import pytest

from export.tensorrt.gpus import GPUS, compute_capability, sm_name
from runtime.errors import UserError


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("sm89", "8.9"),
        ("SM_120", "12.0"),
        ("8.6", "8.6"),
        ("rtx4090", "8.9"),
        ("RTX 3060", "8.6"),
        ("NVIDIA GeForce RTX 4070 Ti", "8.9"),
        ("GeForce RTX 4060 Laptop GPU", "8.9"),
        ("rtx-5090", "12.0"),
        ("NVIDIA RTX 6000 Ada Generation", "8.9"),
        ("t4", "7.5"),
        ("A100", "8.0"),
        ("h100", "9.0"),
        ("Jetson AGX Orin", "8.7"),
    ],
)
def test_names(name: str, capability: str):
    assert compute_capability(name) == capability


def test_names_nearly_right_and_unknown():
    with pytest.raises(UserError, match="no GPU called 'rtx4900' is known: did you mean 'rtx4090'?"):
        compute_capability("rtx4900")
    with pytest.raises(UserError, match="give its compute capability, such as sm89"):
        compute_capability("voodoo 2")
    with pytest.raises(UserError):
        compute_capability("")


def test_the_table_is_well_formed():
    assert all(re.fullmatch(r"\d{1,2}\.\d", capability) for capability in GPUS.values())
    assert all(re.fullmatch(r"[a-z0-9]+", name) for name in GPUS)
    assert all(compute_capability(name) == capability for name, capability in GPUS.items())
    assert sm_name("12.0") == "sm120"

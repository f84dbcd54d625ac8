"""Which compute capability a GPU has, by the name that is printed on it.

Source: NVIDIA's table "CUDA GPU Compute Capability", developer.nvidia.com/cuda-gpus, read in November 2026.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from runtime.errors import UserError

_NAMES = {
    "7.5": "t4, gtx1650ti, rtx2060, rtx2070, rtx2080, rtx2080ti, titanrtx",
    "8.0": "a100, a30",
    "8.6": "a40, a10, a16, a2, rtxa6000, rtxa5000, rtxa4000, rtxa3000, rtxa2000, rtx3050, rtx3050ti, rtx3060, "
    "rtx3060ti, rtx3070, rtx3070ti, rtx3080, rtx3080ti, rtx3090, rtx3090ti",
    "8.7": "agxorin, orinnx, orinnano",
    "8.9": "l4, l40, l40s, rtx6000ada, rtx5000ada, rtx4500ada, rtx4000ada, rtx2000ada, rtx4050, rtx4060, rtx4060ti, "
    "rtx4070, rtx4070ti, rtx4080, rtx4090",
    "9.0": "gh200, h200, h100",
    "10.0": "gb200, b200",
    "11.0": "t5000, t4000",
    "12.0": "rtxpro6000, rtxpro5000, rtxpro4500, rtxpro4000, rtxpro2000, rtx5050, rtx5060, rtx5060ti, rtx5070, "
    "rtx5070ti, rtx5080, rtx5090",
    "12.1": "gb10, dgxspark",
}
#: Names of GPUs, in lower case and without blanks, and their compute capability.
GPUS = {name: capability for capability, names in _NAMES.items() for name in names.split(", ")}
_SM = re.compile(r"sm_?(\d{1,2})(\d)")
_NOISE = re.compile(r"nvidia|geforce|jetson|laptop|generation|gpu|blackwell|[\s_-]+")


def compute_capability(gpu: str) -> str:
    """ "8.9" for ``sm89``, ``8.9``, ``rtx4090`` or ``NVIDIA GeForce RTX 4090``.

    Raises:
        UserError: no such GPU is known; the nearest name is suggested.
    """
    plain = _NOISE.sub("", gpu.lower())
    if match := _SM.fullmatch(plain):
        return f"{match[1]}.{match[2]}"
    if plain in GPUS:
        return GPUS[plain]
    if plain in _NAMES:
        return plain
    near = get_close_matches(plain, GPUS, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else "give its compute capability, such as sm89"
    raise UserError(f"no GPU called '{gpu}' is known: {hint}")


def sm_name(capability: str) -> str:
    """ "sm89" for "8.9"."""
    return "sm" + capability.replace(".", "")

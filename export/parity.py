"""Whether an exported graph computes what the student computes in torch, and what rounded weights cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, log10
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from export.graphs import PaintGraph, StudentGraph, student_graphs
from runtime.engines import open_engine
from runtime.errors import UserError

#: Largest difference between torch and a float32 graph, in the output's own units (a picture's range is 1).
MAX_ABS_ERROR = 1e-4
#: Least likeness of pictures painted with rounded weights, in dB; 45 dB is about a level of 256.
MIN_ROUNDING_PSNR = 45.0
#: Equal outputs have no finite PSNR; JSON has no infinity.
PSNR_OF_EQUALS = 200.0
_LARGEST_SIDE, _RANDOM_SIZES = 320, 3


@dataclass(frozen=True)
class Parity:
    """How far an output is from torch's, over all ``sizes`` (height, width).

    Attributes:
        max_abs_error: largest difference of one number.
        psnr: in dB, the output's largest magnitude as the peak; of the worst size.
        gate: what was asked for.
        maps: whether scales and shifts were also given as maps.
        format: of the graph that was compared; "torch" where both sides ran there.
    """

    role: str
    precision: str
    max_abs_error: float
    psnr: float
    gate: str
    sizes: tuple[tuple[int, int], ...]
    seed: int
    maps: bool = False
    format: str = "onnx"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "sizes": [list(size) for size in self.sizes]}


def measure_parity(
    graph: StudentGraph, path: Path, precision: str = "fp32", max_abs_error: float = MAX_ABS_ERROR, seed: int = 0
) -> Parity:
    """Run the file in ONNX Runtime and the graph in torch on random pictures of random sizes.

    Raises:
        UserError: they differ by more than ``max_abs_error`` somewhere; the message names graph and size.
    """
    maps = isinstance(graph.module, PaintGraph)
    sizes = parity_sizes(graph, seed)
    errors, ratios = [], []
    engine = open_engine("onnxruntime", path, threads=1)
    try:
        for index, (height, width) in enumerate(sizes):
            for as_maps in (False, True) if maps and index < 2 else (False,):
                inputs = graph.example(height, width, seed + index, as_maps)
                feeds = {spec.name: x.numpy() for spec, x in zip(graph.inputs, inputs, strict=True)}
                expected, found = graph.run(inputs).numpy(), engine.run(feeds)[graph.outputs[0].name]
                errors.append(_max_difference(expected, found))
                ratios.append(psnr(expected, found))
                if not errors[-1] <= max_abs_error:
                    raise UserError(
                        f"the {graph.role} graph differs from torch by {errors[-1]:.2g} at {height}x{width} pixels "
                        f"(at most {max_abs_error:g} is allowed): nothing was exported; try another version of "
                        "torch or onnxruntime"
                    )
    finally:
        engine.close()
    return Parity(
        graph.role,
        precision,
        _rounded(max(errors)),
        round(min(ratios), 1),
        f"max_abs_error <= {max_abs_error:g}",
        sizes,
        seed,
        maps,
    )


def measure_rounding(student: nn.Module, rounded: nn.Module, seed: int = 0) -> Parity:
    """Paint the same pictures with the student's own weights and with the rounded ones, both in torch.

    Raises:
        UserError: the pictures are less alike than `MIN_ROUNDING_PSNR`.
    """
    graph, other = student_graphs(student)[-1], student_graphs(rounded)[-1]
    sizes = parity_sizes(graph, seed)
    errors, ratios = [], []
    for index, (height, width) in enumerate(sizes):
        expected = graph.run(graph.example(height, width, seed + index)).clamp(0, 1).numpy()
        found = other.run(other.example(height, width, seed + index)).clamp(0, 1).numpy()
        errors.append(_max_difference(expected, found))
        ratios.append(psnr(expected, found))
    if not min(ratios) >= MIN_ROUNDING_PSNR:
        raise UserError(
            f"storing the weights as fp16 changes the pictures ({min(ratios):.1f} dB where {MIN_ROUNDING_PSNR:g} is "
            "asked for): export with --no-compact"
        )
    gate = f"psnr >= {MIN_ROUNDING_PSNR:g}"
    error, ratio = _rounded(max(errors)), round(min(ratios), 1)
    return Parity("paint", "fp16 weights", error, ratio, gate, sizes, seed, format="torch")


def parity_sizes(graph: StudentGraph, seed: int) -> tuple[tuple[int, int], ...]:
    """(height, width) to compare at: random ones, and the smallest beside three times as much."""
    rng = np.random.default_rng(seed)
    most = _LARGEST_SIDE // graph.multiple
    least = max(1, 32 // graph.multiple)
    random = rng.integers(least, most + 1, (_RANDOM_SIZES, 2)) * graph.multiple
    return (*((int(h), int(w)) for h, w in random), (graph.smallest, 3 * graph.smallest))


def psnr(expected: np.ndarray, found: np.ndarray) -> float:
    """Peak signal to noise ratio in dB, with the largest magnitude of ``expected`` as the peak; -inf for NaN."""
    error = float(np.sqrt(np.mean(np.square(expected.astype(np.float64) - found))))
    peak = float(np.abs(expected).max())
    if error == 0:
        return PSNR_OF_EQUALS
    if not np.isfinite(error) or peak == 0:
        return -inf
    return min(PSNR_OF_EQUALS, 20 * log10(peak / error))


def require_finite(student: nn.Module, source: object) -> None:
    """Refuse a student whose training has diverged.

    Raises:
        UserError: a weight is not finite.
    """
    for name, value in student.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise UserError(
                f"{source} holds weights that are not finite ({name}): its training diverged, distill again"
            )


def _max_difference(expected: np.ndarray, found: np.ndarray) -> float:
    if expected.shape != found.shape:
        return inf
    return float(np.abs(expected.astype(np.float64) - found).max())


def _rounded(value: float) -> float:
    """Two digits: more would differ between machines for nothing."""
    return float(f"{value:.1e}")

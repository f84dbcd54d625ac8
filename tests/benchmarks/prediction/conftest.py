"""Workloads, and efficiencies fitted on made-up measurements."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.prediction.efficiency import PARAMETERS
from benchmarks.prediction.fit import Fit, LeaveOneOut
from benchmarks.prediction.fitted import Fitted
from benchmarks.prediction.workload import Step, Workload

USUAL = {name: parameter.usual for name, parameter in PARAMETERS.items()}


def make_work(size: int, channels: int = 32, precision: str = "fp32", depth: int = 4) -> Workload:
    """Dense convolutions, and an addition behind each, at full resolution."""
    width = 1 if precision == "int8" else 2 if precision == "fp16" else 4
    pixels = size * size
    convolution = Step(
        "dense", precision, 18.0 * pixels * channels**2, 2.0 * pixels * channels * width, (channels, channels)
    )
    other = "fp16" if precision == "fp16" else "fp32"
    addition = Step("elementwise", other, 0.0, 3.0 * pixels * channels * (2 if other == "fp16" else 4))
    return Workload((convolution, addition) * depth, 6.0 * pixels * width + depth * 9.0 * channels**2 * width)


def make_fitted(group: str = "x86-avx2/onnxruntime", typical: float = 1.3) -> Fitted:
    left = LeaveOneOut(40, typical, 2.0, "tiny")
    fit = Fit(group, USUAL, 40, ("a processor",), ("tiny", "other"), 1.1, left, left)
    return Fitted("2026-01-31T12:00:00Z", "python -m benchmarks.prediction fit", (), (fit,))


@pytest.fixture
def work() -> Callable[..., Workload]:
    return make_work


@pytest.fixture
def fitted() -> Fitted:
    return make_fitted()

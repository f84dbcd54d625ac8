"""How near an engine comes to the roofline: what a step takes, from a few numbers that are fitted on measurements.

A step takes ``step_us`` to begin, then the longer of its operations over the peak times an efficiency (by kind and
precision) and its bytes over the bandwidth times an efficiency (by kind). Narrow convolutions are less efficient: an
efficiency holds for many channels, and at ``narrow`` channels on both sides a quarter of it is left, since engines work
on blocks of channels. C cores do the work of C ** ``scaling``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.prediction.roofline import Roofline
from benchmarks.prediction.workload import CONVOLUTIONS, OTHERS, Workload

PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Parameter:
    """Its usual value, and the bounds within which a fit may move it."""

    usual: float
    low: float
    high: float


def _parameters() -> dict[str, Parameter]:
    # Above 1: the clock that a system tells may be below the one that its processor boosts to.
    compute = {f"{kind}/{precision}": Parameter(0.4, 0.002, 3.0) for kind in CONVOLUTIONS for precision in PRECISIONS}
    narrow = {f"narrow/{precision}": Parameter(8.0, 0.05, 64.0) for precision in PRECISIONS}
    # Above 1: the bandwidth is that of the memory, and a small picture stays in the caches.
    memory = {f"memory/{kind}": Parameter(0.5, 0.01, 8.0) for kind in ("convolution", *OTHERS)}
    rest = {"step_us": Parameter(5.0, 0.2, 200.0), "run_us": Parameter(20.0, 1.0, 2000.0)}
    return {**compute, **narrow, **memory, **rest, "scaling": Parameter(0.85, 0.01, 1.0)}


#: Every number of the model by name.
PARAMETERS = _parameters()
NAMES = tuple(PARAMETERS)
_INDEX = {name: index for index, name in enumerate(NAMES)}
#: fp16 on a unit that no record is of: the efficiencies of float32 at the peak and the bytes of fp16.
_FITTED_AS = {"fp32": "fp32", "fp16": "fp32", "int8": "int8"}


@dataclass(frozen=True)
class Case:
    """A workload on a roofline, as arrays over its steps: what the model needs, worked out once.

    ``compute_s`` and ``memory_s`` are seconds on one core at the peaks; ``compute`` and ``memory`` are the indices of
    the efficiencies that apply, ``narrow`` that of the channels.
    """

    compute_s: NDArray[np.float64]
    memory_s: NDArray[np.float64]
    compute: NDArray[np.int64]
    memory: NDArray[np.int64]
    narrow: NDArray[np.int64]
    channels: NDArray[np.float64]
    cores: int

    @classmethod
    def of(cls, work: Workload, roofline: Roofline) -> Case:
        precisions = [_FITTED_AS[step.precision] for step in work.steps]
        kinds = [step.kind for step in work.steps]
        convolutions = [kind in CONVOLUTIONS for kind in kinds]
        return cls(
            compute_s=np.array([step.operations / roofline.peaks[step.precision] for step in work.steps]),
            memory_s=np.array([step.bytes / roofline.bandwidth for step in work.steps]),
            compute=np.array(
                [
                    _INDEX[f"{k if own else 'dense'}/{p}"]
                    for k, own, p in zip(kinds, convolutions, precisions, strict=True)
                ]
            ),
            memory=np.array(
                [_INDEX[f"memory/{'convolution' if own else k}"] for k, own in zip(kinds, convolutions, strict=True)]
            ),
            narrow=np.array([_INDEX[f"narrow/{p}"] for p in precisions]),
            channels=np.array([step.channels for step in work.steps], dtype=np.float64).reshape(-1, 2),
            cores=roofline.cores,
        )

    def seconds(self, values: NDArray[np.float64]) -> float:
        """Time of one run; ``values`` are the parameters in the order of NAMES."""
        half = values[self.narrow][:, None]
        squares = self.channels**2
        wide = np.prod(np.where(self.channels > 0, squares / (squares + half**2), 1.0), axis=1)
        compute = self.compute_s / (values[self.compute] * wide)
        memory = self.memory_s / values[self.memory]
        work = np.maximum(compute, memory).sum() / self.cores ** values[_INDEX["scaling"]]
        return float(work + (len(self.compute_s) * values[_INDEX["step_us"]] + values[_INDEX["run_us"]]) * 1e-6)


def as_values(parameters: Mapping[str, float]) -> NDArray[np.float64]:
    """Parameters by name as an array in the order of NAMES."""
    return np.array([parameters[name] for name in NAMES])


def as_parameters(values: Sequence[float]) -> dict[str, float]:
    """The inverse."""
    return dict(zip(NAMES, map(float, values), strict=True))

"""Efficiencies fitted to measured latencies by least squares, and how well they predict what they never saw.

The residuals are those of the logarithm, so an error of a factor counts the same at one millisecond and at a second.
Each parameter is held to its usual value by a weak prior, which decides only what the measurements do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.prediction.efficiency import NAMES, PARAMETERS, as_parameters, as_values
from benchmarks.prediction.observations import Observation

#: A factor of e either way costs as much as one measurement that is off by this share.
PRIOR = 0.05
#: From this log error on a measurement counts less than its square: another process was in the way.
TOLERANCE = 0.2
FEWEST = 4
OneByOne = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True)
class LeaveOneOut:
    """Errors of predictions of what was left out of the fit: as a factor, root mean square of the logarithm.

    1.25 means: typically 25 % off, either way. ``worst`` is the greatest factor, ``of`` the bundle it was of.
    """

    count: int
    typical: float
    worst: float
    of: str


@dataclass(frozen=True)
class Fit:
    """Efficiencies of an engine on a device, and what they rest on.

    Attributes:
        group: device and engine.
        parameters: by name, as in ``benchmarks.prediction.efficiency``.
        measurements: how many latencies; ``machines`` and ``bundles`` are whose.
        residual: typical error of the measurements that the fit did see, as a factor.
        without_a_measurement, without_a_bundle: leave-one-out, of single measurements and of whole bundles; the
            latter says how well a student is predicted that was never measured.
    """

    group: str
    parameters: dict[str, float]
    measurements: int
    machines: tuple[str, ...]
    bundles: tuple[str, ...]
    residual: float
    without_a_measurement: LeaveOneOut
    without_a_bundle: LeaveOneOut

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def fit_all(
    observations: Sequence[Observation],
    tell: Callable[[str], None] = lambda line: None,
    one_by_one: OneByOne = iter,
) -> list[Fit]:
    """A fit for each device and engine that has at least FEWEST measurements of two bundles.

    ``one_by_one`` goes through the numbers of the measurements that are left out; a progress bar can take its place.
    """
    fits = []
    for group in sorted({each.group for each in observations}):
        own = [each for each in observations if each.group == group]
        if len(own) >= FEWEST and len({each.bundle for each in own}) >= 2:
            tell(f"{group}: {len(own)} measurements")
            fits.append(fit_group(own, one_by_one))
        else:
            tell(f"{group}: {len(own)} measurements are too few, of at least two bundles there have to be {FEWEST}")
    return fits


def fit_group(observations: Sequence[Observation], one_by_one: OneByOne = iter) -> Fit:
    """Fit measurements of one device and engine, and leave each measurement and each bundle out once."""
    values = solve(observations)
    bundles = tuple(dict.fromkeys(each.bundle for each in observations))
    by_bundle = [
        (each, predicted)
        for bundle in bundles
        for each, predicted in _left_out(observations, [each.bundle == bundle for each in observations], None)
    ]
    singly = [
        pair
        for number in one_by_one(range(len(observations)))
        for pair in _left_out(observations, [number == other for other in range(len(observations))], values)
    ]
    return Fit(
        group=observations[0].group,
        parameters=as_parameters(values),
        measurements=len(observations),
        machines=tuple(dict.fromkeys(each.machine for each in observations)),
        bundles=bundles,
        residual=_typical([np.log(each.case.seconds(values) / each.seconds) for each in observations]),
        without_a_measurement=_errors(singly),
        without_a_bundle=_errors(by_bundle),
    )


def solve(observations: Sequence[Observation], start: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The parameters in the order of NAMES. Needs scipy."""
    from scipy.optimize import least_squares

    usual = np.log(as_values({name: PARAMETERS[name].usual for name in NAMES}))
    bounds = np.log([[getattr(PARAMETERS[name], end) for name in NAMES] for end in ("low", "high")])
    measured = np.log([each.seconds for each in observations])

    def residuals(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.exp(logarithms)
        predicted = np.log([each.case.seconds(values) for each in observations])
        return np.concatenate([predicted - measured, PRIOR * (logarithms - usual)])

    begin = usual if start is None else np.log(start)
    inside = np.clip(begin, bounds[0] + 1e-9, bounds[1] - 1e-9)
    found = least_squares(residuals, inside, bounds=tuple(bounds), loss="soft_l1", f_scale=TOLERANCE)
    return np.exp(found.x)


def _left_out(
    observations: Sequence[Observation], out: Sequence[bool], start: NDArray[np.float64] | None
) -> list[tuple[Observation, float]]:
    """Those that are left out, each with what a fit of the others predicts."""
    values = solve([each for each, leave in zip(observations, out, strict=True) if not leave], start)
    return [(each, each.case.seconds(values)) for each, leave in zip(observations, out, strict=True) if leave]


def _errors(pairs: Sequence[tuple[Observation, float]]) -> LeaveOneOut:
    logarithms = [np.log(predicted / each.seconds) for each, predicted in pairs]
    worst = int(np.argmax(np.abs(logarithms)))
    return LeaveOneOut(len(pairs), _typical(logarithms), float(np.exp(abs(logarithms[worst]))), pairs[worst][0].bundle)


def _typical(logarithms: Sequence[float]) -> float:
    return float(np.exp(np.sqrt(np.mean(np.square(logarithms)))))

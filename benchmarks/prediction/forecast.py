"""The latency of a paint graph on a device where nobody measured it, with an interval for how little is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.prediction.efficiency import PARAMETERS, PRECISIONS, Case, as_values
from benchmarks.prediction.fit import Fit
from benchmarks.prediction.fitted import Fitted
from benchmarks.prediction.roofline import ENGINES, UNITS, Roofline
from benchmarks.prediction.workload import CONVOLUTIONS, Workload
from devices import Device

#: What a prediction's efficiencies come from, the surest first.
SAME_CLASS, SAME_UNIT, EXTRAPOLATED = "same class", "same unit", "extrapolated"
BASES = (SAME_CLASS, SAME_UNIT, EXTRAPOLATED)
#: Standard deviations of a 95 % interval.
WIDE = 1.96
#: Further uncertainty, as factors of one standard deviation. They are judgements, not measurements: another machine of
#: a class that was measured; a device of another class on whose kind of unit something was measured; an unknown clock.
ANOTHER_MACHINE, ANOTHER_CLASS, ASSUMED_CLOCK = 1.25, 2.0, 1.3
#: Where nothing of the kind of unit was measured, the fast end of the interval is an engine that fuses whatever it can
#: and runs at these efficiencies, the slow end one at a fraction of those that were fitted elsewhere. Judgements too.
FASTEST = {"compute": 0.8, "narrow": 0.05, "memory": 1.5, "step_us": 2.0, "run_us": 5.0}
SLOWEST = {"share": 0.25, "narrow": 2.0, "step_us": 30.0, "run_us": 200.0}


@dataclass(frozen=True)
class Basis:
    """What a prediction rests on.

    Attributes:
        kind: one of BASES.
        group: device and engine whose efficiencies are used.
        measurements, machines: of the fit.
        typical_error: leave-one-bundle-out error of the fit, as a factor.
    """

    kind: str
    group: str
    measurements: int
    machines: tuple[str, ...]
    typical_error: float

    def __str__(self) -> str:
        fitted = (
            f"efficiencies fitted on {self.measurements} measurements of {self.group} on {', '.join(self.machines)}, "
            f"which predict a student they never saw to within a factor of {self.typical_error:.2f} (one standard "
            "deviation)"
        )
        if self.kind == SAME_CLASS:
            return fitted
        if self.kind == SAME_UNIT:
            return f"{fitted}; no device of this class was measured"
        return (
            "extrapolated, since nothing was measured on this kind of unit: from an engine at "
            f"{FASTEST['compute']:.0%} of the catalogue's peaks to one at a quarter of the {fitted}"
        )


@dataclass(frozen=True)
class Forecast:
    """A predicted latency on a quiet machine in ms, its interval, and the roofline's bound: none is below that.

    The interval is one of 95 % where efficiencies were fitted on such a unit, else the ends of what is plausible.
    """

    predicted_ms: float
    low_ms: float
    high_ms: float
    bound_ms: float


def basis_of(device: Device, engine: str, fitted: Fitted) -> Basis:
    """The surest basis that the fitted efficiencies offer for an engine on a device."""
    fit, kind = _fit_for(device, engine, fitted)
    return Basis(kind, fit.group, fit.measurements, fit.machines, fit.without_a_bundle.typical)


def forecast(work: Workload, roofline: Roofline, device: Device, engine: str, fitted: Fitted) -> Forecast:
    """Predict one paint graph at one size. A larger picture is never predicted to be faster."""
    fit, kind = _fit_for(device, engine, fitted)
    case, bound = Case.of(work, roofline), roofline.bound_s(work)
    width = math.exp(WIDE * _deviation(fit, kind, roofline))
    if kind == EXTRAPOLATED:
        low = max(bound, Case.of(work.fused(), roofline).seconds(as_values(_fastest())))
        high = max(low, case.seconds(as_values(_slowest(fit.parameters))))
        middle = math.sqrt(low * high)
        # Never narrower than where more is known.
        return _in_ms(middle, max(bound, min(low, middle / width)), max(high, middle * width), bound)
    middle = max(bound, case.seconds(as_values(fit.parameters)))
    return _in_ms(middle, max(bound, middle / width), middle * width, bound)


def _fit_for(device: Device, engine: str, fitted: Fitted) -> tuple[Fit, str]:
    own = fitted.fit(f"{device.name}/{engine}")
    if own is not None:
        return own, SAME_CLASS
    best = max(fitted.fits, key=lambda fit: (fit.group.endswith(f"/{engine}"), fit.measurements))
    return best, SAME_UNIT if _unit(best.group) == UNITS[device.kind] else EXTRAPOLATED


def _unit(group: str) -> str:
    """The unit that an engine runs on."""
    engine = group.rpartition("/")[2]
    return next((unit for unit, name in ENGINES.items() if name == engine), "cpu")


def _deviation(fit: Fit, kind: str, roofline: Roofline) -> float:
    factors = [fit.without_a_bundle.typical, ANOTHER_MACHINE if kind == SAME_CLASS else ANOTHER_CLASS]
    if roofline.assumed_clock:
        factors.append(ASSUMED_CLOCK)
    return math.hypot(*map(math.log, factors))


def _fastest() -> dict[str, float]:
    return {**{name: FASTEST.get(name.split("/")[0], FASTEST["compute"]) for name in PARAMETERS}, "scaling": 1.0}


def _slowest(fitted: Mapping[str, float]) -> dict[str, float]:
    slow = {**fitted, "step_us": SLOWEST["step_us"], "run_us": SLOWEST["run_us"], "scaling": 1.0}
    for name in (*(f"{kind}/{p}" for kind in CONVOLUTIONS for p in PRECISIONS), *_memory(fitted)):
        slow[name] = min(1.0, fitted[name]) * SLOWEST["share"]
    for precision in PRECISIONS:
        slow[f"narrow/{precision}"] = fitted[f"narrow/{precision}"] * SLOWEST["narrow"]
    return slow


def _memory(fitted: Mapping[str, float]) -> list[str]:
    return [name for name in fitted if name.startswith("memory/")]


def _in_ms(middle: float, low: float, high: float, bound: float) -> Forecast:
    return Forecast(*(seconds * 1000 for seconds in (middle, low, high, bound)))

"""The roofline of a device: the most operations and bytes a second that its catalogue's figures allow.

Williams, Waterman, Patterson: Roofline, an insightful visual performance model (2009). A step takes the longer of its
operations over the peak and its bytes over the bandwidth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.prediction.workload import Workload
from devices.device import Device, Peak
from runtime.errors import UserError

#: Which unit of a device runs a student, by the device's kind.
UNITS = {"jetson": "gpu", "gpu": "gpu", "phone": "npu", "laptop": "npu", "board": "cpu", "cpu": "cpu"}
#: The engine that the export for the unit is made for.
ENGINES = {"gpu": "tensorrt", "npu": "coreml", "cpu": "onnxruntime"}
#: Arithmetic that a unit has no figure for runs as one of these, the first that it has a figure for.
STAND_INS = {
    "int8": ("int8", "fp16", "fp32", "unstated"),
    "fp16": ("fp16", "unstated", "fp32"),
    "fp32": ("fp32", "unstated"),
}
#: Of a class of processors neither clock nor memory is known. A record tells the clock; bytes a cycle and core is a
#: reference that fitted efficiencies are relative to, and no measurement.
ASSUMED_GHZ = 3.0
#: No processor that is sold boosts beyond: what a system tells, a virtual one above all, may be below its boost.
MOST_GHZ = 6.2
BYTES_A_CYCLE = 8.0


@dataclass(frozen=True)
class Roofline:
    """Peaks of the unit that runs a student.

    Attributes:
        peaks: operations a second by the precision of the arithmetic, of one core where cores are counted.
        ceilings: the same, with what the catalogue does not say in the device's favour: no engine is faster.
        bandwidth: bytes a second, of one core where cores are counted; ``stated`` says that a source states it, so
            that nothing can be faster.
        cores: cores in use; 1 for a unit that is only known as a whole.
        mode: the power mode that the figures hold in, None where the device has one only.
        assumed_clock: whether the clock is ASSUMED_GHZ and nobody told it.
        notes: what was assumed, for people.
    """

    device: str
    unit: str
    peaks: dict[str, float]
    ceilings: dict[str, float]
    bandwidth: float
    stated: bool
    cores: int
    mode: str | None
    assumed_clock: bool
    notes: tuple[str, ...]

    def bound_s(self, work: Workload) -> float:
        """Seconds that no engine can go below, as far as the catalogue's figures are right."""
        arithmetic = sum(count / (self.ceilings[name] * self.cores) for name, count in work.operations.items())
        traffic = work.compulsory_bytes / (self.bandwidth * self.cores) if self.stated else 0.0
        return max(arithmetic, traffic)


def roofline_of(
    device: Device, precisions: Iterable[str], threads: int | None = None, ghz: float | None = None
) -> Roofline:
    """The roofline of the unit of ``device`` that runs a student with arithmetic of these precisions.

    ``threads`` and ``ghz`` are of classes of processors, whose figures are per core and cycle; by default one thread
    and ASSUMED_GHZ. Raises UserError where the catalogue has no figure to predict from, and for threads of a device
    whose figures are of all cores.
    """
    unit = UNITS[device.kind]
    figures = {precision: _figure(device, unit, precision) for precision in sorted(precisions)}
    per_core = any(figure.tera is None for figure in figures.values())
    if threads is not None and not per_core:
        raise UserError(f"--threads: the figures of {device.name} are of its whole {unit}")
    cycles = (ghz or ASSUMED_GHZ) * 1e9
    peaks = {
        precision: figure.per_core_cycle * cycles if figure.tera is None else figure.tera * 1e12
        for precision, figure in figures.items()
    }
    mode = next((figure.mode for figure in figures.values() if figure.mode), None)
    stand_ins = {own: figure.precision for own, figure in figures.items() if figure.precision != own}
    notes = [f"{own} at the peak of {other}: no other is known" for own, other in stand_ins.items()]
    if per_core and ghz is None:
        notes.append(f"a clock of {ASSUMED_GHZ:g} GHz: a class of processors has none")
    return Roofline(
        device=device.name,
        unit=unit,
        peaks=peaks,
        ceilings=_ceilings(device, unit, peaks, stand_ins, MOST_GHZ * 1e9 / cycles if per_core else 1.0),
        bandwidth=BYTES_A_CYCLE * cycles if per_core else _bandwidth(device, mode),
        stated=not per_core,
        cores=(threads or 1) if per_core else 1,
        mode=mode,
        assumed_clock=per_core and ghz is None,
        notes=tuple(notes),
    )


def _figure(device: Device, unit: str, precision: str) -> Peak:
    found = (peak for name in STAND_INS[precision] if (peak := device.peak(name, unit)) is not None)
    figure = next(found, None)
    if figure is None:
        raise UserError(f"nothing can be predicted for {device.name}: no peak of its {unit} in {precision} is known")
    return figure


def _bandwidth(device: Device, mode: str | None) -> float:
    stated = device.bandwidth(mode) or device.bandwidth()
    if stated is None:
        raise UserError(f"nothing can be predicted for {device.name}: its memory's bandwidth is not known")
    return stated.gb_s * 1e9


def _ceilings(
    device: Device, unit: str, peaks: dict[str, float], stand_ins: dict[str, str], boost: float
) -> dict[str, float]:
    """A stand-in counts twice as fast, as narrower numbers may be; float32 as TF32 where the GPU has that."""
    ceilings = {name: peak * boost * (2 if name in stand_ins else 1) for name, peak in peaks.items()}
    half = device.peak("fp16", unit)
    if "fp32" in ceilings and half is not None and half.tera and _has_tf32(device):
        ceilings["fp32"] = max(ceilings["fp32"], half.tera * 1e12 / 2)
    return ceilings


def _has_tf32(device: Device) -> bool:
    """From compute capability 8.0 on, where TensorRT takes it by default."""
    capability = device.precisions and device.precisions.compute_capability
    return capability is not None and float(capability) >= 8.0

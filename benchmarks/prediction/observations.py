"""What measured records say of paint graphs: one observation for each size, number of threads, engine and precision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measurements import SizeResult, Subject
from benchmarks.prediction.efficiency import Case
from benchmarks.prediction.roofline import UNITS, Roofline, roofline_of
from benchmarks.prediction.workload import WIDTHS, bundle_workload
from benchmarks.record import Record, read_record
from benchmarks.statistics import percentiles
from devices import Device
from devices.identify import Signs, match_device
from devices.load import BUSY_CORES
from runtime.bundle import MANIFEST_NAME, Bundle, open_bundle, sha256_of
from runtime.errors import UserError
from runtime.shipped import find_model

#: The students that ship; their records need no folder to be named. One with its style folded in has another's graph.
SHIPPED = ("adain-w025", "adain-w0125", "adain-w05")
#: The percentile of a series that counts as its latency on a quiet machine: others' work only ever adds to it.
QUIET = 10
#: Engines that run on the processor, also where the machine has a GPU.
ON_PROCESSOR = ("onnxruntime", "openvino")


@dataclass(frozen=True)
class Observation:
    """A measured latency of a paint graph: the QUIET percentile of its samples.

    Attributes:
        group: device and engine, as in ``x86-avx2/onnxruntime``: efficiencies are fitted for each.
        bundle: what was run, by name; leaving a bundle out leaves out all its sizes and precisions.
        machine: the processor's or board's name.
        bound_s: the roofline's bound for the same work.
    """

    group: str
    bundle: str
    machine: str
    precision: str
    size: int
    threads: int
    seconds: float
    bound_s: float
    case: Case


def read_observations(records: Iterable[Path], bundles: Iterable[Path]) -> tuple[list[Observation], list[str]]:
    """Every paint graph that was measured alone, and a line for each record or part of one that cannot be used.

    ``bundles`` are folders with the bundles that were measured, beside the students that ship: a record names a bundle
    by its manifest's hash and does not hold its graphs.
    """
    known = _known(bundles)
    found, unused = [], []
    for path in records:
        try:
            record = read_record(path)
        except UserError as error:
            unused.append(str(error))
            continue
        found += _observe(record, known, str(path), unused)
    return found, unused


def _known(folders: Iterable[Path]) -> dict[str, Bundle]:
    """Bundles by their manifest's hash."""
    shipped = [open_bundle(find_model(name)) for name in SHIPPED]
    given = [open_bundle(manifest.parent) for folder in folders for manifest in sorted(folder.rglob(MANIFEST_NAME))]
    return {sha256_of(bundle.directory / MANIFEST_NAME): bundle for bundle in (*shipped, *given)}


def _observe(record: Record, known: dict[str, Bundle], where: str, unused: list[str]) -> list[Observation]:
    found = []
    for number, subject in enumerate(record.subjects):
        bundle = known.get(subject.manifest_sha256 or "")
        device = _device(record, subject)
        if bundle is None or device is None or subject.precision not in WIDTHS:
            reason = "its bundle is not among those given" if bundle is None else "its device is not in the catalogue"
            unused.append(f"{where}: {subject.name} {subject.precision}: {reason}")
            continue
        for result in record.results:
            if result.threads > 1 and _is_busy(record):
                unused.append(f"{where}: {subject.name} with {result.threads} threads: the machine was busy")
            elif timing := result.timing(number, "model"):
                (quiet,) = percentiles(timing.samples_ms, [QUIET])
                found.append(_observation(record, subject, bundle, device, result, quiet / 1000))
    return found


def _observation(
    record: Record, subject: Subject, bundle: Bundle, device: Device, result: SizeResult, seconds: float
) -> Observation:
    work = bundle_workload(bundle, subject.precision, result.width, result.height)
    roofline = _roofline(device, work.operations, result)
    return Observation(
        group=f"{device.name}/{subject.engine}",
        bundle=bundle.manifest.name,
        machine=str(_machine(record).get("name", "unknown")),
        precision=subject.precision,
        size=result.width,
        threads=result.threads,
        seconds=seconds,
        bound_s=roofline.bound_s(work),
        case=Case.of(work, roofline),
    )


def _roofline(device: Device, precisions: Iterable[str], result: SizeResult) -> Roofline:
    """With the clock that the sensors saw meanwhile, if they did."""
    clocks = {clock.name: clock.median for clock in result.watch.clocks} if result.watch else {}
    per_core = any(peak.tera is None for peak in device.peaks if peak.unit == UNITS[device.kind])
    if not per_core:
        return roofline_of(device, precisions)
    ghz = clocks["cpu"] / 1000 if clocks.get("cpu") else None
    return roofline_of(device, precisions, result.threads, ghz)


def _machine(record: Record) -> dict[str, object]:
    machine = record.environment.get("machine")
    return machine if isinstance(machine, dict) else {}


def _is_busy(record: Record) -> bool:
    """Others' work before the start. One thread finds moments without it; several wait for the slowest."""
    load = record.environment.get("load_before")
    busy, cpus = (load.get("busy"), load.get("cpus")) if isinstance(load, dict) else (None, None)
    return isinstance(busy, (int, float)) and isinstance(cpus, int) and busy * cpus > BUSY_CORES


def _device(record: Record, subject: Subject) -> Device | None:
    """The device that ran it, by what the record says of the machine: an engine on the processor is no GPU's."""
    machine = _machine(record)
    isa = machine.get("isa")
    board = machine.get("board")
    signs = Signs(
        device_tree_model=board if isinstance(board, str) else None,
        cpu_flags=tuple(flag for flag in isa if isinstance(flag, str)) if isinstance(isa, Sequence) else (),
    )
    device = match_device(signs).device
    if device is None or (UNITS[device.kind] == "cpu") != (subject.engine in ON_PROCESSOR):
        return None
    return device

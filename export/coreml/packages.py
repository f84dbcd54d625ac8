"""All packages of a student in one precision: made, judged as files, and repaired where they miss their gate.

fp16 is converted as it is. For int8, convolutions give up their 8-bit inputs one by one, the costliest first, until the
picture passes; the weights stay int8. Palettes start small and get more bits, the most sensitive layers first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from export.calibration import Pair
from export.coreml.app_graphs import AppGraph, app_graphs
from export.coreml.compress import stored, with_int8_weights
from export.coreml.convert import TARGETS, Details, to_program
from export.coreml.coremltools_here import require_writer
from export.coreml.image_sizes import STYLE_SIZES, Size, thumbnail_sizes
from export.coreml.package_file import save_package
from export.coreml.parity import PackageParity, app_inputs, measure_packages
from export.coreml.search import Int8Inputs, PaletteBits, Sensitivity, Trials
from export.fidelity import Gate
from runtime.errors import UserError

Log = Callable[[str], None]
Graphs = dict[str, AppGraph]


@dataclass(frozen=True)
class Packages:
    """What was written.

    Attributes:
        files: by role.
        sizes: (width, height) that each takes, by role; the first is the default.
        target: least system, such as ``iOS16``.
        evidence: what was decided on the way, as JSON.
    """

    files: dict[str, Path]
    sizes: dict[str, tuple[Size, ...]]
    target: str
    parity: tuple[PackageParity, ...]
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Pictures:
    """Photos and paintings by what they are for: ranges and biases, choosing, judging. fp16 needs the last only."""

    judged: tuple[Pair, ...]
    calibration: tuple[Pair, ...] = ()
    tuning: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class _Attempt:
    """Graphs to be converted and judged, and what there is to say about them."""

    graphs: Graphs
    evidence: dict[str, Any] = field(default_factory=dict)


def package_name(role: str, precision: str) -> str:
    """``paint.mlpackage`` for fp16, else ``paint.int8.mlpackage`` or ``paint.palettized.mlpackage``."""
    return f"{role}.mlpackage" if precision == "fp16" else f"{role}.{precision}.mlpackage"


def write_packages(
    student: nn.Module,
    folder: Path,
    precision: str,
    sizes: Sequence[Size],
    pictures: Pictures,
    gate: Gate,
    details: Details,
    log: Log = lambda line: None,
) -> Packages:
    """Write the style, measure and paint package of a student into ``folder``; paint alone if its style is fixed.

    Args:
        student: the checkpoint in eval mode on the CPU, float32.
        precision: fp16, int8 or palettized.
        sizes: (width, height) that the painter takes; the first is the default.
        gate: that the pictures have to pass at every size.

    Raises:
        UserError: nothing passes the gate, or the packages cannot be made or written here.
    """
    require_writer()  # before minutes of search
    graphs = {graph.role: graph for graph in app_graphs(student)}
    all_sizes = {role: _sizes(role, sizes, student.size_multiple) for role in graphs}
    files = {role: folder / package_name(role, precision) for role in graphs}
    for attempt in _attempts(student, graphs, precision, pictures, gate, log):
        for role, graph in attempt.graphs.items():
            model = to_program(graph, all_sizes[role], TARGETS[precision], details)
            save_package(model if precision == "fp16" else stored(model, precision), files[role])
        parity = measure_packages(student, files, sizes, pictures.judged, precision, gate)
        missed = [found for found in parity if not found.likeness.passes(gate)]
        if not missed:
            return Packages(files, all_sizes, TARGETS[precision], parity, attempt.evidence)
        log(f"{precision}: {_told(missed[0])}, which misses {gate}")
    raise UserError(f"Core ML as {precision} changes the pictures too much: {_told(missed[0])}, where {gate} is asked")


def _attempts(
    student: nn.Module, graphs: Graphs, precision: str, pictures: Pictures, gate: Gate, log: Log
) -> Iterator[_Attempt]:
    if precision == "fp16":
        yield _Attempt(graphs)
        return
    trials = Trials(graphs, app_inputs(student, pictures.calibration), app_inputs(student, pictures.tuning), gate)
    yield from _int8_attempts(trials, log) if precision == "int8" else _palette_attempts(trials, log)


def _int8_attempts(trials: Trials, log: Log) -> Iterator[_Attempt]:
    others = {
        role: trials.corrected(role, with_int8_weights(graph))
        for role, graph in trials.graphs.items()
        if role != "paint"
    }
    paint = Int8Inputs(trials)
    for step in range(paint.first(), len(paint)):
        kept = paint.kept(step)
        restored = [entry.layer for entry in paint.ranking[:step]]
        if restored:
            log(f"int8: {', '.join(restored)} take fp16 inputs; their weights stay int8")
        evidence = {
            "sensitivity": _listed(paint.ranking),
            "int8_inputs": {name: float(f"{levels.scale:.6g}") for name, levels in kept.items()},
            "restored": restored,
        }
        yield _Attempt({**others, "paint": paint.graph(step)}, evidence)


def _palette_attempts(trials: Trials, log: Log) -> Iterator[_Attempt]:
    searches = {role: PaletteBits(trials, role) for role in trials.graphs}
    steps = {role: search.first() for role, search in searches.items()}
    while True:
        bits = {role: search.bits(steps[role]) for role, search in searches.items()}
        for role, layers in bits.items():
            counts = ", ".join(f"{list(layers.values()).count(n)} of {n} bits" for n in sorted(set(layers.values())))
            log(f"palettized: {role} has palettes for {len(layers)} layers: {counts}")
        evidence = {"bits": bits, "sensitivity": {role: _listed(search.ranking) for role, search in searches.items()}}
        yield _Attempt({role: search.graph(steps[role]) for role, search in searches.items()}, evidence)
        if all(step == len(searches[role]) - 1 for role, step in steps.items()):
            return
        # A quarter of the layers more each time, so that few packages are made for nothing.
        steps = {
            role: min(len(search) - 1, steps[role] + -(-len(search.ranking) // 4)) for role, search in searches.items()
        }


def _listed(ranking: list[Sensitivity]) -> list[dict[str, Any]]:
    return [{"layer": entry.layer, "psnr": round(entry.psnr, 1)} for entry in ranking]


def _sizes(role: str, sizes: Sequence[Size], multiple: int) -> tuple[Size, ...]:
    if role == "style":
        return STYLE_SIZES
    return thumbnail_sizes(sizes, multiple) if role == "measure" else tuple(sizes)


def _told(found: PackageParity) -> str:
    (height, width), like = found.sizes[0], found.likeness
    reached = f"{like.psnr:.1f} dB (worst pair {like.worst_psnr:.1f}), mean shift {like.shift * 255:.2f}/255"
    return f"{reached} at {width}x{height}"

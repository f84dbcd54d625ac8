"""The graphs of a student in int8 or fp16, judged by the pictures that they paint: what formats write into bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx

from export.accurate_int8 import Int8, accurate_int8, calibrate, plain_int8
from export.calibration import CROPS, FEWEST_CROPS, Calibration, open_calibration
from export.fidelity import Fidelity, Gate, Judge
from export.formats import Request
from export.graphs import student_graphs, student_info
from export.half_precision import to_half
from export.qat import fine_tune_int8
from export.to_onnx import to_onnx
from runtime.errors import UserError
from runtime.label_maps import palette_of

#: What fp16 has to reach: half a level of 256, which nobody sees.
HALF_GATE = Gate(45.0, 1 / 255)


@dataclass(frozen=True)
class PictureParity:
    """How near pictures of a precision are to those of float32, on held-back pairs in ONNX Runtime."""

    format: str
    precision: str
    gate: Gate
    fidelity: Fidelity
    role: str = "paint"

    def to_json(self) -> dict[str, Any]:
        """One flat record, as the manifest keeps it."""
        named = {"role": self.role, "format": self.format, "precision": self.precision, "gate": str(self.gate)}
        return {**named, "judge": "ONNX Runtime", **self.fidelity.to_json()}


@dataclass(frozen=True, eq=False)
class Reduced:
    """Graphs by role, how near their pictures are, and what was found out on the way."""

    models: Mapping[str, onnx.ModelProto]
    parity: PictureParity
    evidence: dict[str, Any]


def int8_graphs(request: Request, recipe: str, format: str) -> Reduced:
    """The student in eight bits by a recipe of `export.quantize.RECIPES`.

    Where the gate is missed by plain quantisation and ``--qat`` asks for it, the student is fine-tuned first; then the
    most sensitive layers return to float until the gate is passed.

    Raises:
        UserError: the gate cannot be passed, or there are no pictures to calibrate with.
    """
    options = request.options
    gate = Gate(options.min_psnr, options.max_shift)
    calibration = _calibration(request)
    calibrated = calibrate(request.student, calibration, log=request.log)
    evidence: dict[str, Any] = {}
    if options.qat_steps:
        _, plain, ranges = plain_int8(calibrated, recipe)
        if plain.passes(gate):
            request.log(f"no fine-tuning: int8 reaches {plain} without")
        else:
            tuned = fine_tune_int8(
                request.student,
                calibrated.models["paint"],
                ranges,
                calibration.pairs,
                options.qat_steps,
                recipe,
                seed=options.seed,
                log=request.log,
            )
            calibrated = calibrate(tuned, calibration, reference=request.student, log=request.log)
            evidence = {"qat": {"steps": options.qat_steps, "before": plain.to_json()}}
    int8: Int8 = accurate_int8(calibrated, recipe, gate, request.log)
    parity = PictureParity(format, "int8", gate, int8.fidelity)
    return Reduced(int8.models, parity, {**int8.evidence, **evidence})


def half_graphs(request: Request, format: str) -> Reduced:
    """The student in fp16.

    Raises:
        UserError: the pictures move too far, or a weight is too large.
    """
    calibration = _calibration(request, FEWEST_CROPS)
    models = {graph.role: to_onnx(graph) for graph in student_graphs(request.student)}
    half = {role: to_half(model) for role, model in models.items()}
    judge = Judge(models, calibration.held_back, student_info(request.student))
    fidelity = judge.fidelity(half)
    if not fidelity.passes(HALF_GATE):
        raise UserError(f"fp16 spoils this student's pictures: {fidelity}, where {HALF_GATE} is asked for: export fp32")
    return Reduced(half, PictureParity(format, "fp16", HALF_GATE, fidelity), {})


def _calibration(request: Request, crops: int = CROPS) -> Calibration:
    options, palette = request.options, palette_of(request.provenance)
    return open_calibration(request.calibration, crops, options.seed, request.log, palette, request.codes)

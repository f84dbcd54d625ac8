"""Int8 that keeps the picture: the best method, a gate, and layers that return to float until it is passed.

Methods are chosen and layers are ranked by pairs that are made of the calibration pictures. Held-back pairs judge the
result alone, and with it how many layers have to return. Beside them no pair of the calibration pictures may fall far
below the gate: the few held-back ones do not show every kind of photo, and those without colour or contrast suffer
most, because their features are scaled up most, rounding errors and all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from torch import nn

from export.activation_ranges import METHODS, Observed, Range, observe, ranges_of
from export.bias_correction import correct_bias
from export.calibration import Calibration, Feeds, student_feeds
from export.calibration_cache import cached, observation_key
from export.fidelity import WORST_BELOW, Fidelity, Gate, Judge, Models
from export.graphs import student_graphs, student_info
from export.quantize import RECIPES, quantizable, quantize, quantize_weights, weighted
from export.sensitivity import LayerSensitivity, conv_macs, float_share, rank_layers
from export.to_onnx import to_onnx
from runtime import framing
from runtime.errors import UserError

#: If more of the work of quantisable layers than this has to return to float, int8 is refused: it would be slow and
#: large, and int8 in name only.
MOST_RETURNED = 0.5
#: Int8 weights of style and measure are to cost next to nothing, since no layer of the painter can mend what they
#: spoil: a layer that alone misses this, on pairs of the calibration pictures, keeps its weights.
LIGHT = Gate(52.0, 0.2 / 255)

Log = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A student and all that its int8 graphs follow from, for both recipes.

    Attributes:
        models: its float32 graphs by role.
        light: the same with int8 weights for style and measure, which run once per style and picture: their weights
            are most of a bundle, and computing in float32 keeps the statistics.
        observed: what flows through the paint graph.
        tuning, held_back: judges by pictures of the calibration and by pictures of neither.
        source: of the calibration pictures, and their key.
    """

    models: dict[str, onnx.ModelProto]
    light: dict[str, onnx.ModelProto]
    observed: dict[str, Observed]
    tuning: Judge
    held_back: Judge
    source: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Int8:
    """Graphs that passed the gate.

    Attributes:
        models: by role: paint, and for the recipe ``cpu`` style and measure with int8 weights.
        float_layers: convolutions that returned to float.
        evidence: JSON: methods tried, layers by sensitivity, what returned to float and what it cost.
    """

    models: dict[str, onnx.ModelProto]
    fidelity: Fidelity
    float_layers: tuple[str, ...]
    evidence: dict[str, Any]


@dataclass
class _Plan:
    """A paint graph in the making."""

    model: onnx.ModelProto
    ranges: Mapping[str, Range]
    recipe: str
    keep: list[str] = field(default_factory=list)
    float_residuals: bool = False

    def graph(self, keep: Collection[str] | None = None) -> onnx.ModelProto:
        chosen = self.keep if keep is None else keep
        return quantize(self.model, self.ranges, self.recipe, chosen, self.float_residuals)


def calibrate(
    student: nn.Module,
    calibration: Calibration,
    reference: nn.Module | None = None,
    log: Log = lambda line: None,
    cache: Path | None = None,
) -> Calibrated:
    """Observe the student's activations, or find them in the cache, and paint what it will be judged by.

    Args:
        student: in eval mode on the CPU.
        reference: the student whose pictures are the right ones; ``student`` itself by default.
        cache: folder of observations; `export.calibration_cache.calibration_root` by default.

    Raises:
        UserError: activations that are not finite.
    """
    models = {graph.role: to_onnx(graph) for graph in student_graphs(student)}
    right = models if reference is None else {graph.role: to_onnx(graph) for graph in student_graphs(reference)}
    observed, known = cached(
        observation_key(models.values(), calibration.key),
        lambda: observe(models["paint"], student_feeds(student, calibration.pairs)["paint"]),
        cache,
    )
    log(f"{'found' if known else 'took'} activation ranges of {len(calibration.pairs)} crops of {calibration.source}")
    info = student_info(student)
    tuning = Judge(right, calibration.tuning, info)
    return Calibrated(
        models=models,
        light={role: _light(role, models, tuning, _style_feeds(calibration)) for role in models if role != "paint"},
        observed=observed,
        tuning=tuning,
        held_back=Judge(right, calibration.held_back, info),
        source={"pictures": calibration.source, "crops": len(calibration.pairs), "key": calibration.key},
    )


def accurate_int8(calibrated: Calibrated, recipe: str, gate: Gate, log: Log = lambda line: None) -> Int8:
    """Quantise by the best method, and let the most sensitive layers return to float until the gate is passed.

    Args:
        recipe: a name of `export.quantize.RECIPES`.

    Raises:
        UserError: it is not passed with `MOST_RETURNED` of the work in float.
    """
    front = _front(calibrated, recipe)
    method, tried = _best_method(calibrated, recipe, front)
    log(f"int8 for {recipe}: ranges by {method} ({tried[method]:.1f} dB on pairs of the calibration pictures)")
    plan = _plan(calibrated, recipe, method)
    layers = quantizable(plan.model)
    ranked = rank_layers(
        plan.model, layers, lambda keep: {**calibrated.models, "paint": plan.graph(keep)}, calibrated.tuning
    )
    first, passed = _judged(calibrated, {**front, "paint": plan.graph()}, gate)
    found, steps = first, []
    for change in (None, *ranked):
        if passed:
            break
        before = plan.graph().ByteSize()
        _return_to_float(plan, change)
        if _returned(plan) > MOST_RETURNED:
            break
        found, passed = _judged(calibrated, {**front, "paint": plan.graph()}, gate)
        steps.append(_step(plan, change, found, before))
        log(f"int8 for {recipe}: {steps[-1]['returned']} back in float: {found}")
    if not passed:
        raise UserError(_refusal(gate, first, found, plan))
    models = {**({} if front is calibrated.models else front), "paint": plan.graph()}
    evidence = {
        "recipe": recipe,
        "gate": str(gate),
        "method": method,
        "tried": {name: round(value, 2) for name, value in tried.items()},
        "layers": [layer.to_json() for layer in ranked],
        "before": first.to_json(),
        "fallbacks": steps,
        "float_macs_share": round(float_share(plan.model, set(layers) - set(plan.keep)), 4),
        "fidelity": found.to_json(),
        "calibration": calibrated.source,
    }
    return Int8(models, found, tuple(plan.keep), evidence)


def plain_int8(calibrated: Calibrated, recipe: str) -> tuple[Models, Fidelity, dict[str, Range]]:
    """By the best method with nothing returned to float: the graphs, how good they are, and the ranges."""
    front = _front(calibrated, recipe)
    plan = _plan(calibrated, recipe, _best_method(calibrated, recipe, front)[0])
    models = {**front, "paint": plan.graph()}
    return models, calibrated.held_back.fidelity(models), dict(plan.ranges)


def _judged(calibrated: Calibrated, models: Models, gate: Gate) -> tuple[Fidelity, bool]:
    """How good they are on held-back pairs, and whether they pass there and spoil no pair of the calibration."""
    found = calibrated.held_back.fidelity(models)
    return found, found.passes(gate) and not calibrated.tuning.spoiled(models, gate)


def _style_feeds(calibration: Calibration) -> list[Feeds]:
    """The calibration's paintings, once each, as the style graph takes them."""
    paintings = {id(pair.style): pair.style for pair in calibration.pairs}.values()
    return [{"style": framing.to_tensor(framing.style_crop(painting))} for painting in paintings]


def _light(role: str, models: Models, judge: Judge, styles: list[Feeds]) -> onnx.ModelProto:
    """The style or measure graph with int8 weights wherever that passes `LIGHT`, layer by layer; codes unbiased."""
    layers = weighted(models[role])
    keep = [
        layer
        for layer in layers
        if not judge.fidelity({**models, role: quantize_weights(models[role], set(layers) - {layer})}).passes(LIGHT)
    ]

    def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
        return quantize_weights(model, keep)

    return rounded(correct_bias(models[role], rounded, styles))


def _front(calibrated: Calibrated, recipe: str) -> dict[str, onnx.ModelProto]:
    """The style and measure graphs that run beside the paint graph: float32 where no int8 ones are shipped."""
    return calibrated.light if recipe == "cpu" else calibrated.models


def _plan(calibrated: Calibrated, recipe: str, method: str) -> _Plan:
    ranges = ranges_of(calibrated.observed, method, RECIPES[recipe].symmetric)
    return _Plan(calibrated.models["paint"], ranges, recipe)


def _best_method(calibrated: Calibrated, recipe: str, front: Models) -> tuple[str, dict[str, float]]:
    tried = {
        method: calibrated.tuning.psnr({**front, "paint": _plan(calibrated, recipe, method).graph()})
        for method in METHODS
    }
    return max(tried, key=lambda method: tried[method]), tried


def _return_to_float(plan: _Plan, layer: LayerSensitivity | None) -> None:
    """That layer, or for None the residual branches, which cost neither bytes nor a layer."""
    if layer is None:
        plan.float_residuals = True
    else:
        plan.keep.append(layer.name)


def _returned(plan: _Plan) -> float:
    """Part of the quantisable layers' work that is back in float."""
    macs = conv_macs(plan.model)
    layers = quantizable(plan.model)
    return sum(macs[name] for name in plan.keep) / max(1, sum(macs[name] for name in layers))


def _step(plan: _Plan, layer: LayerSensitivity | None, found: Fidelity, before: int) -> dict[str, Any]:
    return {
        "returned": "residual branches" if layer is None else layer.name,
        "psnr": round(found.psnr, 2),
        "bytes": plan.graph().ByteSize() - before,
        "macs_share": 0.0 if layer is None else round(layer.macs_share, 4),
    }


def _refusal(gate: Gate, first: Fidelity, found: Fidelity, plan: _Plan) -> str:
    layers = f"{', '.join(plan.keep[:3]) or 'nothing'}{' …' if len(plan.keep) > 3 else ''}"
    spoiled = f", but a calibration picture below {gate.psnr - WORST_BELOW:g} dB" if found.passes(gate) else ""
    return (
        f"int8 spoils this student's pictures: {first}, and {found}{spoiled} with {layers} back in float, where {gate} "
        "is asked for: fine-tune it with --qat 200, lower the gate with --min-psnr, or export fp16"
    )

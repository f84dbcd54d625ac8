"""What the formats found out beside their parity, put into words: sensitive layers, fallbacks, what a builder said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from export.report.plots import MOST_BARS, ranking_plot
from export.report.recorded import TargetRecord, as_list, as_mapping, as_number, as_text

_MOST_RAW, _MOST_ROWS, _MOST_NAME = 20_000, 60, 80
_AXIS = "error of the pictures when this layer alone is reduced, in levels of 255 (root mean square)"

Part = dict[str, Any]


def evidence_parts(targets: Iterable[TargetRecord]) -> list[Part]:
    """A part of the page for each target that left evidence."""
    return [_part(target) for target in targets if target.evidence]


def _part(target: TargetRecord) -> Part:
    evidence = target.evidence
    title, colours = f"What is known of {target.label}", ("in int8", "back in float")
    part: Part = {"title": title, "lines": [], "plot": None, "colours": colours, "tables": []}
    quantised = as_mapping(evidence.get("quantization")) or evidence
    if "method" in quantised:
        _add_quantisation(quantised, part)
    if "int8_inputs" in evidence:
        _add_package_inputs(evidence, part)
    if "bits" in evidence:
        _add_palettes(evidence, part)
    if "layers_from" in evidence:
        _add_builder(evidence, part)
    return {**part, "rest": json.dumps(evidence, indent=1, ensure_ascii=False)[:_MOST_RAW]}


def _add_quantisation(evidence: dict[str, Any], part: Part) -> None:
    """What `export.accurate_int8` left: methods tried, layers by sensitivity, what returned to float."""
    source = as_mapping(evidence.get("calibration"))
    before, after = (as_number(as_mapping(evidence.get(key)).get("psnr")) for key in ("before", "fidelity"))
    part["lines"].append(
        f"Ranges by {as_text(evidence.get('method'))}, from {as_text(source.get('crops'))} crops of "
        f"{as_text(source.get('pictures'))}. Gate: {as_text(evidence.get('gate'))}."
    )
    fallbacks = [as_mapping(step) for step in as_list(evidence.get("fallbacks"))]
    if before is not None and after is not None:
        part["lines"].append(_repaired(before, after, len(fallbacks)))
    share = as_number(evidence.get("float_macs_share"))
    if share is not None:
        part["lines"].append(f"{100 * share:.0f} % of the painter's multiply-accumulates are in float.")
    tuned = as_mapping(evidence.get("qat"))
    if tuned:
        plain = as_number(as_mapping(tuned.get("before")).get("psnr"))
        part["lines"].append(
            f"Fine-tuned for int8 in {as_text(tuned.get('steps'))} steps; without: {_decibels(plain)}."
        )
    returned = {as_text(step.get("returned")) for step in fallbacks}
    layers = [as_mapping(layer) for layer in as_list(evidence.get("layers"))]
    part["plot"] = _sensitivity_plot([(layer.get("name"), layer.get("psnr")) for layer in layers], returned)
    head = ("what", "PSNR with it, dB", "bytes more", "of the work")
    _add_table(part, "Back in float, and what each cost", head, map(_step, fallbacks))
    tried = as_mapping(evidence.get("tried"))
    rows = [(as_text(name), _decibels(as_number(psnr))) for name, psnr in tried.items()]
    _add_table(part, "Methods tried, on pairs of calibration pictures", ("ranges by", "PSNR"), rows)


def _repaired(before: float, after: float, steps: int) -> str:
    if not steps:
        return f"Int8 passed at once, with {after:.1f} dB on held-back pairs: nothing had to return to float."
    count = "one step" if steps == 1 else f"{steps} steps"
    return f"On held-back pairs plain int8 reached {before:.1f} dB, and {after:.1f} dB after {count} back to float."


def _step(step: dict[str, Any]) -> tuple[str, ...]:
    size, share = as_number(step.get("bytes")), as_number(step.get("macs_share"))
    return (
        as_text(step.get("returned"), _MOST_NAME),
        _decibels(as_number(step.get("psnr")), unit=""),
        "" if size is None else f"{size:+,.0f}",
        "" if share is None else f"{100 * share:.1f} %",
    )


def _add_package_inputs(evidence: dict[str, Any], part: Part) -> None:
    """Of Core ML in int8: layers by sensitivity, and those that take fp16 inputs."""
    restored = [as_text(name, _MOST_NAME) for name in as_list(evidence.get("restored"))]
    kept = as_mapping(evidence.get("int8_inputs"))
    part["lines"].append(
        f"Weights are int8 throughout; {len(kept)} layers take 8-bit inputs as well"
        + (f", and {', '.join(restored)} went back to fp16 inputs." if restored else ".")
    )
    part["colours"] = "8-bit inputs", "fp16 inputs"
    ranking = [as_mapping(entry) for entry in as_list(evidence.get("sensitivity"))]
    part["plot"] = _sensitivity_plot([(entry.get("layer"), entry.get("psnr")) for entry in ranking], set(restored))


def _add_palettes(evidence: dict[str, Any], part: Part) -> None:
    """Of Core ML with palettes: how many layers of each graph have how many bits, and the painter's layers."""
    bits = {as_text(role): as_mapping(layers) for role, layers in as_mapping(evidence.get("bits")).items()}
    counts = {role: Counter(map(as_text, layers.values())) for role, layers in bits.items()}
    rows = [(role, width, str(count)) for role, found in counts.items() for width, count in sorted(found.items())]
    _add_table(part, "Palettes", ("graph", "bits per weight", "layers"), rows)
    ranking = [as_mapping(entry) for entry in as_list(as_mapping(evidence.get("sensitivity")).get("paint"))]
    layers = {as_text(layer): as_number(width) for layer, width in bits.get("paint", {}).items()}
    least = min((width for width in layers.values() if width is not None), default=0)
    widened = {layer for layer, width in layers.items() if width is not None and width > least}
    part["plot"] = _sensitivity_plot([(entry.get("layer"), entry.get("psnr")) for entry in ranking], widened)
    part["colours"] = f"with palettes of {least:g} bits", "with more"


def _add_builder(evidence: dict[str, Any], part: Part) -> None:
    """The report of TensorRT's builder, see `export.tensorrt.evidence_of`."""
    flavour, version = as_text(evidence.get("flavour")), as_text(evidence.get("version"))
    source = as_text(evidence.get("layers_from"))
    part["lines"].append(f"Built by {flavour} {version}. Its layers are known from {source}.")
    rows = [
        (as_text(kind), as_text(name), as_text(count))
        for kind, counts in as_mapping(evidence.get("precisions")).items()
        for name, count in as_mapping(counts).items()
    ]
    _add_table(part, "Layers by precision", ("layers", "compute in", "how many"), rows)
    head = ("layer", "computes in", "reads", "weights", "writes")
    _add_table(part, "Convolutions", head, map(_layer, as_list(evidence.get("layers"))))
    warnings = [(as_text(line),) for line in as_list(evidence.get("warnings"))]
    _add_table(part, "Warnings", ("the builder's words",), warnings)


def _layer(layer: object) -> tuple[str, ...]:
    known = as_mapping(layer)
    reads, writes = (", ".join(map(as_text, as_list(known.get(key)))) for key in ("inputs", "outputs"))
    name, precision, weights = (as_text(known.get(key), _MOST_NAME) for key in ("name", "precision", "weights"))
    return name, precision, reads, weights, writes


def _sensitivity_plot(ranking: list[tuple[object, object]], returned: set[str]) -> Markup | None:
    """Layers with their PSNR in dB, the most sensitive first; those in ``returned`` are marked."""
    known = [(as_text(name), as_number(psnr)) for name, psnr in ranking]
    errors = [(name, 255 * 10 ** (-psnr / 20)) for name, psnr in known if name and psnr is not None and psnr > -100]
    errors = sorted(errors, key=lambda entry: -entry[1])[:MOST_BARS]
    if not errors:
        return None
    names, values = zip(*errors, strict=True)
    return Markup(ranking_plot(names, values, [name in returned for name in names], _AXIS))


def _add_table(part: Part, title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    shown = list(rows)[:_MOST_ROWS]
    if shown:
        part["tables"].append({"title": title, "head": head, "rows": shown})


def _decibels(value: float | None, unit: str = " dB") -> str:
    return "not recorded" if value is None else f"{value:.1f}{unit}"

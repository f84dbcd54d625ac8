"""What exports wrote into a manifest for people: a stranger's JSON, whose types are checked field by field."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from export.tensorrt.bundle_engines import SOURCE_FORMAT
from runtime.bundle import Graph, Manifest

_GATE = re.compile(r"([a-z_ ]+?)\s*(>=|<=)\s*([0-9.e-]+)(?:/([0-9]+))?(?:,|$)")
#: What runs a format where the record itself does not say what it was judged with.
_JUDGES = {"onnx": "ONNX Runtime", "torch": "torch"}
#: Records and gates are rounded to a few digits.
_ROUNDING = 1.01


@dataclass(frozen=True)
class Judged:
    """A parity record.

    Attributes:
        psnr: in dB, None where it was not recorded; the same for the others.
        worst_psnr: of a single pair.
        ssim: structural similarity of the pictures.
        shift: by how much the mean of a colour channel moved at most; a picture's range is 1.
        border, inside: root mean square error of the outermost pixels and of the others.
        passed: whether the numbers keep what the gate asks; None if that cannot be told.
        judge: what ran the graph.
        at: sizes and sources, for people.
    """

    target: str
    role: str
    format: str
    precision: str
    psnr: float | None
    worst_psnr: float | None
    max_abs_error: float | None
    ssim: float | None
    shift: float | None
    border: float | None
    inside: float | None
    gate: str
    passed: bool | None
    judge: str
    at: str


@dataclass(frozen=True)
class TargetRecord:
    """What an export noted about a target: versions by package, files, and whatever evidence its format left."""

    label: str
    versions: dict[str, str]
    files: tuple[str, ...]
    evidence: dict[str, Any]


def judged(manifest: Manifest) -> list[Judged]:
    """All parity records, in the manifest's order."""
    return [_judged(record) for record in manifest.parity]


def judgement_of(graph: Graph, records: Sequence[Judged]) -> Judged | None:
    """The record of that graph, or of the one that an engine was built from, if there is either."""
    fitting = [record for record in records if _concerns(record, graph)]
    own = [record for record in fitting if record.format == graph.format]
    return min(own or fitting, key=lambda record: record.psnr or 0, default=None)


def _concerns(record: Judged, graph: Graph) -> bool:
    if (record.role, record.precision) != (graph.role, graph.precision):
        return False
    if record.format == graph.format:
        return not graph.target or graph.target in record.target.split()
    return record.format == SOURCE_FORMAT and graph.format in record.target.split()


def targets(manifest: Manifest) -> list[TargetRecord]:
    """What was exported, in the order it was."""
    export = as_mapping(manifest.provenance.get("export"))
    return [_target(label, as_mapping(record)) for label, record in as_mapping(export.get("targets")).items()]


def as_mapping(value: object) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else []


def as_number(value: object) -> float | None:
    """The value if it is a finite number."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if known and abs(value) < 1e300 and math.isfinite(value) else None


def as_text(value: object, most: int = 300) -> str:
    """One line of at most ``most`` characters; empty for what is no text or number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    line = " ".join(str(value).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _judged(record: dict[str, Any]) -> Judged:
    numbers = {key: _largest(value) for key, value in record.items()}
    numbers.setdefault("mean_shift", numbers.get("shift"))  # of one pair at worst, or of the mean over all
    numbers.setdefault("shift", numbers["mean_shift"])
    format, gate = as_text(record.get("format")) or "onnx", as_text(record.get("gate"))
    return Judged(
        target=as_text(record.get("target")),
        role=as_text(record.get("role")),
        format=format,
        precision=as_text(record.get("precision")),
        psnr=as_number(record.get("psnr")),
        worst_psnr=numbers.get("worst_psnr"),
        max_abs_error=numbers.get("max_abs_error"),
        ssim=numbers.get("ssim"),
        shift=numbers["shift"],
        border=numbers.get("border_rms"),
        inside=numbers.get("inside_rms"),
        gate=gate,
        passed=_keeps(gate, numbers),
        judge=as_text(record.get("judge")) or _JUDGES.get(format, ""),
        at=_circumstances(record),
    )


def _largest(value: object) -> float | None:
    """A number, or of several, such as a colour's three, the one farthest from 0, without sign."""
    numbers = [abs(found) for item in as_list(value) if (found := as_number(item)) is not None]
    return max(numbers, default=None) if isinstance(value, list) else as_number(value)


def _keeps(gate: str, numbers: dict[str, float | None]) -> bool | None:
    """Whether the numbers of a record keep a gate such as "psnr >= 35, mean shift <= 1/255"."""
    kept = []
    for name, sign, bound, divisor in _GATE.findall(gate):
        found = numbers.get(name.strip().replace(" ", "_"))
        try:
            asked = float(bound) / int(divisor or 1)
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        if found is None:
            return None
        kept.append(found >= asked if sign == ">=" else found <= asked * _ROUNDING)
    return all(kept) if kept else None


def _circumstances(record: dict[str, Any]) -> str:
    pairs, source = as_text(record.get("pairs")), as_text(record.get("numbers_from"))
    sizes = [as_list(size) for size in as_list(record.get("sizes"))[:8]]
    shown = ", ".join(f"{as_text(size[1])}x{as_text(size[0])}" for size in sizes if len(size) == 2)
    parts = (f"{pairs} pairs" if pairs else "", shown, f"style numbers from {source}" if source else "")
    return "; ".join(filter(None, parts))


def _target(label: str, record: dict[str, Any]) -> TargetRecord:
    versions = {as_text(name): as_text(found) for name, found in as_mapping(record.get("versions")).items()}
    files = tuple(as_text(file) for file in as_list(record.get("files")))
    return TargetRecord(as_text(label), versions, files, as_mapping(record.get("evidence")))

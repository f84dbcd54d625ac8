"""The tables of the page, as text: numbers rounded, units in the heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from export.report.comparison import RAN, Painted, is_reference
from export.report.costs import SIDE, PaintCost
from export.report.recorded import Judged, TargetRecord, as_mapping, judgement_of
from export.report.verdict import verdict_on
from runtime.bundle import ROLES, Graph, Manifest

Row = dict[str, Any]


def label_of(graph: Graph) -> str:
    """Format, precision and machine of a graph."""
    return " ".join(filter(None, (graph.format, graph.precision, graph.target)))


def glance_rows(
    manifest: Manifest, painted: Sequence[Painted], records: Sequence[Judged], costs: dict[str, PaintCost]
) -> list[Row]:
    """A row per paint graph: verdict, size, PSNR."""
    rows = []
    for item in painted:
        graph, record = item.graph, judgement_of(item.graph, records)
        rows.append(
            {
                "label": label_of(graph),
                "verdict": verdict_on(item, record),
                "size": _kilobytes(graph.bytes),
                "ratio": _ratio(graph.bytes, _plain_bytes(manifest, "paint")),
                "int8_share": _int8_share(costs.get(graph.file)),
                "recorded": _decibels(record.psnr if record and not is_reference(graph) else None),
                "here": _decibels(item.psnr),
                "worst": _decibels(item.worst_psnr),
                "runner": item.detail if item.status == RAN else "",
            }
        )
    return rows


def graph_rows(manifest: Manifest) -> list[Row]:
    """A row per file."""
    return [
        {
            "file": graph.file,
            "role": graph.role,
            "label": label_of(graph),
            "size": _kilobytes(graph.bytes),
            "ratio": _ratio(graph.bytes, _plain_bytes(manifest, graph.role)),
        }
        for graph in manifest.graphs
    ]


def total_rows(manifest: Manifest) -> list[Row]:
    """A row per format and precision that can paint: its graphs, and fp32 ones for the roles that it lacks."""
    plain = {role: _plain_bytes(manifest, role) or 0 for role in ROLES}
    rows = []
    for paint in manifest.graphs:
        if paint.role != "paint":
            continue
        own = {g.role: g.bytes for g in manifest.graphs if label_of(g) == label_of(paint)}
        total = sum({**plain, **own}.values())
        rows.append({"label": label_of(paint), "size": _kilobytes(total), "ratio": _ratio(total, sum(plain.values()))})
    return rows


def parity_rows(records: Sequence[Judged]) -> list[Row]:
    """A row per parity record."""
    return [
        {
            "role": record.role,
            "label": f"{record.format} {record.precision}",
            "psnr": _decibels(record.psnr),
            "max_abs_error": _significant(record.max_abs_error),
            "ssim": "" if record.ssim is None else f"{record.ssim:.4f}",
            "shift": _levels(record.shift),
            "border": _levels(record.border),
            "inside": _levels(record.inside),
            "worst": _decibels(record.worst_psnr),
            "at": record.at,
            "gate": record.gate,
            "passed": {True: "passed", False: "missed", None: ""}[record.passed],
            "level": "good" if record.passed else "bad",
            "judge": record.judge,
        }
        for record in records
    ]


def absent_rows(painted: Sequence[Painted]) -> list[Row]:
    """What did not paint, and why."""
    return [
        {
            "label": label_of(item.graph),
            "status": item.status,
            "level": "bad" if item.status == "failed" else "open",
            "reason": item.detail,
        }
        for item in painted
        if item.status != RAN
    ]


def version_rows(targets: Sequence[TargetRecord]) -> list[Row]:
    """A row per target: the packages that made it."""
    return [
        {"label": target.label, "versions": ", ".join(f"{name} {found}" for name, found in target.versions.items())}
        for target in targets
    ]


def hash_rows(manifest: Manifest) -> list[Row]:
    """A row per file: its SHA-256."""
    files = (*manifest.graphs, *manifest.styles)
    return [{"file": file.file, "sha256": file.sha256} for file in files]


def cost_sentence(cost: PaintCost | None, manifest: Manifest) -> str:
    """What painting costs, counted on the fp32 graph."""
    style = manifest.student.parameters.get("style", 0)
    if cost is None:
        return "The work of painting could not be counted: there is no fp32 ONNX graph that can be read."
    per_pixel = cost.total / SIDE**2
    encoder = f" The style encoder, which runs once per style, has {style / 1e3:.1f} thousand weights." if style else ""
    return (
        f"The painter has {cost.weights / 1e3:.1f} thousand weights and takes {cost.total / 1e9:.2f} billion "
        f"multiply-accumulates for a picture of {SIDE}x{SIDE} pixels ({per_pixel:,.0f} a pixel), counted on the ONNX "
        f"graph.{encoder}{_storage(cost, manifest)}"
    )


def _storage(cost: PaintCost, manifest: Manifest) -> str:
    """Why fp32 files are smaller than their weights, where they are."""
    if as_mapping(manifest.provenance.get("export")).get("weights") != "fp16":
        return ""
    return (
        " Files of fp32 hold weights that fp16 can hold exactly in two bytes and compute in four; stored in four, the "
        f"painter's weights alone would take {4 * cost.weights / 1e3:.1f} kB."
    )


def _plain_bytes(manifest: Manifest, role: str) -> int | None:
    fitting = (g.bytes for g in manifest.graphs if (g.role, g.precision, g.format) == (role, "fp32", "onnx"))
    return next(fitting, None)


def _int8_share(cost: PaintCost | None) -> str:
    return "" if cost is None or not cost.total else f"{100 * cost.macs.get('int8', 0) / cost.total:.0f} %"


def _kilobytes(size: int) -> str:
    return f"{size / 1e3:,.1f}"


def _ratio(size: int, base: int | None) -> str:
    return f"{100 * size / base:.0f} %" if base else ""


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _significant(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _levels(value: float | None) -> str:
    """A part of a picture's range in levels of 255."""
    return "" if value is None else f"{value * 255:.2f}"

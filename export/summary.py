"""What ``brushlet export`` prints."""

from __future__ import annotations

import json
from typing import Any

from export.to_bundle import Exported
from runtime.bundle import Graph, Manifest


def as_json(exported: Exported) -> str:
    """One JSON object: bundle, name, bytes, graphs, styles, parity, what was kept and what failed."""
    manifest = exported.manifest.to_json()
    kept = ("role", "precision", "format", "target", "file", "bytes")
    record = {
        "bundle": str(exported.directory),
        "name": manifest["name"],
        "bytes": exported.bytes,
        "graphs": [{key: graph[key] for key in kept} for graph in manifest["graphs"]],
        "styles": [style["name"] for style in manifest["styles"]],
        "parity": manifest["parity"],
        "kept": [str(target) for target in exported.kept],
        "failures": {str(target): reason for target, reason in exported.failures},
    }
    return json.dumps(record, indent=1)


def as_text(exported: Exported) -> str:
    """A line per graph, one for the styles and one for the whole."""
    manifest = exported.manifest
    width = max(len(graph.file) for graph in manifest.graphs)
    lines = [
        f"{graph.file:{width}} {graph.bytes / 1e3:8.1f} kB   {_nearness(manifest, graph)}" for graph in manifest.graphs
    ]
    rounding = next((record for record in manifest.parity if record.get("precision") == "fp16 weights"), None)
    if rounding is not None:
        lines.append(f"weights rounded to fp16: pictures {rounding['psnr']:.0f} dB from those of the checkpoint")
    if manifest.styles:
        lines.append(f"styles: {', '.join(style.name for style in manifest.styles)}")
    if exported.kept:
        lines.append(f"already there: {', '.join(map(str, exported.kept))} (--force makes them again)")
    lines.append(f"{exported.directory}: {exported.bytes / 1e6:.2f} MB, see card.md")
    return "\n".join(lines)


def _nearness(manifest: Manifest, graph: Graph) -> str:
    """How near the graph's output is to the reference, in the words of its record."""
    record = parity_of(manifest, graph)
    if record is None:
        return ""
    if "max_abs_error <=" in str(record.get("gate")):
        return f"at most {record['max_abs_error']:.1e} from torch ({record['psnr']:.0f} dB)"
    return f"pictures {record['psnr']:.1f} dB from fp32's (asked: {record['gate']})"


def parity_of(manifest: Manifest, graph: Graph) -> dict[str, Any] | None:
    """The parity record of that graph, if there is one."""
    wanted = (graph.role, graph.format, graph.precision)
    for record in manifest.parity:
        if tuple(record.get(key) for key in ("role", "format", "precision")) == wanted:
            return record
    return None

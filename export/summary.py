"""What ``brushlet export`` prints."""

from __future__ import annotations

import json

from export.to_bundle import Exported


def as_json(exported: Exported) -> str:
    """One JSON object: bundle, name, bytes, graphs, styles and parity."""
    manifest = exported.manifest.to_json()
    graphs = [
        {key: graph[key] for key in ("role", "precision", "format", "file", "bytes")} for graph in manifest["graphs"]
    ]
    record = {
        "bundle": str(exported.directory),
        "name": manifest["name"],
        "bytes": exported.bytes,
        "graphs": graphs,
        "styles": [style["name"] for style in manifest["styles"]],
        "parity": manifest["parity"],
    }
    return json.dumps(record, indent=1)


def as_text(exported: Exported) -> str:
    """A line per graph and style, and one for the whole."""
    manifest = exported.manifest
    parity = {(record["role"], record["precision"]): record for record in manifest.parity}
    lines = []
    for graph in manifest.graphs:
        record = parity[graph.role, graph.precision]
        lines.append(
            f"{graph.file:14} {graph.bytes / 1e3:8.1f} kB   at most {record['max_abs_error']:.1e} from torch "
            f"({record['psnr']:.0f} dB)"
        )
    rounding = parity.get(("paint", "fp16 weights"))
    if rounding is not None:
        lines.append(f"weights rounded to fp16: pictures {rounding['psnr']:.0f} dB from those of the checkpoint")
    if manifest.styles:
        lines.append(f"styles: {', '.join(style.name for style in manifest.styles)}")
    lines.append(f"{exported.directory}: {exported.bytes / 1e6:.2f} MB, see card.md")
    return "\n".join(lines)

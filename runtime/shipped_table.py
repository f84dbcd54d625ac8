"""What ships, as a table: how large each student is, and what it scored when it was trained."""

from __future__ import annotations

import json
from typing import Any

from runtime.bundle import Manifest, open_bundle
from runtime.shipped import SHIPPED, shipped_models

#: Classes of speed: up to how many multiplications with addition per 512 x 512 pixels. MicroAST takes 7.3e9.
SPEEDS = {"fastest": 1e9, "fast": 3e9, "medium": 12e9}


def describe(manifest: Manifest) -> dict[str, Any]:
    """One student as JSON: ``bytes`` of its ONNX graphs by precision, ``scores`` by name as its manifest records them.

    ``speed`` is a class by ``macs``, the multiplications that painting 512 x 512 pixels takes; both are None where
    those were not counted. ``pairs``, ``judge`` and ``scores`` are None where the student was not judged.
    """
    sizes: dict[str, int] = {}
    for graph in manifest.graphs:
        if graph.format == "onnx":
            sizes[graph.precision] = sizes.get(graph.precision, 0) + graph.bytes
    quality = manifest.quality
    scores = quality.get("scores")
    return {
        "name": manifest.name,
        "architecture": manifest.student.architecture,
        "width": manifest.student.width,
        "parameters": dict(manifest.student.parameters),
        "bytes": sizes,
        "macs": manifest.student.macs or None,
        "speed": speed_class(manifest.student.macs),
        "fixed_style": manifest.student.fixed_style,
        "styles": [style.name for style in manifest.styles],
        "judge": quality.get("judge"),
        "pairs": quality.get("pairs"),
        "scores": scores if isinstance(scores, dict) else None,
    }


def speed_class(macs: int) -> str | None:
    """One of ``SPEEDS``, ``slow`` beyond them, and None for 0, which is not counted."""
    if not macs:
        return None
    return next((name for name, most in SPEEDS.items() if macs <= most), "slow")


def print_models(as_json: bool = False) -> None:
    """Print the students that ship."""
    records = [describe(open_bundle(SHIPPED / name).manifest) for name in shipped_models()]
    if as_json:
        print(json.dumps(records, indent=1))
        return
    if not records:
        print("no student ships with this installation: name a bundle's directory with --model")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        caption="Weights: of the painter. Speed: by billions of multiplications for 512 x 512 pixels; "
        "`brushlet bench NAME` measures it here. "
        "Content, style: losses, means over held-back pairs; lower is better. `card.md` in each bundle says more."
    )
    table.add_column("student", no_wrap=True)
    for column in ("weights", "speed", "kB by precision", "content", "style"):
        table.add_column(column, overflow="fold")
    for record in records:
        sizes = ", ".join(f"{precision} {count / 1e3:.0f}" for precision, count in record["bytes"].items())
        losses = [_score(record["scores"], loss) for loss in ("content", "style")]
        weights = f"{record['parameters'].get('paint', 0):,}"
        speed = f"{record['speed']} ({record['macs'] / 1e9:.2g})" if record["speed"] else "–"
        table.add_row(record["name"], weights, speed, sizes, *losses)
    console = Console()
    console.print(table)
    for record in records:
        styles = "one style, folded in" if record["fixed_style"] else f"styles {', '.join(record['styles']) or 'none'}"
        console.print(f"{record['name']}: {styles}", highlight=False)


def _score(scores: dict[str, Any] | None, loss: str) -> str:
    student = (scores or {}).get("student")
    value = student.get(loss) if isinstance(student, dict) else None
    return f"{value:.2f}" if isinstance(value, (int, float)) else "–"

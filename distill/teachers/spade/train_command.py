"""What ``brushlet teach-spade`` does around training: the table of the checks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from distill.teachers.spade.train import WEIGHTS_FILE, SpadeSettings, train


def run(settings: SpadeSettings, out: Path, resume: bool, device: str, as_json: bool) -> None:
    """Train, and print the checks on held-back pairs."""
    checks = train(settings, out, resume, device)
    if as_json:
        print(json.dumps({"weights": str(out / WEIGHTS_FILE), "checks": [asdict(found) for found in checks]}, indent=1))
        return
    table = Table(title="held-back label maps, painted in the style of their photos")
    for column in ("step", "perceptual loss", "PSNR", "colour of labels"):
        table.add_column(column, justify="right")
    for found in checks:
        table.add_row(str(found.step), f"{found.perceptual:.3f}", f"{found.psnr:.1f} dB", f"{found.colour:.1f} levels")
    console = Console()
    console.print(table)
    console.print(
        f"weights: {out / WEIGHTS_FILE}\nnext:    distill --teacher spade --weights {out / WEIGHTS_FILE}",
        soft_wrap=True,
        markup=False,
    )

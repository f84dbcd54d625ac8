"""``brushlet prune``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def prune(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or the name of a student that ships.")],
    ratio: Annotated[float, typer.Option(help="Share of the channels to remove; multiples of 8 stay.")] = 0.5,
    steps: Annotated[int | None, typer.Option(help="Steps of distillation to recover. Default: 1500.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory. Default: runs/RUN-pruned.")] = None,
    content: Annotated[str | None, typer.Option(help="Photos, instead of those the run had.")] = None,
    style: Annotated[str | None, typer.Option(help="Paintings, instead of those the run had.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Teacher and VGG-19 weights: a folder, 'download', or 'compact' (what ships).")
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="How many teacher pictures to paint and keep on disk.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak step of Muon while recovering.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Prune by this plan.json instead of making a plan.")] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Show and save the plan, and stop.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the recovery in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print plan and scores as JSON instead of tables.")] = False,
) -> None:
    """Remove a student's least important channels, then distil until it has recovered.

    Example: brushlet prune runs/adain-w025 --ratio 0.5 --steps 1500
    """
    from distill.prune import Request
    from distill.prune_report import run_and_report

    request = Request(run, ratio, out, plan, plan_only, device, resume)
    run_and_report(
        request,
        as_json,
        steps=steps,
        content=content,
        style=style,
        weights=weights,
        pairs=pairs,
        muon_lr=learning_rate,
    )

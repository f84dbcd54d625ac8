"""``brushlet export``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def export(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run directory, a student file, or a student that ships.")
    ],
    format: Annotated[str, typer.Option("--format", help="What to export to: onnx.")] = "onnx",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The bundle's folder; bundles/NAME by default.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name; the run's by default.")] = None,
    styles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder whose pictures become styles of the bundle, by name.")
    ] = None,
    compact: Annotated[
        bool, typer.Option(help="Store weights as fp16, half the size; computing stays in fp32.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace another student's bundle.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of text.")] = False,
) -> None:
    """Turn a trained student into a bundle that a device runs.

    Example: brushlet export runs/adain-w025 --format onnx
    """
    from export import summary
    from export.to_bundle import export_bundle

    exported = export_bundle(run, output, name=name, format=format, compact=compact, styles=styles, force=force)
    typer.echo(summary.as_json(exported) if as_json else summary.as_text(exported))

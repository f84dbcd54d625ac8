"""``python -m export.tensorrt BUNDLE``: build the engine whose recipe the bundle holds, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from export.tensorrt.bundle_engines import add_engine
from runtime.errors import UserError


def main(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    precision: Annotated[str | None, typer.Option(help="Which recipe, where there are several.")] = None,
    plan: Annotated[Path | None, typer.Option(help="What trtexec made of the recipe here: take that.")] = None,
) -> None:
    """Build the engine whose recipe the bundle holds, and add it to the bundle.

    Example: python -m export.tensorrt bundles/adain-w025 --precision int8
    """
    graph = add_engine(bundle, precision, plan, lambda line: typer.echo(line, err=True))
    typer.echo(f"{bundle / graph.file}: {graph.bytes / 1e6:.1f} MB for {graph.target}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)

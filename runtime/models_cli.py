"""``brushlet models``: options to arguments, nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of a table.")] = False,
) -> None:
    """List the students that ship, with their sizes and scores.

    Example: brushlet models
    """
    from runtime.shipped_table import print_models

    print_models(as_json)

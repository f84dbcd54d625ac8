"""``brushlet teachers``: options to arguments, nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def teachers(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
) -> None:
    """List the stylizers that a student can learn from.

    Example: brushlet teachers --json
    """
    from distill.list_teachers import print_teachers

    print_teachers(as_json)

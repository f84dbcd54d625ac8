"""``brushlet doctor``: options to arguments."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("doctor")
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False) -> None:
    """Say what is installed here, what is missing for which stage, export or engine, and the command that mends it.

    Nothing is installed or changed. Exits with 1 when not even painting works.

    Example: brushlet doctor
    """
    from devices.doctor.examination import examine

    report = examine()
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        from rich.console import Console

        from devices.doctor.report_table import report_tables

        Console().print(report_tables(report))
    if not report.base_works:
        raise typer.Exit(1)

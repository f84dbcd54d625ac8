"""``brushlet doctor``: options to arguments."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("doctor")
def doctor(
    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Look at another machine: USER@HOST over SSH, or adb:SERIAL for Android."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what is installed here, what is missing for which stage, export or engine, and the command that mends it.

    Nothing is installed or changed. Exits with 1 when not even painting works.

    Example: brushlet doctor

    Example: brushlet doctor --host user@jetson.local
    """
    from devices.doctor.examination import examine

    if host is None:
        report = examine()
    else:
        from devices.doctor.examine_there import examine_there

        report = examine_there(host)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        from rich.console import Console

        from devices.doctor.report_table import report_tables

        Console().print(report_tables(report))
    if not report.base_works:
        raise typer.Exit(1)

"""``brushlet devices``: options to arguments."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from devices.errors import DeviceError

app = typer.Typer(add_completion=False)


@app.command("devices")
def devices(
    here: Annotated[bool, typer.Option("--here", help="Describe the machine this command runs on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what a device is.

    Example: brushlet devices --here
    """
    if not here:
        raise DeviceError("say which device: brushlet devices --here describes this machine")
    from devices.here import describe_this_machine

    machine = describe_this_machine()
    if as_json:
        typer.echo(json.dumps(machine.to_json(), indent=2))
        return
    from rich.console import Console

    from devices.table import machine_table

    Console().print(machine_table(machine))

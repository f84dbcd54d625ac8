"""``brushlet devices``: options to arguments."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from devices.device import Device
from devices.errors import DeviceError

app = typer.Typer(add_completion=False)


@app.command("devices")
def devices(
    name: Annotated[
        str | None, typer.Argument(help="A device's name, or a TOML file that describes one.", show_default=False)
    ] = None,
    here: Annotated[bool, typer.Option("--here", help="Describe the machine this command runs on.")] = False,
    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="With --here: that machine, USER@HOST over SSH or adb:SERIAL for Android."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """List the devices that are known, show what is known of one, or say which one this machine is.

    A device of your own: a TOML file in ~/.config/brushlet/devices, or in the folder that BRUSHLET_DEVICES names.

    Example: brushlet devices jetson-orin-nano

    Example: brushlet devices --here

    Example: brushlet devices --here --host user@jetson.local
    """
    if here and name:
        raise DeviceError("--here describes this machine and NAME another: leave one of them out")
    if host is not None and not here:
        raise DeviceError("--host goes with --here: brushlet devices --here --host HOST says what that machine is")
    if here:
        _show_here(host, as_json)
    elif name:
        _show(name, as_json)
    else:
        _list(as_json)


def _list(as_json: bool) -> None:
    from devices.named_devices import read_devices

    known, problems = read_devices()
    for problem in problems:
        typer.echo(f"warning: {problem}", err=True)
    if as_json:
        _print_json([device.to_json() for device in known])
        return
    from rich.console import Console

    from devices.device_table import list_of_devices

    console = Console()
    console.print(list_of_devices(known, console.width))


def _show(name: str, as_json: bool) -> None:
    from devices.named_devices import load_device

    device = load_device(name)
    if as_json:
        _print_json(device.to_json())
        return
    from rich.console import Console

    from devices.device_table import sheet_of_device

    Console().print(sheet_of_device(device, _place(device)))


def _place(device: Device) -> str | None:
    """Where a device of the user's own comes from."""
    from devices.named_devices import replaces_catalogue

    if not device.own:
        return None
    instead = ", in place of the catalogue's" if replaces_catalogue(device) else ""
    return f"your own: {device.file}{instead}"


def _show_here(host: str | None, as_json: bool) -> None:
    from devices.here import describe_this_machine
    from devices.identify import identify_here

    if host is None:
        machine, match = describe_this_machine(), identify_here()
    else:
        from devices.remote import connect, host_there

        with connect(host, exclusive=False) as connection, host_there(connection) as system:
            machine, match = describe_this_machine(system), identify_here(system)
    if as_json:
        _print_json({**machine.to_json(), "match": match.to_json()})
        return
    from rich.console import Console, Group

    from devices.table import machine_table, match_table

    Console().print(Group(machine_table(machine), "", match_table(match)))


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2))

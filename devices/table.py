"""A machine, and which device it is, as tables for people."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from devices.here import Machine
from devices.identify import CERTAIN, CLASS, LIKELY, UNKNOWN, Match

MEANINGS = {
    CERTAIN: "certain",
    LIKELY: "likely, a variant is possible",
    CLASS: "only its class is known",
    UNKNOWN: "unknown",
}


def machine_table(machine: Machine) -> Table:
    """Two columns: what, and its value; facts the system does not tell are left out."""
    table = Table(show_header=False, box=None, title=machine.name, title_justify="left", title_style="bold")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _rows(machine):
        if value:
            table.add_row(label, value)
    return table


def _rows(machine: Machine) -> list[tuple[str, str | None]]:
    cores = f"{machine.usable_cores} usable ({machine.logical_cpus} logical CPUs in all)"
    quota = f", limited to {machine.cpu_quota:g} CPUs' time" if machine.cpu_quota is not None else ""
    return [
        ("board", machine.board),
        ("release", machine.board_release),
        ("processor", machine.cpu),
        ("cores", cores + quota),
        ("threads", f"{machine.default_threads} by default"),
        ("instructions", " ".join(machine.isa)),
        ("governor", machine.governor),
        ("memory", _gibibytes(machine.memory_bytes)),
        ("memory limit", _gibibytes(machine.memory_limit_bytes)),
        ("system", f"{machine.os}, kernel {machine.kernel}, {machine.architecture}"),
        ("virtual", "yes, a virtual machine" if machine.virtual_machine else None),
        ("python", machine.python),
    ]


def _gibibytes(count: int | None) -> str | None:
    return None if count is None else f"{count / 2**30:.1f} GiB"


def match_table(match: Match) -> Table:
    """Which device of the catalogue the machine is, how certain that is, and why; what was seen where none is known."""
    table = Table(show_header=False, box=None)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    if match.device is None:
        table.add_row("device", "none of the catalogue; docs/devices.md says how to add one")
    else:
        table.add_row("device", Text(f"{match.device.name}: {match.device.title}"))
    table.add_row("certainty", MEANINGS[match.certainty])
    for number, sign in enumerate(match.evidence):
        table.add_row("" if number else "because" if match.device else "seen", Text(sign))
    for advice in match.device.recommended[:1] if match.device else ():
        table.add_row("export", f"{advice.format} {advice.precision} ({advice.basis})")
    return table

"""A machine as a table for people."""

from __future__ import annotations

from rich.table import Table

from devices.here import Machine


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

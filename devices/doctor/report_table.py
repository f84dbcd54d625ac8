"""What the doctor found, as tables for people."""

from __future__ import annotations

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from devices.doctor.examination import ELSEWHERE, MISSING, READY, Ability, Package, Report

STYLES = {READY: "green", MISSING: "red", ELSEWHERE: "dim"}
KINDS = {"stage": "Stages", "export": "Export formats", "engine": "Engines"}


def report_tables(report: Report) -> RenderableType:
    """The machine, what works on it, the commands that mend the rest, and the versions of packages."""
    return Group(
        _machine(report),
        "",
        _abilities(report),
        "",
        *_commands(report),
        Text("Packages", style="bold"),
        _packages(report.packages),
    )


def _machine(report: Report) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("brushlet", Text(report.brushlet or "runs from its folder, not installed"))
    table.add_row("python", Text(report.python))
    table.add_row("system", Text(report.system))
    if report.match.device:
        table.add_row("device", Text(f"{report.match.device.name} ({report.match.certainty})"))
    for tool in report.tools:
        missing = Text("none" + (f"; for {tool.purpose}: {tool.fix}" if tool.fix else ""), style="dim")
        table.add_row(tool.name, Text(tool.found) if tool.found else missing)
    return table


def _abilities(report: Report) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    kind = ""
    for ability in report.abilities:
        state = Text(ability.state, style=STYLES[ability.state])
        table.add_row(KINDS[ability.kind] if ability.kind != kind else "", ability.name, state, _remark(ability))
        kind = ability.kind
    return table


def _remark(ability: Ability) -> Text:
    needs = f"needs {', '.join(ability.missing)}" if ability.missing else ""
    return Text(f"{needs}: {ability.fix}" if ability.state == ELSEWHERE else needs)


def _commands(report: Report) -> list[RenderableType]:
    """Each command once, with what it makes work."""
    served: dict[str, list[str]] = {}
    for ability in report.abilities:
        if ability.state == MISSING and ability.fix:
            served.setdefault(ability.fix, []).append(f"{ability.kind} {ability.name}")
    if not served:
        return []
    lines: list[RenderableType] = [Text("To mend", style="bold")]
    for fix, names in served.items():
        lines.append(Text(f"  {fix}").append(f"   # {', '.join(names)}", style="dim"))
    return [*lines, ""]


def _packages(packages: tuple[Package, ...]) -> Columns:
    return Columns([_package(package) for package in packages], padding=(0, 3))


def _package(package: Package) -> Text:
    if package.version is None:
        return Text(f"{package.name} -", style="dim")
    if package.fits:
        return Text(f"{package.name} {package.version}")
    return Text(f"{package.name} {package.version}, not {package.wanted}", style="red")

"""A search from the command line: look, show, and say how to get what was chosen."""

from __future__ import annotations

import json
import shlex
import sys

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from benchmarks.prediction.prediction_table import LABEL
from benchmarks.search import Candidate, Found, Search, search
from benchmarks.wording import short


def search_and_report(asked: Search, as_json: bool) -> None:
    """Search, and print the candidates as a table or JSON; everything else goes to standard error.

    Raises UserError and DeviceError as `search` does, and BudgetMissed, once all that is done, where nothing fits.
    """
    found = search(asked, lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        Console(width=None if sys.stdout.isatty() else 100, highlight=False).print(render(found))
    found.require_one()


def render(found: Found) -> Group:
    """Candidates from large to small, which one it is, and what a prediction rests on."""
    head = f"within {found.budget.milliseconds:g} ms on {found.device}, {found.what}"
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False)
    columns = ("ms",) if found.measured else ("predicted ms", "interval")
    for name in ("", "width", "weights", *columns, ""):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for each in found.candidates:
        table.add_row(*_row(found, each), style="bold" if each == found.chosen else "")
    lines = [Text(head if found.measured else f"{LABEL}: {head}", style="bold"), table]
    if found.chosen is not None:
        lines.append(Text(f"take {found.chosen.name}: {_how_to_get(found.chosen)}", style="bold"))
    if found.basis is not None:
        lines += [Text("a prediction fits where the whole of its interval does", style="dim")]
        lines += [Text(f"basis: {found.basis}", style="dim")]
    lines += [Text(f"left out: {each.name}: {each.reason}", style="dim") for each in found.candidates if each.reason]
    return Group(*lines)


def _row(found: Found, each: Candidate) -> list[str]:
    if each.ms is None:
        times = ["–"] * (1 if found.measured else 2)
    elif found.measured:
        times = [short(each.ms)]
    else:
        times = [f"~{short(each.ms)}", f"{short(each.low_ms or 0)} to {short(each.high_ms or 0)}"]
    verdict = "left out" if each.reason else "fits" if each.fits else "too slow"
    return [f" {each.name}", f"{each.width:g}", f"{each.weights:,}", *times, verdict]


def _how_to_get(chosen: Candidate) -> str:
    return chosen.command or f"brushlet stylize photo.jpg --model {shlex.quote(chosen.source)}"

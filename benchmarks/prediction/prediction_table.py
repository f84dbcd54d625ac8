"""A prediction as a table for people, which says in every part that it is one."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmarks.prediction.prediction import Prediction, Row
from benchmarks.wording import short

LABEL = "PREDICTED, not measured"
_MEANING = (
    "predicted: the paint graph alone on a quiet machine, its inputs ready; interval: what the basis leaves open, 95 % "
    "or, where it is extrapolated, the ends of what is plausible; at least: operations over peak and pictures over "
    "bandwidth, which no engine is faster than; GMAC: multiplications with addition, in billions"
)


def render_prediction(prediction: Prediction) -> Group:
    """A table with a row for each forecast, what it rests on, and what was assumed. It fits into 80 columns."""
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False)
    for name in ("", "predicted ms", "interval", "at least", "GMAC", "MB moved"):
        table.add_column(name, justify="right" if name else "left", no_wrap=bool(name))
    for row in prediction.rows:
        table.add_row(*_cells(row))
    notes = [
        f"basis: {prediction.basis}; fitted {prediction.fitted[:10]}",
        *(f"assumed: {note}" for note in prediction.notes),
        _MEANING,
    ]
    return Group(Text(title(prediction), style="bold"), table, *(Text(line, style="dim") for line in notes))


def title(prediction: Prediction) -> str:
    """What is predicted, in one line."""
    mode = f", {prediction.mode}" if prediction.mode else ""
    return f"{LABEL}: {prediction.bundle} on {prediction.title} ({prediction.unit}{mode}) with {prediction.engine}"


def _cells(row: Row) -> list[str]:
    threads = f", {row.threads} thread{'s' if row.threads != 1 else ''}" if row.threads else ""
    found = row.forecast
    return [
        f" {row.width}x{row.height}, {row.precision}{threads}",
        f"~{short(found.predicted_ms)}",
        f"{short(found.low_ms)} to {short(found.high_ms)}",
        short(found.bound_ms),
        short(row.macs / 1e9),
        short(row.bytes / 1e6),
    ]

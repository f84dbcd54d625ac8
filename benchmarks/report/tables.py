"""The tables of a report as text: numbers rounded, units in the heads, empty columns left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.report.rows import Row
from benchmarks.wording import short

WHOLE, BOTH = "end_to_end", "both_pictures"


@dataclass(frozen=True)
class Table:
    """Heads, which of them are above numbers, lines of as many cells, and the lines that begin another size."""

    heads: tuple[str, ...]
    numeric: tuple[bool, ...]
    lines: tuple[tuple[str, ...], ...]
    begins: tuple[int, ...] = ()


@dataclass(frozen=True)
class Line:
    """All parts of one subject at one size and number of threads, by their names."""

    parts: dict[str, Row]

    @property
    def first(self) -> Row:
        """Whichever part there is: for what all parts share."""
        return next(iter(self.parts.values()))

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Width, height, threads and pictures at once."""
        return self.first.width, self.first.height, self.first.threads or 0, self.first.batch

    @property
    def p50_ms(self) -> float:
        """Of the content pass; where there is none, of what else was measured."""
        return self.parts.get(WHOLE, self.first).p50_ms


Cell = Callable[[Line], str]


def _of(name: str, part: str | None = None) -> Cell:
    """A number of one part, or of whatever part there is."""

    def cell(line: Line) -> str:
        row = line.first if part is None else line.parts.get(part)
        value = None if row is None else getattr(row, name)
        return "" if value is None else short(value)

    return cell


def _interval(line: Line) -> str:
    row = line.parts.get(WHOLE)
    return f"{short(row.low_ms)} – {short(row.high_ms)}" if row else ""


def _predicted_interval(line: Line) -> str:
    row = line.first
    return f"{short(row.low_ms)} – {short(row.high_ms)}" if row.kind == "predicted" else ""


_TEXTS: dict[str, Cell] = {
    "name": lambda line: line.first.name,
    "engine": lambda line: line.first.engine,
    "precision": lambda line: line.first.precision,
}
_NUMBERS: dict[str, Cell] = {
    "size": lambda line: f"{line.first.width}x{line.first.height}",
    "threads": lambda line: str(line.first.threads or ""),
    "at once": lambda line: str(line.first.batch) if line.first.batch > 1 else "",
    "p50, ms": _of("p50_ms", WHOLE),
    "95 % interval, ms": _interval,
    "p90, ms": _of("p90_ms", WHOLE),
    "p99, ms": _of("p99_ms", WHOLE),
    "model only, ms": _of("p50_ms", "model"),
    "likely between, ms": _predicted_interval,
    "never below, ms": _of("bound_ms"),
    "style alone, ms": _of("p50_ms", "style"),
    "both pictures, ms": _of("p50_ms", BOTH),
    "first run, ms": _of("first_ms"),
    "peak, MB": _of("peak_mb"),
    "graphs, kB": _of("graphs_kb"),
    "GMAC": _of("gmac"),
    "J a picture": _of("energy_j", WHOLE),
    "J above idle": _of("above_idle_j", WHOLE),
    "W running": _of("power_w", WHOLE),
    "content loss": _of("content_loss"),
    "style loss": _of("style_loss"),
    "SSIM": _of("ssim"),
    "lattice, levels": _of("lattice"),
    "border gain": _of("border"),
    "flat areas, levels": _of("flat"),
    "bled colour": _of("bleeding"),
}
_REMARKS: dict[str, Cell] = {"throttled": lambda line: line.first.throttled or ""}
_RECORD: dict[str, Cell] = {"record": lambda line: line.first.file}


def latency_table(rows: Iterable[Row]) -> Table:
    """One line for each subject at each size and number of threads, the fastest first; which record, if several."""
    groups: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        where = (row.width, row.height, row.threads, row.batch)
        groups.setdefault((*where, row.file, row.kind, row.number), {})[row.part] = row
    lines = sorted(map(Line, groups.values()), key=lambda line: (line.place, line.p50_ms))
    several = len({line.first.file for line in lines}) > 1
    cells = {**_TEXTS, **_NUMBERS, **_REMARKS, **(_RECORD if several else {})}
    texts = {head: [cell(line) for line in lines] for head, cell in cells.items()}
    heads = [head for head, column in texts.items() if any(column)]
    return Table(
        heads=tuple(heads),
        numeric=tuple(head in _NUMBERS for head in heads),
        lines=tuple(zip(*(texts[head] for head in heads), strict=True)),
        begins=tuple(n for n in range(1, len(lines)) if lines[n].place != lines[n - 1].place),
    )


def cut(table: Table, most: int) -> tuple[Table, int]:
    """At most so many lines of it, and how many were left out."""
    return replace(table, lines=table.lines[: max(0, most)]), max(0, len(table.lines) - max(0, most))


def by_device(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by the name of the machine, in the order in which the machines come."""
    devices: dict[str, list[Row]] = {}
    for row in rows:
        devices.setdefault(row.device, []).append(row)
    return devices

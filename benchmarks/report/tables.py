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
class Measured:
    """All parts of one subject at one size and number of threads, by their names."""

    parts: dict[str, Row]

    @property
    def any(self) -> Row:
        return next(iter(self.parts.values()))

    @property
    def place(self) -> tuple[int, int, int]:
        """Width, height and threads."""
        return self.any.width, self.any.height, self.any.threads

    @property
    def p50_ms(self) -> float:
        """Of the content pass; where there is none, of what else was measured."""
        return self.parts.get(WHOLE, self.any).p50_ms


Cell = Callable[[Measured], str]


def _of(name: str, part: str | None = None) -> Cell:
    """A number of one part, or of whatever part there is."""

    def cell(measured: Measured) -> str:
        row = measured.any if part is None else measured.parts.get(part)
        value = None if row is None else getattr(row, name)
        return "" if value is None else short(value)

    return cell


def _interval(measured: Measured) -> str:
    row = measured.parts.get(WHOLE)
    return f"{short(row.low_ms)} – {short(row.high_ms)}" if row else ""


_TEXTS: dict[str, Cell] = {
    "name": lambda measured: measured.any.name,
    "engine": lambda measured: measured.any.engine,
    "precision": lambda measured: measured.any.precision,
}
_NUMBERS: dict[str, Cell] = {
    "size": lambda measured: f"{measured.any.width}x{measured.any.height}",
    "threads": lambda measured: str(measured.any.threads),
    "p50, ms": _of("p50_ms", WHOLE),
    "95 % of it, ms": _interval,
    "p90, ms": _of("p90_ms", WHOLE),
    "p99, ms": _of("p99_ms", WHOLE),
    "model only, ms": _of("p50_ms", "model"),
    "style alone, ms": _of("p50_ms", "style"),
    "both pictures, ms": _of("p50_ms", BOTH),
    "first run, ms": _of("first_ms"),
    "peak, MB": _of("peak_mb"),
    "graphs, kB": _of("graphs_kb"),
    "GMAC": _of("gmac"),
    "content loss": _of("content_loss"),
    "style loss": _of("style_loss"),
    "SSIM": _of("ssim"),
}
_RECORD: dict[str, Cell] = {"record": lambda measured: measured.any.file}


def latency_table(rows: Iterable[Row]) -> Table:
    """One line for each subject at each size and number of threads, the fastest first; which record, if several."""
    groups: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        place = (row.width, row.height, row.threads, row.file, row.name, row.subject, row.engine, row.precision)
        groups.setdefault(place, {})[row.part] = row
    lines = sorted(map(Measured, groups.values()), key=lambda line: (line.place, line.p50_ms))
    several = len({line.any.file for line in lines}) > 1
    cells = {**_TEXTS, **_NUMBERS, **(_RECORD if several else {})}
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

"""The rows of a report for other programs and for text: CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from benchmarks.report.gather import Gathered
from benchmarks.report.plain_text import plain
from benchmarks.report.rows import Row
from benchmarks.report.tables import by_device, latency_table
from benchmarks.table import sentences

SCHEMA = 1
#: A spreadsheet takes a cell that begins like this for a formula.
_FORMULA = tuple("=+-@\t\r")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#|!~&])")


def to_csv(rows: Sequence[Row]) -> str:
    """One line for each row under a line of names; text that a spreadsheet would run begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(field.name for field in fields(Row))
    writer.writerows([_cell(value) for value in asdict(row).values()] for row in rows)
    return out.getvalue()


def to_json(gathered: Gathered, rows: Sequence[Row]) -> str:
    """Rows, checks and warnings of all records, what predictions rest on, and which files were skipped."""
    data = {
        "schema": SCHEMA,
        "kind": "report",
        "rows": [asdict(row) for row in rows],
        "checks": [{"file": file, **asdict(check), "met": check.met} for file, check in gathered.checks],
        "warnings": [
            {"file": each.file, "text": plain(line)} for each in gathered.sources for line in each.record.warnings
        ],
        "predicted_from": [
            {"file": each.file, "text": plain(line)} for each in gathered.foretold for line in each.basis
        ],
        "skipped": list(gathered.skipped),
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def to_markdown(gathered: Gathered, rows: Sequence[Row]) -> str:
    """A table for each machine, measured and predicted apart; then comparisons, limits, warnings and skipped files."""
    lines = ["# Benchmarks"]
    for device, own in by_device(rows).items():
        lines += ["", f"## {_escaped(device)}"]
        for kind in ("measured", "predicted"):
            table = latency_table(row for row in own if row.kind == kind)
            if table.lines:
                lines += ["", f"**{kind}**" + (", never measured" if kind == "predicted" else ""), ""]
                lines += [_line(table.heads), _line("--:" if numeric else "---" for numeric in table.numeric)]
                lines += [_line(map(_escaped, cells)) for cells in table.lines]
    records = [(source.file, source.record) for source in gathered.sources]
    lines += _listed("Compared", [line for _, record in records for line in sentences(record)])
    lines += _listed("Limits", [f"{_kept(check.met)}: {check}" for _, check in gathered.checks])
    lines += _listed("Predicted from", [line for each in gathered.foretold for line in each.basis])
    lines += _listed("Warnings", [f"{line} ({file})" for file, record in records for line in record.warnings])
    lines += _listed("Skipped", gathered.skipped)
    return "\n".join(lines) + "\n"


def _listed(title: str, texts: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {_escaped(plain(text))}" for text in texts)] if texts else []


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _kept(met: bool) -> str:
    return "kept" if met else "missed"


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

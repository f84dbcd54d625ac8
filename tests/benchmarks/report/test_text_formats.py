"""Rows as CSV, JSON and Markdown: what a program reads back is what the records hold, whatever they are called."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

from benchmarks.report.gather import Gathered
from benchmarks.report.rows import rows
from benchmarks.report.text_formats import to_csv, to_json, to_markdown
from tests.benchmarks.report.records import HOSTILE, hostile_record, make_record, source

PLAIN = Gathered((source(make_record(judged=True)),), ("x.json is not valid JSON",))
ODD = Gathered((source(hostile_record(), "odd.json"),))


def test_csv_holds_every_row():
    found = list(rows(PLAIN))
    read = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert len(read) == len(found) == 4
    for line, row in zip(read, found, strict=True):
        assert float(line["p50_ms"]) == row.p50_ms
        assert (line["name"], line["part"], line["gmac"]) == (row.name, row.part, "")


def test_a_spreadsheet_gets_no_formula():
    (line, *_) = csv.DictReader(io.StringIO(to_csv(list(rows(ODD)))))
    assert line["name"] == f"'{HOSTILE}"
    assert not any(value.startswith(("=", "+", "-", "@")) for value in line.values())


def test_json_holds_rows_checks_warnings_and_what_was_skipped():
    data = json.loads(to_json(PLAIN, list(rows(PLAIN))))
    assert (data["kind"], len(data["rows"])) == ("report", 4)
    assert [(check["what"], check["met"]) for check in data["checks"]] == [
        ("p90 end to end", False),
        ("peak memory", True),
    ]
    assert data["warnings"] == [{"file": "record.json", "text": "other work keeps 1 of 2 CPUs busy"}]
    assert data["skipped"] == ["x.json is not valid JSON"]
    assert json.loads(to_json(ODD, list(rows(ODD))))["rows"][0]["name"] == HOSTILE


def test_markdown_has_a_table_for_each_machine():
    text = to_markdown(PLAIN, list(rows(PLAIN)))
    assert "## a board" in text
    assert "**measured**" in text
    assert "predicted" not in text
    assert "missed: p90 end to end is 41.2 ms" in text
    assert "- x.json is not valid JSON" in text
    (head, rule, *lines) = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2
    assert {line.count("|") for line in (head, rule, *lines)} == {head.count("|")}


def test_what_was_predicted_has_a_table_of_its_own():
    found = [replace(row, kind="predicted" if row.name == "other" else "measured") for row in rows(PLAIN)]
    measured, predicted = to_markdown(PLAIN, found).split("**predicted**, never measured")
    assert "| mine |" in measured
    assert "| other |" not in measured
    assert "| other |" in predicted.split("##")[0]


def test_strange_names_stay_text_in_markdown():
    text = to_markdown(ODD, list(rows(ODD)))
    assert "<script>" not in text.replace("\\<", "")
    assert text.isprintable() or not any(not c.isprintable() for c in text if c != "\n")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1

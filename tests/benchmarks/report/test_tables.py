"""Rows and tables: the numbers are the records', and what was predicted stands apart."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks.report.gather import Gathered
from benchmarks.report.rows import device_name, rows
from benchmarks.report.tables import by_device, cut, latency_table
from tests.benchmarks.report.records import make_record, source


@pytest.fixture
def found():
    return list(rows(Gathered((source(make_record(("mine", "other"), sizes=(128, 64), judged=True)),))))


def test_a_row_holds_the_numbers_of_the_record(found):
    record = make_record(("mine", "other"), sizes=(128, 64), judged=True)
    assert len(found) == 8
    row = next(row for row in found if (row.name, row.width, row.part) == ("other", 64, "end_to_end"))
    timing = record.results[1].timing(1, "end_to_end")
    assert (row.p50_ms, row.p90_ms, row.p99_ms) == timing.percentiles_ms
    assert (row.low_ms, row.high_ms, row.runs) == (timing.low_ms, timing.high_ms, 40)
    assert (row.kind, row.device, row.subject, row.threads) == ("measured", "a board", "peer", 2)
    assert (row.first_ms, row.peak_mb) == (40.0, 50.0)
    assert (row.content_loss, row.style_loss) == (2.0, pytest.approx(0.7))
    assert (row.energy_j, row.throttled) == (None, None)


def test_artefacts_are_told_where_somebody_looked():
    record = make_record(judged=True)
    flaws = {"lattice": 1.5, "border": 1.25, "flat": None, "bleeding": 0.5}
    scores = (replace(record.judged.scores[0], artefacts=flaws), *record.judged.scores[1:])
    found = list(rows(Gathered((source(replace(record, judged=replace(record.judged, scores=scores))),))))
    assert {(row.lattice, row.border, row.flat, row.bleeding) for row in found if row.name == "mine"} == {
        (1.5, 1.25, None, 0.5)
    }
    assert {row.lattice for row in found if row.name == "other"} == {None}
    table = latency_table(found)
    assert "flat areas, levels" not in table.heads, "nobody has a number"
    assert dict(zip(table.heads, table.lines[0], strict=True))["lattice, levels"] == "1.5"


def test_energy_and_throttling_are_told_where_a_result_holds_them():
    record = make_record()
    watch = SimpleNamespace(throttled=("too hot",))
    energy = SimpleNamespace(
        subject=0, part="end_to_end", total_j=0.5, above_idle_j=0.2, running=SimpleNamespace(total_w=7.0)
    )
    told = {name: getattr(record.results[0], name) for name in record.results[0].__dataclass_fields__}
    told |= {"watch": watch, "energies": (energy,), "start": record.results[0].start}
    measured = SimpleNamespace(**told)
    found = list(rows(Gathered((source(replace(record, results=(measured,))),))))
    own = [(row.energy_j, row.above_idle_j, row.power_w) for row in found]
    assert own == [(0.5, 0.2, 7.0), (None,) * 3, (None,) * 3, (None,) * 3]
    table = latency_table(found)
    cells = dict(zip(table.heads, table.lines[0], strict=True))
    assert (cells["J a picture"], cells["W running"], cells["throttled"]) == ("0.5", "7", "too hot")


def test_a_table_has_a_line_for_each_subject_and_size_the_fastest_first(found):
    table = latency_table(found)
    lines = [dict(zip(table.heads, line, strict=True)) for line in table.lines]
    assert [(line["size"], line["name"]) for line in lines] == [
        ("64x64", "mine"),
        ("64x64", "other"),
        ("128x128", "mine"),
        ("128x128", "other"),
    ]
    assert table.begins == (2,)
    assert float(lines[1]["p50, ms"]) == pytest.approx(2 * float(lines[0]["p50, ms"]), rel=0.1)
    assert float(lines[0]["model only, ms"]) == pytest.approx(float(lines[0]["p50, ms"]) / 2, rel=0.1)
    assert not {"both pictures, ms", "style alone, ms", "GMAC", "J a picture", "record"} & set(table.heads)
    assert len(table.numeric) == len(table.heads)


def test_the_record_is_named_where_there_are_several():
    found = list(
        rows(
            Gathered(
                (
                    source(make_record(), "a.json"),
                    source(make_record(), "b.json"),
                )
            )
        )
    )
    table = latency_table(found)
    assert table.heads[-1] == "record"
    assert sorted(line[-1] for line in table.lines) == ["a.json", "a.json", "b.json", "b.json"]


def test_a_long_table_is_cut_and_says_so(found):
    table, left_out = cut(latency_table(found), 3)
    assert (len(table.lines), left_out) == (3, 1)
    assert cut(table, -5) == (replace(table, lines=()), 3)


def test_machines_have_tables_of_their_own():
    other = replace(make_record(), environment={"machine": {"name": "another"}})
    devices = by_device(
        list(
            rows(
                Gathered(
                    (
                        source(make_record()),
                        source(other),
                    )
                )
            )
        )
    )
    assert [(name, len(found)) for name, found in devices.items()] == [("a board", 4), ("another", 4)]


@pytest.mark.parametrize("environment", [{}, {"machine": []}, {"machine": {"name": {}}}, {"machine": {"name": "\x00"}}])
def test_a_machine_without_a_name(environment):
    assert device_name(replace(make_record(), environment=environment)) == "an unknown machine"

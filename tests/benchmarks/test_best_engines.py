"""`benchmarks.best_engines`: every network where it is fastest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import Record
from benchmarks.best_engines import best_engines, best_lines
from benchmarks.table import render
from tests.benchmarks.test_table import shown

#: Milliseconds of the whole way: the student is fastest in its last row, the peer in its second.
ROWS = [
    ("bundle", "small", "onnxruntime", "fp32", 20.0),
    ("bundle", "small", "onnxruntime", "int8", 16.0),
    ("bundle", "small", "openvino", "int8", 10.0),
    ("peer", "large", "onnxruntime", "fp32", 100.0),
    ("peer", "large", "openvino", "fp32", 50.0),
]


def record_of(record: Record, rows: list[tuple[str, str, str, str, float]]) -> Record:
    own, result = record.results[0].timing(0, "end_to_end"), record.results[0]
    subjects = tuple(
        replace(record.subjects[0], kind=kind, name=name, engine=engine, precision=precision)
        for kind, name, engine, precision, _ in rows
    )
    timings = tuple(replace(own, subject=n, samples_ms=(row[-1],) * 9) for n, row in enumerate(rows))
    return replace(record, subjects=subjects, results=(replace(result, timings=timings, ratios=()),))


def test_each_network_is_taken_where_it_is_fastest(record):
    made = record_of(record, ROWS)
    small, large = best_engines(made, made.results[0])
    assert (small.subject, large.subject) == (2, 4)
    assert (small.ratio.value, large.ratio.value) == (1, 5)
    assert large.ratio.low == large.ratio.high == 5


def test_it_is_told_with_engine_and_precision(record):
    (line,) = best_lines(record_of(record, ROWS))
    assert line.startswith("each in its fastest engine and precision at 32x32")
    assert line.endswith(": small 10 ms (openvino int8); large 50 ms (openvino fp32), 5.00x (5.00 to 5.00)")


@pytest.mark.parametrize("rows", [ROWS[:3], [ROWS[0], ROWS[3]]])
def test_nothing_is_told_where_there_is_nothing_to_choose(record, rows):
    assert list(best_lines(record_of(record, rows))) == []


def test_the_table_of_peers_says_it(record):
    text = " ".join(shown(record_of(record, ROWS), 200).split())
    assert "each in its fastest engine and precision" in text
    assert render(record_of(record, ROWS[:3])) is not None

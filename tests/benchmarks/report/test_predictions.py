"""Predictions in a report: read, and never to be taken for measurements."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.report.gather import Gathered, gather
from benchmarks.report.page import make_page
from benchmarks.report.rows import rows
from benchmarks.report.samples import Samples
from benchmarks.report.text_formats import to_json, to_markdown
from tests.benchmarks.report.records import HOSTILE, make_record

prediction = pytest.importorskip("benchmarks.prediction.prediction")
forecast = pytest.importorskip("benchmarks.prediction.forecast")


@pytest.fixture
def gathered(tmp_path: Path) -> Gathered:
    """A record of a board, and a prediction for another one, by a stranger."""
    found = [
        prediction.Row("int8", 64, 64, threads, forecast.Forecast(12.34, 8.0, 19.0, 3.0), 10**9, 10**6, 20)
        for threads in (1, None)
    ]
    prediction.Prediction(
        created="2026-02-01T00:00:00Z",
        command=("brushlet", "bench"),
        bundle="mine",
        manifest_sha256="0" * 64,
        device="some-board",
        title=HOSTILE,
        unit="cpu",
        engine="onnxruntime",
        mode=None,
        rows=tuple(found),
        basis=forecast.Basis(forecast.BASES[0], "x86-avx2 onnxruntime", 12, ("a machine",), 1.2),
        fitted="2026-01-01T00:00:00Z",
        notes=(HOSTILE,),
    ).write(tmp_path / "forecast.json")
    make_record().write(tmp_path / "measured.json")
    return gather([tmp_path])


def test_it_is_read_beside_records(gathered):
    assert gathered.skipped == ()
    assert [source.file for source in gathered.sources] == ["measured.json"]
    (first, second) = [row for row in rows(gathered) if row.kind == "predicted"]
    assert (first.p50_ms, first.low_ms, first.high_ms, first.bound_ms) == (12.34, 8.0, 19.0, 3.0)
    assert (first.part, first.runs, first.threads, second.threads) == ("model", 0, 1, None)


def test_a_page_frames_it(gathered):
    pytest.importorskip("jinja2")
    page = make_page(gathered, Samples()).decode()
    framed = re.search(r'<div class="predicted">(.*?)</ul>\s*</div>', page, re.DOTALL)[1]
    assert ">12.3<" in framed
    assert "8 – 19" in framed
    assert "predicted, never measured" in framed
    assert ">12.3<" not in page.replace(framed, "")
    assert "1 record, 1 prediction, 2 machines" in page
    assert "<script>alert" not in page


def test_text_formats_say_so(gathered):
    found = list(rows(gathered))
    text = to_markdown(gathered, found)
    assert text.index("**measured**") < text.index("**predicted**, never measured") < text.index("12.3")
    assert "## Predicted from" in text
    data = json.loads(to_json(gathered, found))
    assert [row["kind"] for row in data["rows"]].count("predicted") == 2
    assert data["predicted_from"]


def test_a_broken_one_is_skipped(gathered, tmp_path):
    (tmp_path / "broken.json").write_text('{"schema": 1, "kind": "predicted"}')
    (line,) = gather([tmp_path]).skipped
    assert "broken.json" in line

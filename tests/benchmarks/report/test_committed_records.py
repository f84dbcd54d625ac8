"""The example records are read, come from the tool alone, and can be reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import read_record
from benchmarks.report.gather import gather
from benchmarks.report.page import MAX_PAGE_BYTES, make_page
from benchmarks.report.samples import Samples

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "records"
RECORDS = sorted(FOLDER.glob("*.json"))
MOST_BYTES = 2_000_000


def test_both_kinds_are_there():
    assert any(path.stem.endswith("-matrix") for path in RECORDS) and any(
        path.stem.endswith("-peers") for path in RECORDS
    )


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_a_record_is_whole_and_names_no_place_of_its_machine(path):
    record = read_record(path)
    assert path.stat().st_size < MOST_BYTES
    assert record.command[:2] == ("brushlet", "bench")
    assert not [word for word in record.command if word.startswith(("/", "~", "\\"))]
    assert path.read_text(encoding="utf-8") == record.to_text(), "it was edited, or written by another version"


def test_they_make_a_page():
    pytest.importorskip("jinja2")
    gathered = gather([FOLDER])
    assert gathered.skipped == ()
    assert len(gathered.sources) == len(RECORDS)
    page = make_page(gathered, Samples())
    assert len(page) < MAX_PAGE_BYTES
    assert b'class="cloud"' in page

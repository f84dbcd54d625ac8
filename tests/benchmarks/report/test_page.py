"""The page: strangers' text stays text, nothing is loaded, it is bounded, and what was predicted stands apart."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.budget import Check
from benchmarks.record import Absent
from benchmarks.report import page as module
from benchmarks.report.gather import Gathered
from benchmarks.report.page import MAX_PAGE_BYTES, make_page
from benchmarks.report.samples import Combination, Samples
from runtime import UserError
from tests.benchmarks.report.records import HOSTILE, hostile_record, make_record, source

pytest.importorskip("jinja2")

_ADDRESS = re.compile(r"""(?:\b(?:src|href|action|data|poster|srcset)=["']?|url\(["']?|@import\s+)([^"'\s)>]*)""")


def page_of(*records, samples: Samples | None = None, skipped: tuple[str, ...] = ()) -> str:
    gathered = Gathered(tuple(source(each, f"{n}.json") for n, each in enumerate(records)), skipped)
    return make_page(gathered, samples or Samples()).decode()


def text_of(page: str) -> str:
    body = re.sub(r"<(script|style)>.*?</\1>", "", page[page.index("<body") :], flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


@pytest.fixture(scope="module")
def samples() -> Samples:
    rng = np.random.default_rng(0)
    photos = tuple(rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(2))
    who = [Combination("bundle", "mine", "onnxruntime", "fp32"), Combination("peer", "other", "onnxruntime", "fp32")]
    painted = {each: [255 - photo for photo in photos] for each in who}
    return Samples(photos, ("first in the style x", "second"), painted, ("nobody else painted",))


def test_everything_a_record_holds_is_on_the_page():
    text = text_of(page_of(make_record(judged=True), skipped=("bad.json is not valid JSON",)))
    record = make_record(judged=True)
    for wanted in (
        "1 record, 1 machine, 2026-01-31, 160 timed runs",
        "1 file is not in this report bad.json is not valid JSON",
        "other work keeps 1 of 2 CPUs busy",
        "absentee did not take part: its weights are not there",
        "p90 end to end missed at most 33 ms 41.2 ms",
        "peak memory kept at most 200 MB 50 MB",
        "a processor, aarch64, 4 CPUs, 8.0 GiB",
        "mine is 2.00 times as fast as other at 64x64, end to end",
        "brushlet bench mine",
        "An untouched photo has style loss 3.6",
    ):
        assert wanted in text
    for timing in record.results[0].timings:
        assert f"{timing.percentiles_ms[0]:.3g}" in text
    assert "predicted" not in text


def test_each_series_is_a_distribution_and_its_runs():
    page = page_of(make_record(sizes=(64, 128)))
    assert page.count('class="cloud"') == page.count('class="runs"') == 8
    assert page.count("<details open>") == 1


def test_losses_are_points_that_name_and_number_their_subjects(samples):
    page = page_of(make_record(judged=True), samples=samples)
    assert page.count('<button class="dot"') == 4
    assert page.count("<polyline") == 2
    # Of style, both are on the front; of content, the first one beats the second in both.
    assert re.findall(r'class="point( bundle)?( best)?"', page) == [(" bundle", " best"), ("", " best")] + [
        (" bundle", " best"),
        ("", ""),
    ]
    assert page.count('class="thumbnail thumbnail-0"') == 3
    assert '<div class="losses">' not in page_of(make_record())


def test_pictures_are_inside_as_jpeg_before_and_after(samples):
    page = page_of(make_record(), samples=samples)
    assert page.count('<div class="slider">') == 2
    shown = re.findall(r'<img (?:class="before" )?src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(shown) == 4
    after, before = (np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int) for data in shown[:2])
    assert after.shape == (48, 64, 3)
    assert abs((255 - before).mean() - after.mean()) < 3
    assert "nobody else painted" in text_of(page)


def test_strange_text_stays_text():
    page = page_of(hostile_record())
    assert "<script>alert" not in page
    assert page.count("<script") == 1
    assert "</pre></pre>" not in page
    assert HOSTILE in text_of(page)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800]", page)
    for attribute in re.findall(r'(?:title|alt|aria-label|class)="([^"]*)"', page):
        assert "<" not in attribute


@pytest.mark.parametrize("record", [make_record(judged=True), hostile_record()])
def test_nothing_is_loaded_and_only_its_own_script_runs(record, samples):
    page = page_of(record, samples=samples)
    for address in _ADDRESS.findall(page):
        assert address.startswith("data:image/jpeg;base64,"), address[:80]
    assert "http" not in page.replace("http-equiv", "")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not re.search(r"\son\w+=", page)


def test_a_page_stays_small_however_much_there_is(samples):
    names = [f"{number}{HOSTILE * 4}" for number in range(12)]
    rng = np.random.default_rng(1)
    photos = tuple(rng.integers(0, 256, (640, 640, 3), np.uint8) for _ in range(4))
    noise = Samples(photos, ("x",) * 4, {key: list(photos) for key in samples.painted})
    records = [make_record(names, sizes=range(64, 76), judged=True, count=300)] * 8
    page = page_of(*records, samples=noise)
    assert len(page.encode()) <= MAX_PAGE_BYTES
    assert "more lines are in" in text_of(page)
    assert "more sizes are not drawn here" in text_of(page)


def test_a_page_stays_small_where_every_text_grows_sixfold():
    quotes = '"' * 2000
    record = make_record([f"{number}{quotes}"[:200] for number in range(40)], judged=True)
    record = replace(
        record,
        environment={"machine": {"name": quotes}, "more": quotes},
        command=(quotes,) * 100,
        warnings=tuple(f"{number}{quotes}" for number in range(300)),
        absent=(Absent(quotes[:200], quotes),) * 64,
        checks=(Check(quotes[:200], quotes[:20], 1.0, 2.0),) * 300,
    )
    assert len(page_of(*[record] * 30, skipped=(quotes[:300],) * 300).encode()) <= MAX_PAGE_BYTES


def test_the_newest_records_stay_where_there_are_many():
    page = text_of(page_of(*[make_record()] * 70))
    assert "60 records, 1 machine" in page
    assert "10 older ones are not on this page" in page
    assert "9.json" not in re.findall(r"\d+\.json", page)
    assert "69.json" in page


def test_the_page_becomes_plainer_only_as_far_as_it_must(samples, monkeypatch):
    rich = len(page_of(make_record(), samples=samples))
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", rich - 1)
    assert len(page_of(make_record(), samples=samples)) < rich


def test_without_jinja_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(UserError, match=r"pip install 'brushlet\[bench\]', or take --format md"):
        page_of(make_record())

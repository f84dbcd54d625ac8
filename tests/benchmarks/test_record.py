"""`benchmarks.record`: round trips, and records that are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import Record, RecordError, read_record
from benchmarks.measurements import Settings, SizeResult, Start, Subject, Timing
from benchmarks.statistics import median_interval
from runtime import UserError


def test_file_round_trip(record, tmp_path):
    record.write(tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_file_is_for_people_too(record):
    text = record.to_text()
    assert json.loads(text) == record.to_json()
    assert '"samples_ms": [ ' in text, "a list of numbers is one line"
    shown = record.to_json()["results"][0]["timings"][0]
    assert (shown["p50_ms"], shown["p90_ms"], shown["p99_ms"]) == record.results[0].timings[0].percentiles_ms


def timing(samples: list[float]) -> Timing:
    interval = median_interval(samples)
    return Timing(0, "model", True, False, interval.low, interval.high, tuple(samples[:1]), tuple(samples))


@settings(max_examples=15, deadline=None)
@given(
    samples=st.lists(st.floats(0.001, 1e6), min_size=1, max_size=30),
    threads=st.integers(1, 64),
    cpus=st.none() | st.lists(st.integers(0, 63), min_size=1, max_size=4).map(tuple),
    peak=st.none() | st.integers(0, 2**40),
    stolen=st.none() | st.floats(0, 1),
    macs=st.none() | st.integers(0, 2**50),
)
def test_any_record_round_trips(samples, threads, cpus, peak, stolen, macs):
    start = Start(0, 1.0, 2.0, None, peak)
    result = SizeResult(64, 48, threads, cpus, (start,), (timing(samples),), (), stolen, (macs,))
    record = Record(
        created="2026-01-31T12:00:00Z",
        command=("brushlet", "bench", "fotos/Kühe [1, 2].jpg"),
        settings=Settings((threads,), 50, 5.0),
        subjects=(Subject("teacher", "adain", "AdaIN", "torch", "2.13", ("CPU",), None, ()),),
        results=(result,),
        environment={"machine": {"name": "x"}},
        warnings=("it is [ 1,  2 ] o'clock",),
    )
    assert Record.from_json(json.loads(record.to_text())) == record


OLD = Path(__file__).with_name("record_of_schema_1.json")


def test_a_record_of_schema_1_is_still_read():
    record = read_record(OLD)
    assert record.settings == Settings((1,), 5, 0.0)
    assert [(result.threads, result.cpus) for result in record.results] == [(1, (0,))]
    assert [(subject.name, subject.precision) for subject in record.subjects] == [("tiny", "fp32"), ("other", "fp32")]
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("settings"), "'settings' is missing"),
        (lambda d: d["settings"].pop("cpus"), "'cpus' is missing"),
        (lambda d: d["settings"].update(threads="1"), "'threads' must be"),
        (lambda d: d.update(results=[3]), "must be a JSON object"),
    ],
)
def test_a_record_of_schema_1_that_is_wrong_is_refused(change, said):
    data = json.loads(OLD.read_text())
    change(data)
    with pytest.raises(RecordError, match=said):
        Record.from_json(data)


def edited(record: Record, change) -> dict:
    data = record.to_json()
    change(data)
    return data


def first_timing(data: dict) -> dict:
    return data["results"][0]["timings"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema=4), "has schema 4, not 3"),
        (lambda d: d.update(kind="predicted"), "is a prediction and no measurement"),
        (lambda d: d.update(kind="guessed"), "'kind' must be one of measured"),
        (lambda d: d.pop("subjects"), "'subjects' is missing"),
        (lambda d: d.update(created="yesterday"), "'created' must be a UTC time"),
        (lambda d: d.update(results=[]), "holds no measurement"),
        (lambda d: d["results"][0].update(timings=[]), "at least one measurement"),
        (lambda d: d["results"][0].update(width=0), "'width' must be a whole number from 1"),
        (lambda d: d["results"][0].update(stolen=2), "'stolen' must be a number from 0 to 1"),
        (lambda d: d["results"][0].pop("stolen"), "'stolen' is missing"),
        (lambda d: d["settings"].update(threads=[True]), "'threads' must be a list of at least one number"),
        (lambda d: d["results"][0].update(threads=True), "'threads' must be a whole number"),
        (lambda d: d["results"][0].update(cpus=["0"]), "'cpus' must be a list of at least one number"),
        (lambda d: d["results"][0].update(others=1.5), "'others' must be a number from 0 to 1"),
        (lambda d: first_timing(d).update(batch=0), "'batch' must be a whole number from 1 to 64"),
        (lambda d: first_timing(d).update(batch=2), "'timings' must all have one 'batch'"),
        (lambda d: first_timing(d).update(stages_ms={"read": -1}), "'stages_ms' must hold a few numbers"),
        (lambda d: d["results"][0]["starts"][0].update(gpu_bytes=-1), "'gpu_bytes' must be a whole number from 0"),
        (lambda d: d.update(unfinished=[1]), "'unfinished' must be a list of texts"),
        (lambda d: d["results"][0].update(macs=[1]), "'macs' must have one entry for each of the 2 subjects"),
        (lambda d: d["results"][0].update(macs=[1, -1]), "'macs' must hold whole numbers from 0 and nulls"),
        (lambda d: d["subjects"][0].update(kind="phone"), "'kind' must be one of bundle, teacher, peer"),
        (lambda d: first_timing(d).update(subject=2), "'subject' must be a whole number from 0 to 1"),
        (lambda d: first_timing(d).update(part="half"), "'part' must be one of model"),
        (lambda d: first_timing(d).update(samples_ms=[]), "'samples_ms' must be a list of at least one number"),
        (lambda d: first_timing(d).update(samples_ms=[1, "2"]), "'samples_ms' must be a list of at least one number"),
        (lambda d: first_timing(d).update(samples_ms=[0, 0, 0]), "'samples_ms' must have a median above 0"),
        (lambda d: d.update(command="brushlet"), "'command' must be a list"),
        (lambda d: d.update(warnings=[1]), "'warnings' must be a list of texts"),
    ],
)
def test_a_record_that_is_wrong_is_refused(record, change, said):
    with pytest.raises(RecordError) as caught:
        Record.from_json(edited(record, change), "r.json")
    assert said in str(caught.value)
    assert str(caught.value).startswith("r.json")


@pytest.mark.parametrize("name", ["p50_ms", "p90_ms", "p99_ms"])
def test_an_edited_number_is_noticed(record, name):
    better = edited(record, lambda d: first_timing(d).update({name: first_timing(d)[name] * 0.9}))
    with pytest.raises(RecordError, match="the record was changed"):
        Record.from_json(better)


def test_edited_samples_are_noticed(record):
    def halve(data: dict) -> None:
        first_timing(data)["samples_ms"] = [ms / 2 for ms in first_timing(data)["samples_ms"]]

    with pytest.raises(RecordError, match="the record was changed"):
        Record.from_json(edited(record, halve))


def test_a_truncated_file_is_refused(record, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(record.to_text()[:500])
    with pytest.raises(RecordError, match="not valid JSON"):
        read_record(path)
    with pytest.raises(RecordError, match="missing"):
        read_record(tmp_path / "other.json")


def test_a_record_is_written_whole_or_not_at_all(record, tmp_path):
    path = tmp_path / "record.json"
    path.write_text("an older record")
    with pytest.raises(ValueError, match="JSON compliant"):
        replace(record, environment={"x": float("nan")}).write(path)
    assert path.read_text() == "an older record"
    with pytest.raises(UserError, match="cannot write"):
        record.write(tmp_path / "no folder" / "record.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]

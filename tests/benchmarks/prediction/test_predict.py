"""`brushlet bench --device`: what is printed, written and refused; no prediction is taken for a measurement."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import RecordError, Request, read_prediction, read_record, report_run
from benchmarks.budget import Budget, BudgetMissed
from benchmarks.cli import app
from benchmarks.prediction import Prediction, predict, predict_there
from benchmarks.prediction import cli as prediction_cli
from benchmarks.prediction.measure import measure_for_fit
from benchmarks.prediction.observations import SHIPPED, read_observations
from benchmarks.prediction.predict import prediction_path
from devices import Match, load_device
from runtime import UserError

ORIN = load_device("jetson-orin-nano")
INT8 = Request("adain-w025", sizes=(256, 512), precisions=("int8",))


@pytest.fixture(scope="module")
def orin() -> Prediction:
    return predict(INT8, ORIN, command=["brushlet", "bench", "adain-w025"])


def run(*arguments: str, folder: Path | None = None):
    return CliRunner().invoke(app, ["adain-w0125", *arguments], catch_exceptions=True)


def test_a_prediction_says_what_it_is_in_every_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("--device", "jetson-orin-nano", "--precision", "int8", "--size", "256")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "PREDICTED, not measured: adain-w0125 on NVIDIA Jetson Orin Nano 8GB (gpu, MAXN_SUPER) with tensorrt" in text
    assert "predicted ms" in text and "interval" in text
    assert "basis: extrapolated, since nothing was measured on this kind of unit" in text
    (path,) = (tmp_path / "records").iterdir()
    assert path.name.startswith("adain-w0125-on-jetson-orin-nano-") and path.name.endswith(".predicted.json")
    data = json.loads(path.read_text())
    assert data["kind"] == "predicted"
    assert "samples_ms" not in path.read_text() and "p50_ms" not in path.read_text()
    assert read_prediction(path).device == "jetson-orin-nano"


def test_json_is_the_file(tmp_path):
    done = run("--device", "t4", "--precision", "fp16", "--json", "-o", str(tmp_path / "p.json"))
    assert done.exit_code == 0
    assert (tmp_path / "p.json").read_text() in done.output


def test_a_file_round_trips(orin, tmp_path):
    orin.write(tmp_path / "p.json")
    assert read_prediction(tmp_path / "p.json") == orin
    assert [(row.width, row.precision, row.threads) for row in orin.rows] == [(256, "int8", None), (512, "int8", None)]


def test_neither_reader_takes_the_others_file(orin, record, tmp_path):
    orin.write(tmp_path / "p.json")
    record.write(tmp_path / "r.json")
    with pytest.raises(RecordError, match="is a prediction and no measurement"):
        read_record(tmp_path / "p.json")
    with pytest.raises(UserError, match="is a measurement and no prediction"):
        read_prediction(tmp_path / "r.json")
    renamed = {**orin.to_json(), "kind": "measured"}
    (tmp_path / "q.json").write_text(json.dumps(renamed))
    with pytest.raises(RecordError, match="is missing"):
        read_record(tmp_path / "q.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["rows"][0]["forecast"].update(low_ms=1e9), "bound <= low <= predicted <= high"),
        (lambda d: d["rows"][0]["forecast"].update(bound_ms=0), "bound <= low"),
        (lambda d: d.update(rows=[]), "holds no prediction"),
        (lambda d: d.update(schema=2), "another schema than 1"),
        (lambda d: d.pop("basis"), "'basis' is missing"),
        (lambda d: d["basis"].update(kind="certain"), "'kind' must be one of same class, same unit, extrapolated"),
        (lambda d: d.update(created="now"), "'created' must be a UTC time"),
        (lambda d: d.update(kind="dreamt"), "'kind' must be one of predicted"),
    ],
)
def test_a_file_that_is_wrong_is_refused(orin, change, said):
    data = orin.to_json()
    change(data)
    with pytest.raises(UserError, match=said):
        Prediction.from_json(data)


@pytest.fixture
def here(monkeypatch) -> list[Request]:
    """This machine is an x86-avx2; the requests that would be measured."""
    asked: list[Request] = []
    monkeypatch.setattr(predict_there, "identify_here", lambda: Match(load_device("x86-avx2"), "class", ()))
    monkeypatch.setattr(report_run, "run_and_report", lambda request, *others: asked.append(request))
    return asked


def test_this_machine_is_measured(here, tmp_path):
    done = run("--device", "x86-avx2", "--size", "64")
    assert done.exit_code == 0, done.output
    assert "this machine is x86-avx2 (class): measuring" in done.output
    assert [request.sizes for request in here] == [(64,)]


def test_this_machine_is_predicted_if_that_is_asked_for(here, tmp_path):
    done = run("--device", "x86-avx2", "--predict", "--size", "64", "--threads", "2", "-o", str(tmp_path / "p.json"))
    assert done.exit_code == 0, done.output
    assert here == []
    (row,) = read_prediction(tmp_path / "p.json").rows
    assert row.threads == 2


def test_without_a_device_there_is_nothing_to_predict(here):
    done = run("--predict")
    assert isinstance(done.exception, UserError) and "add --device NAME" in str(done.exception)
    assert here == []


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (replace(INT8, rivals=("teacher",)), "they need the device itself"),
        (replace(INT8, budget=Budget(milliseconds=33, part="model")), "--accept-prediction allows it"),
        (replace(INT8, budget=Budget(memory=10**8)), "memory is not predicted"),
        (replace(INT8, precisions=("palettized",)), "nothing can be predicted in palettized"),
        (replace(INT8, threads=(2,)), "are of its whole gpu"),
        (replace(INT8, bundle="no-such-bundle"), "no-such-bundle"),
    ],
)
def test_what_only_a_measurement_can_say_is_refused(request_, said):
    with pytest.raises(UserError, match=said):
        predict(request_, ORIN)


def test_end_to_end_is_not_predicted():
    with pytest.raises(UserError, match="only the paint graph is predicted: add --part model"):
        predict(replace(INT8, budget=Budget(milliseconds=33)), ORIN, accept=True)


def test_only_what_the_whole_interval_keeps_is_kept(orin):
    low, high = orin.rows[1].forecast.low_ms, orin.rows[1].forecast.high_ms
    for limit, met in ((high * 1.01, True), ((low * high) ** 0.5, False), (low / 2, False)):
        budget = Budget(milliseconds=limit, part="model")
        found = predict(replace(INT8, sizes=(512,), budget=budget), ORIN, accept=True)
        (check,) = found.checks
        assert check.met is met
        assert "predicted" in check.what


def test_exit_codes_of_a_limit_on_a_prediction(tmp_path):
    asked = ("--device", "jetson-orin-nano", "--precision", "int8", "--part", "model", "-o", str(tmp_path / "p.json"))
    kept = run(*asked, "--budget-ms", "60000", "--accept-prediction")
    assert kept.exit_code == 0
    assert "within budget, as predicted and not measured" in kept.output
    missed = run(*asked, "--budget-ms", "0.001", "--accept-prediction", "--min-psnr", "10")
    assert isinstance(missed.exception, BudgetMissed)
    assert str(missed.exception).startswith("not within budget, as predicted: upper end of the predicted latency")
    assert [check.met for check in read_prediction(tmp_path / "p.json").checks] == [False, True]


def test_a_second_prediction_of_a_second_has_a_name_of_its_own(orin, tmp_path):
    first = prediction_path(orin, tmp_path)
    orin.write(first)
    assert prediction_path(orin, tmp_path).name == first.name.replace(".predicted.json", "-2.predicted.json")


def test_records_are_observed_with_their_bundles(record, tiny, tmp_path):
    record = replace(record, environment={**record.environment, "load_before": {"cpus": 2, "busy": 0.9}})
    record.write(tmp_path / "r.json")
    (tmp_path / "broken.json").write_text("{")
    found, unused = read_observations([tmp_path / "r.json", tmp_path / "broken.json"], [tiny.parent])
    assert {(each.bundle, each.size, each.threads) for each in found} == {("tiny", 32, 1), ("tiny", 64, 1)}
    for each in found:
        result = next(result for result in record.results if result.width == each.size)
        assert (
            min(result.timing(0, "model").samples_ms)
            <= each.seconds * 1000
            <= result.timing(0, "model").percentiles_ms[0]
        )
        assert each.group.endswith("/onnxruntime")
    other, broken = sorted(unused, key=lambda line: "broken" in line)
    assert "its bundle is not among those given" in other
    assert "not valid JSON" in broken
    two = replace(record, results=tuple(replace(result, threads=2) for result in record.results))
    two.write(tmp_path / "r.json")
    found, unused = read_observations([tmp_path / "r.json"], [tiny.parent])
    assert found == [] and any("the machine was busy" in line for line in unused)


def test_measuring_and_fitting_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.prediction.measure.write_probes", lambda folder: [])
    measure_for_fit(tmp_path, [16], [16], runs=2, seconds=0.01, engines=["onnxruntime"])
    assert {path.name for path in (tmp_path / "records").iterdir()} == {f"{name}.json" for name in SHIPPED}
    monkeypatch.setattr("benchmarks.prediction.measure.bench", lambda *asked: pytest.fail("it is there already"))
    measure_for_fit(tmp_path, [16], [16], runs=2, seconds=0.01, engines=["onnxruntime"])
    done = CliRunner().invoke(
        prediction_cli.app,
        ["fit", str(tmp_path / "records"), "-o", str(tmp_path / "fitted.json")],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    assert "left out one bundle at a time: typically off by a factor of" in " ".join(done.output.split())
    shown = CliRunner().invoke(prediction_cli.app, ["show", str(tmp_path / "fitted.json")], catch_exceptions=False)
    assert "dense/fp32" in shown.output
    (tmp_path / "empty").mkdir()
    nothing = CliRunner().invoke(prediction_cli.app, ["fit", str(tmp_path / "empty")])
    assert isinstance(nothing.exception, UserError)

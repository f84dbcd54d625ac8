"""`brushlet search`: who is looked at, what fits, what is predicted, and the errors of one line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from benchmarks import Request, search
from benchmarks.budget import Budget, BudgetMissed, Check
from benchmarks.search import Candidate, Found, Search
from benchmarks.search_run import render, search_and_report
from devices import DeviceError, load_device
from runtime.bundle import open_bundle
from runtime.errors import UserError
from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).resolve().parents[2]


def shown(found: Found) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(found))
    return console.export_text()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> dict[str, Path]:
    """Three bundles of 100, 400 and 1600 weights, which the fake machine takes 1, 4 and 16 ms for."""
    found = {}
    for name, weights in {"small": 100, "middle": 400, "large": 1600}.items():
        directory = make_tiny_bundle(tmp_path_factory.mktemp("bundles") / name, name=name)
        manifest = open_bundle(directory).manifest
        student = replace(manifest.student, parameters={"paint": weights})
        replace(manifest, student=student).write(directory)
        found[name] = directory
    return found


@pytest.fixture
def machine(monkeypatch):
    """A machine that takes a millisecond for a hundred weights; the requests that it got."""
    asked = []

    def bench(request, command, tell):
        asked.append(request)
        ms = open_bundle(request.bundle).manifest.student.parameters["paint"] / 100
        memory = Check("peak memory", "MB", 1.0, 0.5)
        return SimpleNamespace(checks=(memory, Check("p90", "ms", request.budget.milliseconds, ms)))

    monkeypatch.setattr(search, "bench", bench)
    return asked


def asking(bundles, ms: float, *names: str, **more) -> Search:
    request = Request("", precisions=("fp32",), budget=Budget(milliseconds=ms), host=more.pop("host", None))
    return Search(tuple(str(bundles[name]) for name in names or bundles), request, **more)


@pytest.mark.parametrize(
    ("ms", "chosen"), [(100, "large"), (16, "large"), (15.9, "middle"), (4, "middle"), (2, "small")]
)
def test_the_largest_that_fits(bundles, machine, ms, chosen):
    found = search.search(asking(bundles, ms))
    assert [each.name for each in found.candidates] == ["large", "middle", "small"]
    assert [each.ms for each in found.candidates] == [16, 4, 1]
    assert found.chosen.name == chosen and found.measured
    found.require_one()
    assert {request.budget.part for request in machine} == {"end_to_end"}


def test_nothing_fits(bundles, machine):
    found = search.search(asking(bundles, 0.5))
    assert found.chosen is None and found.to_json()["chosen"] is None
    with pytest.raises(BudgetMissed, match="^no student fits: small comes nearest with 1 ms, over the budget of"):
        found.require_one()


def test_what_cannot_be_measured_is_left_out(bundles, machine, monkeypatch):
    bench = search.bench

    def failing(request, command, tell):
        if "large" in request.bundle:
            raise UserError("it holds no int8 painter")
        return bench(request, command, tell)

    monkeypatch.setattr(search, "bench", failing)
    found = search.search(asking(bundles, 100))
    assert found.candidates[0].reason == "it holds no int8 painter" and found.chosen.name == "middle"
    assert "left out: large: it holds no int8 painter" in shown(found)
    with pytest.raises(UserError, match="it holds no int8 painter"):
        search.search(asking(bundles, 100, "large"))


def test_without_names_all_that_ship_and_take_a_style(machine):
    found = search.search(Search((), Request("", budget=Budget(milliseconds=1e9))))
    names = [each.name for each in found.candidates]
    assert names.index("adain-w025") < names.index("adain-w0125")
    assert all(not open_bundle(request.bundle).manifest.student.fixed_style for request in machine)


def test_a_host_is_told_which_device_it_has_to_be(bundles, machine):
    search.search(asking(bundles, 5, "small", device="jetson-orin-nano", host="user@there"))
    assert (machine[0].host, machine[0].device) == ("user@there", "jetson-orin-nano")


def test_this_machine_is_measured_and_another_predicted(bundles, machine, monkeypatch):
    device = load_device("x86-avx2")
    monkeypatch.setattr(search, "identify_here", lambda: SimpleNamespace(device=device))
    assert search.search(asking(bundles, 5, device="x86-avx2")).measured
    assert not search.search(asking({}, 1e9, device="x86-avx2", predict=True)).measured
    machine.clear()
    assert not search.search(asking({}, 1e9, device="raspberry-pi-5")).measured
    assert machine == []


def test_a_prediction_fits_where_its_whole_interval_does():
    """The students that ship, on a device that nobody has: just below and above the upper end of the larger one."""
    loose = search.search(asking({}, 1e9, device="raspberry-pi-5"))
    largest = loose.candidates[0]
    assert loose.chosen == largest and largest.low_ms <= largest.ms < largest.high_ms  # none is below its bound
    assert loose.what.startswith("model only") and "fitted on" in loose.basis
    tight = search.search(asking({}, largest.high_ms * 0.99, device="raspberry-pi-5"))
    assert not tight.candidates[0].fits and tight.candidates[0].ms < largest.high_ms * 0.99
    none = search.search(asking({}, 1e-6, device="raspberry-pi-5"))
    with pytest.raises(BudgetMissed, match="as predicted and not measured, .* ms at the upper end"):
        none.require_one()
    text = shown(loose)
    assert "PREDICTED, not measured: within 1e+09 ms on Raspberry Pi 5" in text and "basis: " in text


def test_the_report(bundles, machine, capsys):
    search_and_report(asking(bundles, 5), as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["kind"] == "measured" and data["chosen"]["name"] == "middle"
    assert [each["fits"] for each in data["candidates"]] == [False, True, True]
    search_and_report(asking(bundles, 5), as_json=False)
    out = capsys.readouterr().out
    assert "within 5 ms on this machine, p90 end to end at 512x512, fp32" in out
    assert "take middle: brushlet stylize photo.jpg --model" in out
    with pytest.raises(BudgetMissed):
        search_and_report(asking(bundles, 0.5), as_json=True)
    assert json.loads(capsys.readouterr().out)["chosen"] is None, "the table is printed before the exit"


def test_a_width_of_a_run_says_what_makes_it():
    width = Candidate(
        "slim-w025", "runs/slim", 0.25, 100, command="brushlet export runs/slim --width 0.25", ms=1, fits=True
    )
    text = shown(Found((width,), Budget(milliseconds=2), "model only", "this machine"))
    assert "take slim-w025: brushlet export runs/slim --width 0.25" in text


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"predict": True}, UserError, "add --device NAME"),
        ({"predict": True, "host": "u@h", "device": "jetson-orin-nano"}, UserError, "--host measures"),
        ({"device": "raspberry-pi-5", "part": "end_to_end"}, UserError, "only the paint graph is predicted"),
        ({"device": "no-such-device"}, DeviceError, "no-such-device"),
        ({"part": "sleep"}, UserError, "--part must be"),
    ],
)
def test_requests_that_cannot_be(bundles, machine, changes, error, said):
    with pytest.raises(error, match=said):
        search.search(asking(bundles, 5, **changes))


@pytest.mark.parametrize("ms", [0, -1, float("nan")])
def test_budgets_that_nothing_can_keep(bundles, machine, ms):
    with pytest.raises(UserError, match="--budget-ms must be above 0"):
        search.search(asking(bundles, ms))


def test_measured_for_real(bundles, tmp_path):
    """The command itself, with records; the second time nothing fits."""
    words = [sys.executable, "-m", "brushlet", "search", *(str(bundles[name]) for name in ("small", "large"))]
    quick = ["--size", "32", "--runs", "3", "--seconds", "0.01", "--threads", "1", "--records", "kept"]

    def run(ms: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*words, "--budget-ms", ms, *quick],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=200,
        )

    done = run("10000")
    assert done.returncode == 0, done.stderr
    assert "take large" in done.stdout
    assert len(list((tmp_path / "kept").glob("*.json"))) == 2
    done = run("0.00001")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no student fits: ")

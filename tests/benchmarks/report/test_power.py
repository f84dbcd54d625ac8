"""Energy, clocks and throttling in a report, where a record holds them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.report.gather import Gathered
from benchmarks.report.page import make_page
from benchmarks.report.samples import Samples
from tests.benchmarks.report.records import make_record, source

energy = pytest.importorskip("benchmarks.energy")
power = pytest.importorskip("devices.power")
pytest.importorskip("jinja2")


def watch(watts: float, throttled: tuple[str, ...]) -> object:
    rails = (power.Rail("VDD_IN", watts, watts + 1, True),)
    return power.Watch(2.0, 20, rails, (power.Spread("cpu", 800.0, 1510.0, 1510.0),), (), throttled)


def test_a_page_tells_energy_clocks_and_throttling():
    record = make_record()
    used = energy.Energy(0, "end_to_end", 200, watch(2.0, ()), watch(7.0, ()))
    result = replace(record.results[0], watch=watch(6.5, ("too hot",)), energies=(used,))
    page = make_page(Gathered((source(replace(record, results=(result,))),)), Samples()).decode()
    assert "mine takes 0.07 J a picture" in page
    assert "cpu 1510 MHz" in page
    assert "throttled: too hot" in page
    for head in ("J a picture", "J above idle", "W running", "throttled"):
        assert f">{head}<" in page
    assert page.count('<td class="number">0.07</td>') == 1


def test_a_record_without_sensors_has_no_such_columns():
    page = make_page(Gathered((source(make_record()),)), Samples()).decode()
    assert "J a picture" not in page
    assert "Power, clocks and heat" not in page

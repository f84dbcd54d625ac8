"""`devices.power.tegrastats`: recorded lines of every Jetson, by the names of their fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.power.jetson_rails import whole_of
from devices.power.tegrastats import parse_tegrastats
from tests.devices.power.recorded import TEGRASTATS


@pytest.mark.parametrize("board", TEGRASTATS)
def test_recorded_line(board):
    line, watts, whole, clocks, temperatures = TEGRASTATS[board]
    reading = parse_tegrastats(line)
    assert reading.watts == pytest.approx(watts)
    assert set(reading.whole) == set(whole)
    assert reading.megahertz == pytest.approx(clocks)
    assert reading.celsius == pytest.approx(temperatures)
    assert reading.throttled is None, "tegrastats does not say"


def test_the_whole_counts_nothing_twice():
    for board in ("agx-orin-jetpack5", "agx-xavier", "thor-38.4", "tx2"):
        reading = parse_tegrastats(TEGRASTATS[board][0])
        total = sum(reading.watts[name] for name in reading.whole)
        assert max(reading.watts.values()) <= total <= sum(reading.watts.values())
    assert whole_of(["VDD_GPU_SOC", "VDDQ_VDD2_1V8AO", "NC"]) == ("VDD_GPU_SOC",)


@given(st.text(max_size=300))
def test_no_line_is_an_error(line):
    reading = parse_tegrastats(line)
    assert set(reading.whole) <= set(reading.watts)


@given(
    st.dictionaries(
        st.from_regex(r"VDD_[A-Z0-9_]{1,12}", fullmatch=True), st.integers(-500, 200_000), min_size=1, max_size=6
    ),
    st.integers(0, 2),
    st.booleans(),
)
def test_any_rail_is_read_with_one_two_or_three_values(rails, further, unit):
    mw = "mW" if unit or not further else ""
    fields = [" ".join((name, "/".join([f"{now}{mw}"] + [f"7{mw}"] * further))) for name, now in rails.items()]
    line = f"RAM 1/2MB (lfb 3x4MB) CPU [1%@729] {' '.join(fields)} tj@40C"
    assert parse_tegrastats(line).watts == pytest.approx({name: now / 1000 for name, now in rails.items()})

"""`benchmarks.budget`: limits kept and missed, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import Record
from benchmarks.budget import Budget, BudgetMissed, Check, check_budget, parse_bytes, recorded_psnr, require_kept
from benchmarks.measurements import SizeResult, Start, Timing
from runtime import UserError
from runtime.bundle import open_bundle


def result(size: int = 32, peak: int | None = 150_000_000, threads: int = 1) -> SizeResult:
    """p50, p90 and p99 of 1 to 100 ms end to end; of half of that for the model; a rival that is worse in all."""
    samples = tuple(float(ms) for ms in range(1, 101))
    timings = (
        Timing(0, "end_to_end", True, False, 49.0, 52.0, (1.0,), samples),
        Timing(0, "model", True, False, 24.0, 26.0, (1.0,), tuple(ms / 2 for ms in samples)),
        Timing(1, "end_to_end", True, False, 490.0, 520.0, (1.0,), tuple(ms * 10 for ms in samples)),
    )
    starts = (Start(0, 1.0, 2.0, None, peak), Start(1, 1.0, 2.0, None, 10**10))
    return SizeResult(size, size, threads, None, starts, timings, (), None)


@pytest.mark.parametrize(
    ("budget", "found"),
    [
        (Budget(milliseconds=95), 90.1),
        (Budget(milliseconds=95, percentile=50), 50.5),
        (Budget(milliseconds=95, percentile=100), 100.0),
        (Budget(milliseconds=95, part="model"), 45.05),
    ],
)
def test_a_percentile_of_the_first_subject_is_compared(budget, found):
    (check,) = check_budget(budget, [result()], None)
    assert (check.found, check.met) == (pytest.approx(found), found <= 95)


def test_every_size_and_number_of_threads_must_keep_it():
    results = [result(32), result(64, threads=2)]
    checks = check_budget(Budget(milliseconds=95, memory=200_000_000), results, None)
    assert [check.what for check in checks] == [
        "p90 end to end at 32x32 with 1 thread",
        "peak memory at 32x32 with 1 thread",
        "p90 end to end at 64x64 with 2 threads",
        "peak memory at 64x64 with 2 threads",
    ]
    require_kept(checks)
    with pytest.raises(BudgetMissed) as caught:
        require_kept(check_budget(Budget(milliseconds=95, memory=120_000_000), results, None))
    assert str(caught.value) == (
        "over budget: peak memory at 32x32 with 1 thread is 150.0 MB, 30 MB (25 %) over 120 MB; "
        "peak memory at 64x64 with 2 threads is 150.0 MB, 30 MB (25 %) over 120 MB"
    )


def test_nothing_asked_nothing_checked():
    assert check_budget(Budget(), [result()], None) == ()


@pytest.mark.parametrize(
    ("check", "met", "said"),
    [
        (Check("p90", "ms", 33, 41.25), False, "p90 is 41.2 ms, 8.25 ms (25 %) over 33 ms"),
        (Check("p90", "ms", 33, 33.0), True, "p90 is 33 ms (at most 33 ms)"),
        (Check("p90", "ms", 0.1, 5.95), False, "p90 is 5.95 ms, 5.85 ms over 0.1 ms"),
        (Check("PSNR", "dB", 35, 33.5, True), False, "PSNR is 33.5 dB, 1.5 dB (4.3 %) below 35 dB"),
        (Check("PSNR", "dB", 35, 38.4, True), True, "PSNR is 38.4 dB (at least 35 dB)"),
        (Check("memory", "MB", 9, None), False, "memory: this system does not tell, so 9 MB cannot be checked"),
    ],
)
def test_what_is_said(check, met, said):
    assert check.met is met
    assert str(check) == said


@given(limit=st.floats(0.001, 1e6), found=st.floats(0, 1e6), least=st.booleans())
def test_a_limit_is_kept_or_missed_never_both(limit, found, least):
    check = Check("x", "ms", limit, found, least)
    missed = found < limit if least else found > limit
    assert check.met is not missed
    assert (("over" if not least else "below") in str(check)) is missed


def test_memory_that_the_system_does_not_tell_is_not_a_pass():
    with pytest.raises(BudgetMissed, match="does not tell"):
        require_kept(check_budget(Budget(memory=10**12), [result(peak=None)], None))


def test_psnr_is_that_of_the_bundles_own_record(quantised):
    bundle = open_bundle(quantised)
    assert recorded_psnr(bundle, "onnxruntime", "fp32") == 120.5
    assert recorded_psnr(bundle, "openvino", "int8") == 36.2, "the worst of those that are about the picture"
    (check,) = check_budget(Budget(psnr=37), [result()], 36.2)
    assert not check.met
    assert "the bundle's own parity record" in str(check)


def test_a_bundle_without_a_parity_record_cannot_keep_a_psnr(tiny):
    with pytest.raises(UserError, match="--min-psnr: .* has no parity record of its fp32 onnx painter: export it"):
        recorded_psnr(open_bundle(tiny), "onnxruntime", "fp32")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("200MB", 2e8), ("200 mb", 2e8), ("1.5GiB", 1.5 * 2**30), ("250000000", 2.5e8), ("12kB", 12e3), ("7B", 7)],
)
def test_sizes_in_words(text, wanted):
    assert parse_bytes(text) == wanted


@pytest.mark.parametrize("text", ["", "MB", "-5MB", "5 parsecs", "0", "1e9", "nan", "0.1B"])
def test_no_sizes(text):
    with pytest.raises(UserError, match="--max-memory must be a size such as 200MB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(milliseconds=0), "--budget-ms must be above 0, not 0"),
        (Budget(milliseconds=float("nan")), "--budget-ms must be above 0, not nan"),
        (Budget(percentile=0), "--percentile must be above 0 and at most 100, not 0"),
        (Budget(percentile=101), "--percentile must be above 0 and at most 100, not 101"),
        (Budget(part="style"), "--part must be end_to_end, model or files, not 'style'"),
        (Budget(psnr=float("inf")), "--min-psnr must be a number of decibels, not inf"),
    ],
)
def test_limits_that_make_no_sense(budget, said):
    with pytest.raises(UserError) as caught:
        budget.require_sensible()
    assert str(caught.value) == said


def test_checks_are_kept_in_the_record(record):
    checks = (Check("p90", "ms", 33.0, 41.2), Check("memory", "MB", 9.0, None))
    checked = replace(record, checks=checks)
    data = json.loads(checked.to_text())
    assert [check["met"] for check in data["checks"]] == [False, False]
    assert Record.from_json(data) == checked

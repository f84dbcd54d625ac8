"""`benchmarks.prediction`: rooflines of the catalogue, what a step takes, fits, and intervals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.prediction.efficiency import NAMES, PARAMETERS, Case, as_parameters, as_values
from benchmarks.prediction.fit import fit_all, fit_group, solve
from benchmarks.prediction.fitted import SHIPPED, read_fitted
from benchmarks.prediction.forecast import EXTRAPOLATED, SAME_CLASS, SAME_UNIT, WIDE, basis_of, forecast
from benchmarks.prediction.observations import Observation
from benchmarks.prediction.roofline import MOST_GHZ, roofline_of
from devices import load_device
from runtime import UserError
from tests.benchmarks.prediction.conftest import USUAL, make_fitted, make_work

#: One of each basis: measured class, another processor, another unit.
DEVICES = {"x86-avx2": SAME_CLASS, "raspberry-pi-5": SAME_UNIT, "jetson-orin-nano": EXTRAPOLATED, "t4": EXTRAPOLATED}


def test_figures_are_those_of_the_catalogue():
    orin = roofline_of(load_device("jetson-orin-nano"), {"int8", "fp32"})
    assert (orin.unit, orin.mode, orin.cores, orin.stated) == ("gpu", "MAXN_SUPER", 1, True)
    assert orin.peaks == pytest.approx({"int8": 33e12, "fp32": 2.09e12})
    assert orin.bandwidth == 102e9
    assert orin.ceilings == {"int8": 33e12, "fp32": 8.5e12}, "TensorRT runs float32 as TF32 there"
    turing = roofline_of(load_device("t4"), {"fp32"})
    assert turing.ceilings == turing.peaks == {"fp32": 8.1e12}


def test_the_bound_is_the_longer_of_arithmetic_and_traffic():
    work = make_work(256, precision="fp16")
    orin = roofline_of(load_device("jetson-orin-nano"), work.operations)
    arithmetic, traffic = work.operations["fp16"] / 17e12, work.compulsory_bytes / 102e9
    assert orin.bound_s(work) == pytest.approx(max(arithmetic, traffic))


def test_a_class_of_processors_is_per_core_and_cycle():
    device = load_device("x86-avx2")
    one, two = (roofline_of(device, {"fp32"}, threads, 2.5) for threads in (1, 2))
    assert one.peaks == {"fp32": 32 * 2.5e9}
    assert (one.cores, two.cores, one.assumed_clock) == (1, 2, False)
    assert one.ceilings["fp32"] == pytest.approx(32 * MOST_GHZ * 1e9), "the clock that is told may be no boost clock"
    assert roofline_of(device, {"fp32"}).notes == ("a clock of 3 GHz: a class of processors has none",)


def test_a_missing_figure_is_stood_in_for_and_told():
    thor = roofline_of(load_device("jetson-thor"), {"int8"})
    assert thor.peaks == {"int8": 259e12}
    assert thor.ceilings == {"int8": 2 * 259e12}
    assert thor.notes == ("int8 at the peak of fp16: no other is known",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("iphone-15-pro", "its memory's bandwidth is not known"),
        ("pixel-8", "no peak of its npu in fp32 is known"),
    ],
)
def test_what_the_catalogue_does_not_tell_is_not_guessed(name, said):
    with pytest.raises(UserError, match=said):
        roofline_of(load_device(name), {"fp32"})


def test_threads_of_a_whole_unit_are_refused():
    with pytest.raises(UserError, match="--threads: the figures of raspberry-pi-5 are of its whole cpu"):
        roofline_of(load_device("raspberry-pi-5"), {"fp32"}, threads=2)


def test_what_a_step_takes(work):
    roofline = roofline_of(load_device("raspberry-pi-5"), {"fp32"})
    values = {
        **USUAL,
        "dense/fp32": 0.5,
        "narrow/fp32": 32.0,
        "memory/elementwise": 0.25,
        "step_us": 10.0,
        "run_us": 30.0,
    }
    found = Case.of(work(64, 32, depth=1), roofline).seconds(as_values(values))
    convolution = 18 * 64 * 64 * 32**2 / (0.154e12 * 0.5 * 0.25)  # as wide as `narrow` on both sides: a quarter
    addition = 3 * 64 * 64 * 32 * 4 / (17.1e9 * 0.25)
    assert found == pytest.approx(convolution + addition + 2 * 10e-6 + 30e-6)
    assert as_parameters(as_values(values)) == values


sizes = st.integers(8, 2048)
precisions = st.sampled_from(["fp32", "fp16", "int8"])
devices = st.sampled_from(sorted(DEVICES))
parameters = st.fixed_dictionaries({name: st.floats(p.low, p.high) for name, p in PARAMETERS.items()})


def predicted(size, name, precision, channels, values):
    fitted = make_fitted()
    fitted = replace(fitted, fits=(replace(fitted.fits[0], parameters=values),))
    device, work = load_device(name), make_work(size, channels, precision)
    roofline = roofline_of(device, work.operations)
    engine = "onnxruntime" if roofline.unit == "cpu" else "tensorrt"
    return work, roofline, forecast(work, roofline, device, engine, fitted)


@settings(max_examples=60)
@given(sizes, devices, precisions, st.sampled_from([3, 8, 64]), parameters)
def test_never_below_the_roofline_and_in_order(size, name, precision, channels, values):
    work, roofline, found = predicted(size, name, precision, channels, values)
    bound = roofline.bound_s(work) * 1000
    assert found.bound_ms == pytest.approx(bound)
    assert 0 < bound <= found.low_ms * (1 + 1e-12)
    assert found.low_ms <= found.predicted_ms * (1 + 1e-12) <= found.high_ms * (1 + 1e-9)


@settings(max_examples=40)
@given(sizes, st.integers(1, 500), devices, precisions, parameters)
def test_a_larger_picture_is_never_predicted_to_be_faster(size, more, name, precision, values):
    small, large = (predicted(side, name, precision, 16, values)[2] for side in (size, size + more))
    for end in ("low_ms", "predicted_ms", "high_ms", "bound_ms"):
        assert getattr(small, end) <= getattr(large, end) * (1 + 1e-12)


@settings(max_examples=25)
@given(sizes, st.integers(1, 15), parameters)
def test_more_cores_are_never_predicted_to_be_slower(size, more, values):
    case = [Case.of(make_work(size), roofline_of(load_device("x86-avx2"), {"fp32"}, n)) for n in (1, 1 + more)]
    assert case[1].seconds(as_values(values)) <= case[0].seconds(as_values(values))


def test_the_less_is_known_the_wider_the_interval(fitted, work):
    widths = {}
    for name, kind in DEVICES.items():
        device = load_device(name)
        roofline = roofline_of(device, {"fp32"}, ghz=3.0)
        engine = "onnxruntime" if roofline.unit == "cpu" else "tensorrt"
        assert basis_of(device, engine, fitted).kind == kind
        found = forecast(work(512), roofline, device, engine, fitted)
        widths[kind] = found.high_ms / found.predicted_ms
    assert 1.5 < widths[SAME_CLASS] < 2.5 < widths[SAME_UNIT] <= widths[EXTRAPOLATED] * (1 + 1e-9)
    assert widths[SAME_CLASS] == pytest.approx(math.exp(WIDE * math.hypot(math.log(1.3), math.log(1.25))))


def test_an_unknown_clock_widens_it(fitted, work):
    device = load_device("x86-avx2")
    known, assumed = (
        forecast(work(256), roofline_of(device, {"fp32"}, ghz=ghz), device, "onnxruntime", fitted)
        for ghz in (3.0, None)
    )
    assert assumed.predicted_ms == pytest.approx(known.predicted_ms)
    assert assumed.high_ms > known.high_ms * 1.1


def test_a_basis_says_what_it_is(fitted):
    same, other, far = (
        str(basis_of(load_device(name), engine, fitted))
        for name, engine in (("x86-avx2", "onnxruntime"), ("raspberry-pi-5", "onnxruntime"), ("h100", "tensorrt"))
    )
    assert "40 measurements of x86-avx2/onnxruntime on a processor" in same and "1.30" in same
    assert other.endswith("no device of this class was measured")
    assert far.startswith("extrapolated, since nothing was measured on this kind of unit")


TRUE = {**USUAL, "dense/fp32": 0.7, "narrow/fp32": 12.0, "step_us": 2.0, "scaling": 0.6}


def made_up(noise: float = 0.0, group: str = "x86-avx2/onnxruntime") -> list[Observation]:
    """Measurements of four bundles that differ in width, by the model itself, and noise as a share."""
    rng, found = np.random.default_rng(0), []
    for channels in (8, 16, 32, 64):
        for size in (32, 64, 128, 256):
            for threads in (1, 2):
                work = make_work(size, channels)
                roofline = roofline_of(load_device("x86-avx2"), {"fp32"}, threads, 2.6)
                case = Case.of(work, roofline)
                seconds = case.seconds(as_values(TRUE)) * math.exp(noise * rng.standard_normal())
                found.append(
                    Observation(
                        group, f"c{channels}", "m", "fp32", size, threads, seconds, roofline.bound_s(work), case
                    )
                )
    return found


def test_a_fit_finds_the_efficiencies_that_made_the_measurements():
    found = as_parameters(solve(made_up()))
    for name in ("dense/fp32", "narrow/fp32", "scaling"):
        assert found[name] == pytest.approx(TRUE[name], rel=0.05), name
    assert found["depthwise/int8"] == pytest.approx(USUAL["depthwise/int8"]), "nothing was measured of it"


def test_leaving_out_is_worse_than_seeing_and_tells_the_noise():
    clean, noisy = fit_group(made_up()), fit_group(made_up(0.1))
    assert clean.residual < clean.without_a_bundle.typical * 1.001 < 1.05
    assert 1.05 < noisy.residual <= noisy.without_a_measurement.typical <= noisy.without_a_bundle.typical * 1.02 < 1.4
    assert (noisy.without_a_measurement.count, noisy.without_a_bundle.count) == (32, 32)


def test_a_bundle_that_is_unlike_the_others_shows_when_it_is_left_out():
    odd = [replace(each, seconds=each.seconds * 5) if each.bundle == "c64" else each for each in made_up()]
    found = fit_group(odd).without_a_bundle
    assert found.of == "c64"
    assert found.worst > 3


def test_too_little_is_not_fitted():
    told = []
    few = [each for each in made_up() if each.bundle == "c8"] + made_up(group="t4/tensorrt")[:3]
    assert fit_all(few, told.append) == []
    assert all("too few" in line for line in told)


def test_what_ships_is_whole_and_says_where_it_comes_from():
    fitted = read_fitted()
    assert fitted.records and "benchmarks.prediction fit" in fitted.command
    for fit in fitted.fits:
        assert set(fit.parameters) == set(NAMES)
        assert fit.measurements == fit.without_a_measurement.count == fit.without_a_bundle.count
        assert {"adain-w025", "adain-w0125"} < set(fit.bundles)
        assert 1 < fit.residual < fit.without_a_bundle.typical < 3


def test_a_fitted_file_round_trips_and_a_wrong_one_is_refused(tmp_path, fitted):
    fitted.write(tmp_path / "f.json")
    assert read_fitted(tmp_path / "f.json") == fitted
    (tmp_path / "g.json").write_text(SHIPPED.read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(UserError, match="another schema"):
        read_fitted(tmp_path / "g.json")
    (tmp_path / "h.json").write_text((tmp_path / "f.json").read_text().replace('"scaling": 0.85', '"scaling": 8.5'))
    with pytest.raises(UserError, match="'scaling' must be a number"):
        read_fitted(tmp_path / "h.json")

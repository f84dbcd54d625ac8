"""Counting what flows through a graph, and the ranges that follow."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.activation_ranges import BINS, METHODS, Observed, observe, observed_tensors, ranges_of
from runtime.errors import UserError


def seen(*values: np.ndarray) -> Observed:
    observed = Observed.nothing()
    for array in values:
        observed = observed.and_also(np.asarray(array, np.float32))
    return observed


def conv_relu_conv() -> onnx.ModelProto:
    """y = relu(2 x) + 1, channel by channel, as two convolutions and what stands between them."""
    eye = np.eye(8, dtype=np.float32).reshape(8, 8, 1, 1)
    nodes = [
        helper.make_node("Conv", ["x", "double"], ["twice"], "first"),
        helper.make_node("Relu", ["twice"], ["positive"], "relu"),
        helper.make_node("Conv", ["positive", "same", "one"], ["y"], "second"),
    ]
    constants = {"double": 2 * eye, "same": eye, "one": np.ones(8, np.float32)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, "h", "w"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_what_enters_and_leaves_convolutions_is_counted():
    model = conv_relu_conv()
    x = np.linspace(-1, 3, 8 * 5, dtype=np.float32).reshape(1, 8, 5, 1)
    found = observe(model, [{"x": x}, {"x": -x}])
    assert list(found) == observed_tensors(model) == ["x", "positive", "twice", "y"]
    assert (found["x"].low, found["x"].high) == (-3, 3)
    assert (found["twice"].low, found["twice"].high) == (-6, 6)
    assert (found["positive"].low, found["positive"].high) == (0, 6)
    assert (found["y"].low, found["y"].high) == (1, 7)
    assert all(tensor.counts.sum() == 2 * x.size for tensor in found.values())


def test_numbers_that_are_not_finite_are_refused():
    x = np.full((1, 8, 2, 2), np.nan, np.float32)
    with pytest.raises(UserError, match="not finite at x"):
        observe(conv_relu_conv(), [{"x": x}])


@given(st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=30), min_size=1, max_size=5))
def test_counting_in_parts_equals_counting_at_once(parts):
    together = seen(np.concatenate([np.array(part, np.float32) for part in parts]))
    apart = seen(*parts)
    assert (apart.low, apart.high, apart.reach) == (together.low, together.high, together.reach)
    assert apart.counts.sum() == together.counts.sum() == sum(map(len, parts))
    # Merging pairs of bins puts a value where a coarser count would have put it.
    assert np.abs(np.cumsum(apart.counts) - np.cumsum(together.counts)).max() <= sum(map(len, parts))
    assert apart.reach >= max(-apart.low, apart.high)
    assert apart.counts @ apart.centres == pytest.approx(
        sum(map(sum, parts)), abs=2 * apart.reach / BINS * sum(map(len, parts)) + 1e-6
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [False, True])
@settings(max_examples=10)
@given(values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=50))
def test_ranges_hold_zero_and_nothing_that_was_not_seen(method, symmetric, values):
    observed = seen(values)
    low, high = ranges_of({"t": observed}, method, symmetric)["t"]
    assert low <= 0 <= high
    if symmetric:
        assert low == -high
        assert high <= max(-observed.low, observed.high, 0) + 1e-6
    else:
        assert min(observed.low, 0) - 1e-6 <= low and high <= max(observed.high, 0) + 1e-6


def test_min_max_is_all_that_was_seen():
    found = ranges_of({"t": seen([-3.0, 0.5], [7.0])}, "min-max", False)
    assert found["t"] == (-3, 7)
    assert ranges_of({"t": seen([-3.0, 0.5], [7.0])}, "min-max", True)["t"] == (-7, 7)


def test_percentiles_leave_outliers_out():
    values = np.linspace(0, 1, 1_000_000, dtype=np.float32)
    observed = seen(values, [50.0])
    _, high = ranges_of({"t": observed}, "percentile-99.99", False)["t"]
    assert high == pytest.approx(1, abs=2 * observed.reach / BINS)
    assert ranges_of({"t": observed}, "min-max", False)["t"][1] == 50


@pytest.mark.parametrize("method", ["mse", "entropy"])
def test_one_outlier_is_clipped_and_a_uniform_tensor_is_not(method):
    normal = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    assert ranges_of({"t": seen(normal, [60.0])}, method, True)["t"][1] < 30
    uniform = np.linspace(-1, 1, 200_000, dtype=np.float32)
    assert ranges_of({"t": seen(uniform)}, method, True)["t"][1] == pytest.approx(1, abs=0.05)


def test_mse_gives_the_least_error_of_all_methods():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=100_000), 20 * rng.normal(size=200)]).astype(np.float32)

    def error(method: str) -> float:
        low, high = ranges_of({"t": seen(values)}, method, False)["t"]
        step = (high - low) / 255
        return float(np.square(np.round(np.clip(values, low, high) / step) * step - values).mean())

    errors = {method: error(method) for method in METHODS}
    assert errors["mse"] <= 1.02 * min(errors.values())
    assert errors["mse"] < 0.9 * errors["min-max"]


def test_a_tensor_of_zeros_has_a_range():
    for method in METHODS:
        assert ranges_of({"t": seen(np.zeros(10))}, method, False)["t"] == (0, 0)

"""MIL operations on numbers and shapes against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from export.coreml.mil_arithmetic import ARITHMETIC
from export.coreml.mil_types import MilError

FEW = settings(max_examples=25)
NUMBERS = st.floats(-50, 50, width=32)
TENSORS = array_shapes(min_dims=1, max_dims=4, max_side=4).flatmap(lambda s: arrays(np.float32, s, elements=NUMBERS))
NONZERO = NUMBERS.filter(lambda x: abs(x) > 1e-3)

UNARY = {
    "abs": torch.abs,
    "exp": torch.exp,
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "square": torch.square,
    "tanh": torch.tanh,
}
BINARY = {
    "add": torch.add,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mul": torch.mul,
    "real_div": torch.div,
    "sub": torch.sub,
}


def close(found, expected: torch.Tensor) -> None:
    expected = expected.numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", UNARY)
@FEW
@given(x=TENSORS)
def test_of_one_tensor(name, x):
    close(ARITHMETIC[name](x=x), UNARY[name](torch.from_numpy(x)))


@pytest.mark.parametrize("name", BINARY)
@FEW
@given(x=TENSORS, y=arrays(np.float32, (1,), elements=NONZERO))
def test_of_two_tensors_of_which_one_is_spread(name, x, y):
    close(ARITHMETIC[name](x=x, y=y), BINARY[name](torch.from_numpy(x), torch.from_numpy(y)))


@FEW
@given(x=arrays(np.float32, (2, 3), elements=st.floats(np.float32(1e-3), 50, width=32)))
def test_roots(x):
    tensor = torch.from_numpy(x)
    close(ARITHMETIC["sqrt"](x=x), tensor.sqrt())
    close(ARITHMETIC["rsqrt"](x=x, epsilon=np.float32(0.25)), (tensor + 0.25).rsqrt())
    close(ARITHMETIC["pow"](x=x, y=np.float32(1.5)), tensor.pow(1.5))


@FEW
@given(x=TENSORS, alpha=st.floats(0, 1, width=32))
def test_leaky_relu_and_clip(x, alpha):
    close(ARITHMETIC["leaky_relu"](x=x, alpha=np.float32(alpha)), F.leaky_relu(torch.from_numpy(x), alpha))
    found = ARITHMETIC["clip"](x=x, alpha=np.float32(-alpha), beta=np.float32(2))
    close(found, torch.from_numpy(x).clamp(-alpha, 2))


@FEW
@given(x=arrays(np.float32, (2, 3, 4), elements=NUMBERS), axes=st.sampled_from([[0], [1, 2], [-1], [0, 1, 2]]))
@pytest.mark.parametrize("keep", [True, False])
def test_reductions(x, axes, keep):
    tensor, parameters = torch.from_numpy(x), {"axes": np.array(axes, np.int32), "keep_dims": np.bool_(keep)}
    close(ARITHMETIC["reduce_mean"](x=x, **parameters), tensor.mean(axes, keepdim=keep))
    close(ARITHMETIC["reduce_sum"](x=x, **parameters), tensor.sum(axes, keepdim=keep))
    close(ARITHMETIC["reduce_max"](x=x, **parameters), tensor.amax(axes, keepdim=keep))


@FEW
@given(arrays(np.float32, (2, 5), elements=NUMBERS), arrays(np.float32, (3, 5), elements=NUMBERS))
def test_linear(x, weight):
    bias = np.array([1, 2, 3], np.float32)
    tensors = [torch.from_numpy(array) for array in (x, weight, bias)]
    np.testing.assert_allclose(ARITHMETIC["linear"](x=x, weight=weight, bias=bias), F.linear(*tensors), atol=2e-2)


def test_reshape_keeps_and_infers_sizes():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert ARITHMETIC["reshape"](x=x, shape=np.array([0, -1, 2])).shape == (2, 6, 2)
    assert ARITHMETIC["reshape"](x=x, shape=np.array([4, 6])).tolist() == x.reshape(4, 6).tolist()
    with pytest.raises(MilError, match="keeps sizes"):
        ARITHMETIC["reshape"](x=x, shape=np.array([0, 12]))


def test_axes_come_and_go():
    x = np.zeros((2, 1, 3), np.float32)
    assert ARITHMETIC["squeeze"](x=x, axes=np.array([1])).shape == (2, 3)
    assert ARITHMETIC["squeeze"](x=x).shape == (2, 3)
    assert ARITHMETIC["expand_dims"](x=x, axes=np.array([0, -1])).shape == (1, 2, 1, 3, 1)
    assert ARITHMETIC["transpose"](x=x, perm=np.array([2, 0, 1])).shape == (3, 2, 1)


@FEW
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5), axis=st.sampled_from([1, -2]))
def test_what_is_split_is_joined_again(sizes, axis):
    x = np.arange(2 * sum(sizes) * 3, dtype=np.float32).reshape(2, sum(sizes), 3)
    parts = ARITHMETIC["split"](x=x, axis=np.int32(axis), split_sizes=np.array(sizes))
    assert [part.shape[1] for part in parts] == sizes
    assert np.array_equal(ARITHMETIC["concat"](values=parts, axis=np.int32(axis)), x)


def test_a_split_into_equal_parts():
    x = np.arange(6, dtype=np.float32)
    assert [part.tolist() for part in ARITHMETIC["split"](x=x, axis=np.int32(0), num_splits=np.int32(3))] == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]


@pytest.mark.parametrize("parameters", [{"split_sizes": np.array([2, 3])}, {}])
def test_a_split_that_does_not_add_up_is_refused(parameters):
    with pytest.raises(MilError, match="a split"):
        ARITHMETIC["split"](x=np.zeros(6, np.float32), axis=np.int32(0), **parameters)


def test_stack_and_select():
    a, b = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    stacked = ARITHMETIC["stack"](values=[a, b], axis=np.int32(1))
    assert stacked.shape == (2, 2, 3) and stacked[:, 1].all() and not stacked[:, 0].any()
    assert ARITHMETIC["select"](cond=np.array([True, False, True]), a=b, b=a).tolist() == [[1, 0, 1], [1, 0, 1]]


def test_slices_follow_their_masks():
    x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    found = ARITHMETIC["slice_by_index"](
        x=x,
        begin=np.array([1, 2, 4]),
        end=np.array([2, -1, 0]),
        stride=np.array([1, 1, 2]),
        begin_mask=np.array([False, False, True]),
        end_mask=np.array([False, False, True]),
        squeeze_mask=np.array([True, False, False]),
    )
    assert np.array_equal(found, x[1, 2:-1, ::2])
    assert np.array_equal(ARITHMETIC["slice_by_index"](x=x, begin=np.zeros(3, int), end=np.array([1, 4, 5])), x[:1])


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("slice_by_index", {"begin": np.array([3]), "end": np.array([0]), "stride": np.array([-1])}, "stride below 1"),
        ("cast", {"dtype": "complex64"}, "complex64"),
    ],
)
def test_what_is_not_run_is_told(name, parameters, message):
    with pytest.raises(MilError, match=message):
        ARITHMETIC[name](x=np.zeros(4, np.float32), **parameters)


def test_an_interleaved_concat_is_told():
    with pytest.raises(MilError, match="interleaved"):
        ARITHMETIC["concat"](values=[np.zeros(2)], axis=np.int32(0), interleave=np.bool_(True))

"""MIL operations on picture planes against torch's, and against their definition where torch has none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from export.coreml.mil_planes import PLANES
from export.coreml.mil_types import MilError

FEW = settings(max_examples=25)
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


def planes(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def convolved(x, weight, bias, stride, dilation, margins):
    """A convolution by its definition, in float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *margins))
    reach = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(padded.shape[2:], reach, stride, strict=True))
    out = np.zeros((x.shape[0], weight.shape[0], rows, columns)) + bias[:, None, None]
    for dy in range(weight.shape[2]):
        for dx in range(weight.shape[3]):
            top, left = dy * dilation[0], dx * dilation[1]
            taps = padded[:, :, top : top + (rows - 1) * stride[0] + 1 : stride[0], :]
            taps = taps[..., left : left + (columns - 1) * stride[1] + 1 : stride[1]]
            out += np.einsum("ncyx,oc->noyx", taps, weight[:, :, dy, dx])
    return out


@FEW
@given(
    st.integers(0, 9),
    st.tuples(st.integers(5, 9), st.integers(5, 9)),
    PAIRS,
    PAIRS,
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
def test_conv_with_padding_of_its_own(seed, sizes, kernel, stride, dilation, pad):
    x, weight, bias = planes(seed, 1, 3, *sizes), planes(seed + 1, 4, 3, *kernel), planes(seed + 2, 4)
    found = PLANES["conv"](
        x=x,
        weight=weight,
        bias=bias,
        strides=np.array(stride),
        pad_type="custom",
        pad=np.array(pad),
        dilations=np.array(dilation),
        groups=np.int32(1),
    )
    expected = convolved(x, weight, bias, stride, dilation, (pad[:2], pad[2:]))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@FEW
@given(st.integers(0, 9), st.tuples(st.integers(4, 9), st.integers(4, 9)), PAIRS, PAIRS)
@pytest.mark.parametrize("kind", ["same", "same_lower"])
def test_conv_that_keeps_its_size(kind, seed, sizes, kernel, stride):
    x, weight = planes(seed, 1, 2, *sizes), planes(seed + 1, 3, 2, *kernel)
    found = PLANES["conv"](x=x, weight=weight, strides=np.array(stride), pad_type=kind)
    wanted = [-(-n // s) for n, s in zip(sizes, stride, strict=True)]
    assert list(found.shape[2:]) == wanted
    margins = []
    for n, k, s, out in zip(sizes, kernel, stride, wanted, strict=True):
        total = max(0, (out - 1) * s + k - n)
        small, large = total // 2, total - total // 2
        margins.append((small, large) if kind == "same" else (large, small))
    expected = convolved(x, weight, np.zeros(3), stride, (1, 1), margins)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_conv_in_groups():
    x, weight = planes(0, 1, 4, 6, 5), planes(1, 8, 2, 3, 3)
    expected = F.conv2d(torch.from_numpy(x), torch.from_numpy(weight), groups=2)
    np.testing.assert_allclose(PLANES["conv"](x=x, weight=weight, groups=np.int32(2)), expected, atol=1e-5)


@FEW
@given(
    st.integers(0, 9),
    st.tuples(st.integers(3, 9), st.integers(3, 9)),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 1),
    st.booleans(),
)
def test_max_pool(seed, sizes, kernel, stride, pad, ceil):
    assume(pad <= kernel // 2 and kernel >= stride)  # torch drops a window that MIL keeps where they have gaps
    x = planes(seed, 1, 2, *sizes)
    found = PLANES["max_pool"](
        x=x,
        kernel_sizes=np.array([kernel] * 2),
        strides=np.array([stride] * 2),
        pad_type="custom",
        pad=np.array([pad] * 4),
        ceil_mode=np.bool_(ceil),
    )
    expected = F.max_pool2d(torch.from_numpy(x), kernel, stride, pad, ceil_mode=ceil)
    assert found.shape == tuple(expected.shape) and np.array_equal(found, expected.numpy())


@FEW
@given(st.integers(0, 9), st.tuples(st.integers(3, 9), st.integers(3, 9)), st.integers(2, 3), st.booleans())
def test_avg_pool(seed, sizes, kernel, exclude):
    x = planes(seed, 1, 2, *sizes)
    found = PLANES["avg_pool"](
        x=x,
        kernel_sizes=np.array([kernel] * 2),
        strides=np.array([2, 2]),
        pad_type="custom",
        pad=np.ones(4, int),
        exclude_padding_from_average=np.bool_(exclude),
    )
    expected = F.avg_pool2d(torch.from_numpy(x), kernel, 2, 1, count_include_pad=not exclude)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@FEW
@given(st.integers(0, 9), st.lists(st.integers(0, 3), min_size=4, max_size=4))
@pytest.mark.parametrize(
    ("mode", "torch_mode"), [("constant", "constant"), ("reflect", "reflect"), ("replicate", "replicate")]
)
def test_pad(mode, torch_mode, seed, pad):
    x = planes(seed, 1, 2, 4, 5)
    value = {"constant_val": np.float32(0.5)} if mode == "constant" else {}
    found = PLANES["pad"](x=x, pad=np.array(pad), mode=mode, **value)
    ours = [*pad[2:], *pad[:2]]  # torch names the last axis first
    expected = F.pad(torch.from_numpy(x), ours, torch_mode, *([0.5] if value else []))
    assert np.array_equal(found, expected.numpy())


@FEW
@given(st.integers(0, 9), st.integers(1, 3), PAIRS)
def test_pixel_shuffle_and_upsampling(seed, factor, sizes):
    x = planes(seed, 1, 2 * factor**2, *sizes)
    shuffled = F.pixel_shuffle(torch.from_numpy(x), factor)
    assert np.array_equal(PLANES["pixel_shuffle"](x=x, upscale_factor=np.int32(factor)), shuffled.numpy())
    found = PLANES["upsample_nearest_neighbor"](
        x=x, scale_factor_height=np.float32(factor), scale_factor_width=np.int32(2)
    )
    assert np.array_equal(found, F.interpolate(torch.from_numpy(x), scale_factor=(factor, 2)).numpy())


X = planes(0, 1, 4, 6, 6)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("conv", {"x": planes(0, 1, 2, 8), "weight": planes(1, 2, 2, 3)}, r"\(N, C, H, W\) only"),
        ("conv", {"x": X, "weight": planes(1, 4, 4, 3, 3), "pad_type": "odd"}, "'odd'"),
        ("conv", {"x": X, "weight": planes(1, 4, 4, 3, 3), "strides": np.array([0, 1])}, "0x1"),
        (
            "conv",
            {"x": X, "weight": planes(1, 4, 4, 3, 3), "pad_type": "custom", "pad": np.array([2**30, 0, 0, 0])},
            "larger than",
        ),
        ("pad", {"x": X, "pad": np.array([1, 1]), "mode": "wrap"}, "'wrap'"),
        ("pad", {"x": X, "pad": np.array([2**30, 0])}, "larger than"),
        ("upsample_nearest_neighbor", {"x": X, "scale_factor_height": np.float32(1.5)}, "fraction"),
        ("upsample_nearest_neighbor", {"x": X, "scale_factor_height": np.int32(2**30)}, "larger than"),
        ("avg_pool", {"x": X, "kernel_sizes": np.array([2, 2]), "ceil_mode": np.bool_(True)}, "ceil_mode"),
    ],
)
def test_what_is_not_run_is_told(name, parameters, message):
    with pytest.raises(MilError, match=message):
        PLANES[name](**parameters)

"""Compressed weights and 8-bit activations, against torch and against coremltools' own decompression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.coreml.mil_compression import COMPRESSION
from export.coreml.mil_types import MilError

FEW = settings(max_examples=25)
NUMBERS = st.floats(-20, 20, width=32)
quantize, dequantize = COMPRESSION["quantize"], COMPRESSION["dequantize"]


@FEW
@given(arrays(np.float32, (2, 3, 4), elements=NUMBERS), st.floats(0.01, 1), st.integers(-5, 5))
def test_activations_are_rounded_as_torch_rounds_them(x, scale, zero):
    expected = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), scale, zero, -128, 127).numpy()
    ours = {"scale": np.float64(scale), "zero_point": np.int8(zero)}
    levels = quantize(input=x.astype(np.float64), output_dtype="int8", **ours)
    found = dequantize(input=levels.astype(np.int8), **ours)
    # One level apart where x / scale and x * (1 / scale) fall on different sides of a half.
    np.testing.assert_allclose(found, expected, atol=scale * 1.01)
    assert np.isclose(found, expected, atol=1e-5).mean() >= 0.9


def test_levels_are_clipped_and_halves_go_to_even():
    x = np.array([-1000, -1.5, -0.5, 0.5, 1.5, 2.5, 1000], np.float32)
    one = np.array(1, np.float32)
    assert quantize(input=x, scale=one, output_dtype="int8").tolist() == [-128, -2, 0, 0, 2, 2, 127]
    assert quantize(input=x, scale=one, output_dtype="uint8").tolist() == [0, 0, 0, 0, 2, 2, 255]


@FEW
@given(arrays(np.float32, (2, 3, 2), elements=NUMBERS), st.sampled_from([1, -2]))
def test_scales_per_channel_lie_along_their_axis(x, axis):
    scale, zero = np.array([0.1, 0.2, 0.4], np.float32), np.array([0, 3, -3], np.int8)
    levels = quantize(input=x, scale=scale, zero_point=zero, output_dtype="int8", axis=np.int32(axis))
    for channel in range(3):
        alone = quantize(input=x[:, channel], scale=scale[channel], zero_point=zero[channel], output_dtype="int8")
        assert np.array_equal(levels[:, channel], alone)
    back = dequantize(input=levels.astype(np.int8), scale=scale, zero_point=zero, axis=np.int32(axis))
    inside = np.abs(levels) < 127
    assert (np.abs(back - x)[inside] <= 0.21).all()


@FEW
@given(arrays(np.int8, (4, 3, 2, 2)))
def test_affine_weights(data):
    coremltools = pytest.importorskip("coremltools.converters.mil.mil.ops.defs.iOS16.constexpr_ops")
    scale, zero = np.array([0.5, 1, 2, 0.25], np.float32), np.array([0, 1, -1, 2], np.int8)
    expected = coremltools.constexpr_affine_dequantize.decompress(data, zero, scale, 0)
    found = COMPRESSION["constexpr_affine_dequantize"](
        quantized_data=data, zero_point=zero, scale=scale, axis=np.int32(0)
    )
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_packed_palettes(bits):
    rng = np.random.default_rng(bits)
    lut = rng.normal(size=1 << bits).astype(np.float32)
    indices = rng.integers(0, 1 << bits, (5, 3))
    stream = [index >> bit & 1 for index in indices.reshape(-1) for bit in range(bits)]
    packed = np.packbits(stream, bitorder="little")
    found = COMPRESSION["constexpr_lut_to_dense"](indices=packed, lut=lut, shape=np.array([5, 3], np.uint32))
    assert np.array_equal(found, lut[indices])


def test_palettes_per_block_of_channels():
    # The example of iOS 18's reference: two palettes over the first axis.
    indices = np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], np.uint8).reshape(6, 2)
    lut = np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float32).reshape(2, 1, 4, 1)
    found = COMPRESSION["constexpr_lut_to_dense"](indices=indices, lut=lut)
    assert found.tolist() == [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]


@FEW
@given(arrays(np.int8, (4, 6)), arrays(np.float32, (2, 3), elements=st.floats(0.125, 2, width=32)))
def test_blockwise_scales(data, scale):
    coremltools = pytest.importorskip("coremltools.converters.mil.mil.ops.defs.iOS18.compression")
    offset = np.array([[0, 1, 2], [-1, 0, 3]], np.int8)
    expected = coremltools.constexpr_blockwise_shift_scale.decompress(data, scale, offset)
    found = COMPRESSION["constexpr_blockwise_shift_scale"](data=data, scale=scale, offset=offset)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


ONE = np.array(1, np.float32)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("quantize", {"input": ONE, "scale": ONE, "output_dtype": "int4"}, "'int4'"),
        ("dequantize", {"input": np.zeros((2, 2), np.int8), "scale": np.ones(2, np.float32)}, "without its axis"),
        (
            "constexpr_lut_to_dense",
            {"indices": np.zeros(1, np.uint8), "lut": np.zeros(3, np.float32), "shape": np.array([4])},
            "palette of 3 entries",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": np.zeros(1, np.uint8), "lut": np.zeros(4, np.float32), "shape": np.array([2**20, 2**20])},
            "palette of 4 entries",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": np.zeros(1, np.uint8), "lut": np.zeros(4, np.float32), "shape": np.array([5])},
            "fewer than 5",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": np.full((2, 2), 4, np.uint8), "lut": np.zeros((1, 1, 4, 1), np.float32)},
            "index of 4",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": np.zeros((2, 2), np.uint8), "lut": np.zeros((1, 1, 4, 2), np.float32)},
            "vectors",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": np.zeros((2, 2), np.uint8), "lut": np.zeros((4, 1), np.float32)},
            "for indices of shape",
        ),
        (
            "constexpr_blockwise_shift_scale",
            {"data": np.zeros((4, 4), np.int8), "scale": np.ones((3, 1), np.float32)},
            "blocks of shape",
        ),
    ],
)
def test_what_is_damaged_or_not_run_is_told(name, parameters, message):
    with pytest.raises(MilError, match=message):
        COMPRESSION[name](**parameters)

"""MIL's element types in bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.coreml.mil_types import ELEMENT_TYPES, MilError, TensorType, decode, unpack

BY_NAME = {element.name: element for element in ELEMENT_TYPES.values()}


def pack(values: list[int], bits: int) -> np.ndarray:
    """The reference: bit by bit, least significant first, running on into the next byte."""
    stream = [value >> bit & 1 for value in values for bit in range(bits)]
    stream += [0] * (-len(stream) % 8)
    octets = [stream[i : i + 8] for i in range(0, len(stream), 8)]
    return np.array([sum(bit << i for i, bit in enumerate(octet)) for octet in octets], np.uint8)


@given(st.sampled_from([1, 2, 3, 4, 6]).flatmap(lambda b: st.tuples(st.just(b), st.lists(st.integers(0, 2**b - 1)))))
def test_numbers_of_less_than_a_byte_are_unpacked(case):
    bits, values = case
    assert unpack(pack(values, bits), bits, len(values)).tolist() == values


@given(st.lists(st.integers(-8, 7), min_size=1))
def test_int4_keeps_its_sign(values):
    packed = pack([value & 15 for value in values], 4)
    assert decode(packed.tobytes(), BY_NAME["int4"], (len(values),)).tolist() == values


def test_packing_is_the_one_that_the_reference_shows():
    # indices 0, 3, 2, 1, 3 of two bits are 01101100 xxxxxx11 (constexpr_lut_to_dense of iOS 16)
    assert unpack(np.array([0b01101100, 0b11], np.uint8), 2, 5).tolist() == [0, 3, 2, 1, 3]


@pytest.mark.parametrize("name", ["fp16", "fp32", "int8", "int32", "uint16"])
def test_whole_numbers_are_little_endian_rows_first(name):
    element = BY_NAME[name]
    wanted = np.arange(6).reshape(2, 3).astype(element.numpy)
    data = wanted.astype(element.numpy.newbyteorder("<")).tobytes()
    found = decode(data, element, (2, 3))
    assert found.dtype == element.numpy and np.array_equal(found, wanted)


@pytest.mark.parametrize(("name", "shape", "size"), [("fp16", (3,), 5), ("fp16", (3,), 8), ("uint6", (5,), 3)])
def test_a_wrong_number_of_bytes_is_refused(name, shape, size):
    with pytest.raises(MilError, match="damaged"):
        decode(bytes(size), BY_NAME[name], shape)


def test_unpacking_more_than_there_is_is_refused():
    with pytest.raises(MilError, match="fewer than 9 numbers"):
        unpack(np.zeros(1, np.uint8), 1, 9)


def test_unknown_sizes_fit_anything_else_does_not():
    kind = TensorType(BY_NAME["fp16"], (1, None, 3))
    assert kind.fits((1, 7, 3))
    assert not kind.fits((1, 7, 4)) and not kind.fits((1, 7)) and not kind.fits((1, 7, 3, 1))

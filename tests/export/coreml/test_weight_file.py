"""weight.bin, read without coremltools' own reader; nothing outside the file is ever touched."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.coreml.mil_types import ELEMENT_TYPES, MilError, TensorType
from export.coreml.weight_file import WeightFile

BY_NAME = {element.name: element for element in ELEMENT_TYPES.values()}
VALUES = np.array([[1.5, -2.25, 0.0], [65504.0, 6e-8, -0.0]], np.float16)


def kind(name: str, *shape: int) -> TensorType:
    return TensorType(BY_NAME[name], shape)


def write(
    path: Path, data: bytes, code: int = 1, size: int | None = None, start: int = 128, sentinel=0xDEADBEEF
) -> None:
    record = struct.pack("<IIQQQ", sentinel, code, len(data) if size is None else size, start, 0)
    path.write_bytes(struct.pack("<II", 1, 2).ljust(64, b"\0") + record.ljust(64, b"\0") + data)


def test_a_blob_is_read_back(tmp_path):
    write(tmp_path / "weight.bin", VALUES.tobytes())
    found = WeightFile(tmp_path / "weight.bin").read(64, kind("fp16", 2, 3))
    assert found.dtype == np.float16 and found.tobytes() == VALUES.tobytes()


def test_what_coremltools_writes_is_read_back(tmp_path):
    pytest.importorskip("coremltools")
    from coremltools.libmilstoragepython import _BlobStorageWriter

    path, rng = tmp_path / "weight.bin", np.random.default_rng(0)
    arrays = {
        "fp32": rng.normal(size=7).astype(np.float32),
        "int8": rng.integers(-128, 128, 70).astype(np.int8),
        "uint8": rng.integers(0, 256, 3).astype(np.uint8),
        "uint4": rng.integers(0, 16, 13).astype(np.uint8),
        "uint6": rng.integers(0, 64, 13).astype(np.uint8),
        "uint2": rng.integers(0, 4, 5).astype(np.uint8),
        "int4": rng.integers(-8, 8, 9).astype(np.int8),
    }
    writer = _BlobStorageWriter(str(path))
    names = {"fp32": "write_float_data"}
    offsets = {name: getattr(writer, names.get(name, f"write_{name}_data"))(array) for name, array in arrays.items()}
    del writer
    weights = WeightFile(path)
    for name, array in arrays.items():
        assert np.array_equal(weights.read(offsets[name], kind(name, array.size)), array), name


@pytest.mark.parametrize("offset", [0, 1, 63, 65, 128, 192, 2**40])
def test_a_place_without_a_record_is_refused(tmp_path, offset):
    write(tmp_path / "weight.bin", bytes(64))
    with pytest.raises(MilError, match=f"no blob at {offset}"):
        WeightFile(tmp_path / "weight.bin").read(offset, kind("fp16", 32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": 129}, "outside"),
        ({"start": 2**63}, "outside"),
        ({"size": 2**63}, "outside"),
        ({"size": 13}, "outside"),
        ({"code": 4}, "of type 4, not fp16"),
        ({"sentinel": 1}, "no blob at 64"),
        ({"size": 10}, "damaged"),
    ],
)
def test_a_record_that_lies_is_refused(tmp_path, changes, message):
    write(tmp_path / "weight.bin", VALUES.tobytes(), **changes)
    with pytest.raises(MilError, match=message):
        WeightFile(tmp_path / "weight.bin").read(64, kind("fp16", 2, 3))


@pytest.mark.parametrize("data", [b"", bytes(63), bytes(128), struct.pack("<II", 1, 1).ljust(128, b"\0")])
def test_what_is_no_weight_file_is_refused(tmp_path, data):
    (tmp_path / "weight.bin").write_bytes(data)
    with pytest.raises(MilError, match="no weight file"):
        WeightFile(tmp_path / "weight.bin")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(MilError, match="cannot read .*weight.bin"):
        WeightFile(tmp_path / "weight.bin")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 139), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, 3))
def test_a_file_with_changed_bytes_is_read_or_refused_and_no_more(tmp_path, changes, blocks):
    path = tmp_path / "weight.bin"
    write(path, VALUES.tobytes())
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place] = value
    path.write_bytes(data)
    try:
        found = WeightFile(path).read(64 * blocks, kind("fp16", 2, 3))
    except MilError:
        return
    assert found.shape == (2, 3)

"""Core ML packages whose every number may be another: the evaluator runs them or says what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.test_manifests import FUZZ
from tests.fuzz.watched import Watched

pytest.importorskip("coremltools")

NUMBERS = st.integers(-3, 20) | st.sampled_from([255, 2**16, 2**31 - 1, -(2**31), 2**32, 2**40, 2**63 - 1, -(2**63)])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of what painters are made of."""
    from tests.export.coreml.programs import save_program

    def build(mb: Any, x: Any) -> Any:
        rng = np.random.default_rng(0)
        a = mb.conv(x=x, weight=rng.normal(size=(8, 3, 3, 3)).astype(np.float32), pad_type="same", strides=[2, 2])
        b = mb.relu(x=mb.add(x=a, y=np.float32(0.1)))
        c = mb.concat(values=[a, b], axis=1)
        d = mb.conv(x=c, weight=rng.normal(size=(12, 16, 1, 1)).astype(np.float32), pad_type="valid")
        e = mb.pixel_shuffle(x=d, upscale_factor=2)
        scale, shift = mb.split(x=np.ones((1, 6, 1, 1), np.float32), num_splits=2, axis=1)
        return mb.clip(x=mb.add(x=mb.mul(x=e, y=scale), y=shift), alpha=0.0, beta=1.0, name="y")

    path = tmp_path_factory.mktemp("packages") / "p.mlpackage"
    save_program(path, build, (1, 3, 16, 24))
    return path


def numbers_in(message: Any, depth: int = 0) -> Iterator[tuple[Any, Any, Any]]:
    """Every number, text and enumerated value of a protocol buffer: its message, its field and its place in a list."""
    for field, value in message.ListFields() if depth < 40 else ():
        if field.message_type and field.message_type.GetOptions().map_entry:
            for key in value:
                if field.message_type.fields_by_name["value"].message_type:
                    yield from numbers_in(value[key], depth + 1)
        elif field.message_type:
            for inner in value if field.is_repeated else [value]:
                yield from numbers_in(inner, depth + 1)
        elif field.is_repeated:
            yield from ((message, field, index) for index in range(len(value)))
        else:
            yield message, field, None


def put(message: Any, field: Any, index: int | None, number: int) -> None:
    """Set one value, as far as its field takes it."""
    kinds = {field.CPPTYPE_STRING: lambda: "x" * (number % 9) if field.type == field.TYPE_STRING else bytes(number % 9)}
    value = kinds.get(field.cpp_type, lambda: number)()
    try:
        if index is None:
            setattr(message, field.name, value)
        else:
            getattr(message, field.name)[index] = value
    except (ValueError, TypeError):  # out of the field's range: it has other values to be wrong with
        return


@settings(max_examples=200, **FUZZ)
@given(edits=st.lists(st.tuples(st.integers(0, 10**6), NUMBERS), min_size=1, max_size=2))
def test_changed_numbers_in_a_program(worker: Watched, package: Path, edits: list[tuple[int, int]]):
    from coremltools.proto import Model_pb2

    from export.coreml.mil_program import MODEL_FILE

    whole = (package / MODEL_FILE).read_bytes()
    model = Model_pb2.Model.FromString(whole)
    places = list(numbers_in(model))
    for place, number in edits:
        put(*places[place % len(places)], number)
    try:
        (package / MODEL_FILE).write_bytes(model.SerializeToString())
        require_answer(worker.do("package", package))
    finally:
        (package / MODEL_FILE).write_bytes(whole)


@settings(max_examples=150, **FUZZ)
@given(place=st.integers(0, 10**5), cut=st.integers(0, 64), filling=st.binary(max_size=40), weights=st.booleans())
def test_damaged_bytes(worker: Watched, package: Path, place: int, cut: int, filling: bytes, weights: bool):
    from export.coreml.mil_program import MODEL_FILE, WEIGHT_FILE

    file = package / (WEIGHT_FILE if weights else MODEL_FILE)
    whole = file.read_bytes()
    start = place % (len(whole) + 1)
    try:
        file.write_bytes(whole[:start] + filling + whole[start + cut :])
        require_answer(worker.do("package", package))
    finally:
        file.write_bytes(whole)


def test_the_package_is_whole(worker: Watched, package: Path, tmp_path: Path):
    assert worker.do("package", package)["outcome"] == "ran"
    copy = shutil.copytree(package, tmp_path / "copy.mlpackage")
    shutil.rmtree(copy / "Data")
    assert worker.do("package", copy)["outcome"] == "refused"


def require_answer(answer: dict[str, Any]) -> None:
    assert answer["outcome"] in ("ran", "refused"), answer
    assert "\n" not in answer["text"] and answer["outside"] == [], answer

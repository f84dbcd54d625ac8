from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engines.engine_file import EngineFacts, ShapeRange, read_engine_file, seal, unseal
from runtime.errors import UserError

FACTS = EngineFacts(
    flavour="tensorrt",
    version="10.3.0",
    precision="int8",
    compute_capabilities=("8.7",),
    newer_gpus=False,
    version_compatible=False,
    profiles=({"content": ShapeRange((1, 3, 256, 256), (1, 3, 560, 560), (1, 3, 1112, 1112))},),
    onnx_sha256="0" * 64,
)
PLAN = bytes(range(256)) * 9
SEALED = seal(FACTS, PLAN)


def test_what_is_sealed_comes_back(tmp_path: Path):
    path = tmp_path / "paint.engine"
    path.write_bytes(SEALED)
    found = read_engine_file(path)
    assert found.plan == PLAN
    assert found.facts.to_json() == FACTS.to_json()
    assert found.facts.profiles[0]["content"] == FACTS.profiles[0]["content"]


def test_the_plan_is_aligned_and_stands_at_the_end():
    assert SEALED.endswith(PLAN)
    assert (len(SEALED) - len(PLAN)) % 64 == 0


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(place: int, change: int):
    damaged = bytearray(SEALED)
    damaged[place] ^= change
    with pytest.raises(UserError, match=r"^x\.engine "):
        unseal(bytes(damaged), "x.engine")


@given(st.integers(0, len(SEALED) - 1))
def test_any_shortened_file_is_found(length: int):
    with pytest.raises(UserError):
        unseal(SEALED[:length], "x.engine")


def test_a_longer_file_is_found():
    with pytest.raises(UserError, match="damaged or incomplete"):
        unseal(SEALED + b"\0", "x.engine")


@given(st.binary(max_size=400))
def test_strange_bytes_are_refused(data: bytes):
    for contents in (data, SEALED[:16] + data):
        with pytest.raises(UserError) as caught:
            unseal(contents, "x.engine")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("plan", [b"ftrt" + b"\0" * 400, b"vtrt" + b"\0" * 400])
def test_a_bare_plan_is_no_engine_file(plan: bytes):
    with pytest.raises(UserError, match="not an engine file of brushlet: build it with"):
        unseal(plan, "x.engine")


def test_files_that_cannot_be_engines(tmp_path: Path):
    with pytest.raises(UserError, match="there is no engine at"):
        read_engine_file(tmp_path / "none.engine")
    with pytest.raises(UserError, match="there is no engine at"):
        read_engine_file(tmp_path)
    (tmp_path / "empty.engine").write_bytes(b"")
    with pytest.raises(UserError, match="is not an engine file: it has 0 bytes"):
        read_engine_file(tmp_path / "empty.engine")


def test_a_later_layout_asks_for_an_update():
    later = SEALED[:16] + (2).to_bytes(4, "little") + SEALED[20:]
    with pytest.raises(UserError, match="has layout 2, not 1: update brushlet"):
        unseal(later, "x.engine")


def with_facts(**changes: object) -> bytes:
    """A file that is whole, with other facts in it."""

    class Other(EngineFacts):
        def to_json(self) -> dict:
            return {**json.loads(json.dumps(FACTS.to_json())), **changes}

    return seal(Other(**vars(FACTS)), PLAN)


BAD_FACTS = [
    {"flavour": "onnxruntime"},
    {"version": 3},
    {"compute_capabilities": []},
    {"compute_capabilities": [8.9]},
    {"compute_capabilities": ["sm89"]},
    {"newer_gpus": "yes"},
    {"profiles": {}},
    {"profiles": [{}]},
    {"profiles": [{"content": [1, 2, 3]}]},
    {"profiles": [{"content": {"least": [1], "usual": [1, 2], "most": [1]}}]},
    {"profiles": [{"content": {"least": [3], "usual": [2], "most": [1]}}]},
    {"profiles": [{"content": {"least": [1], "usual": [2], "most": [True]}}]},
    {"profiles": [{"content": {"least": [-1], "usual": [2], "most": [3]}}]},
]


@pytest.mark.parametrize("changes", BAD_FACTS, ids=str)
def test_facts_that_make_no_sense(changes: dict[str, object]):
    with pytest.raises(UserError, match=r"^x\.engine: '"):
        unseal(with_facts(**changes), "x.engine")


def test_a_range_of_shapes():
    shapes = FACTS.profiles[0]["content"]
    assert str(shapes) == "(1, 3, 256..1112, 256..1112)"
    assert shapes.holds((1, 3, 256, 1112))
    assert not shapes.holds((1, 3, 255, 1112))
    assert not shapes.holds((1, 3, 256))


def test_which_gpus_run_it():
    assert FACTS.runs_on("8.7") and not FACTS.runs_on("8.9") and not FACTS.runs_on("8.6")
    newer = replace(FACTS, compute_capabilities=("8.0",), newer_gpus=True)
    assert newer.runs_on("8.0") and newer.runs_on("12.0") and not newer.runs_on("7.5")


def test_facts_are_equal_only_if_all_of_them_are():
    other = unseal(seal(replace(FACTS, version="10.3.1"), PLAN), "x").facts
    assert other.to_json() != FACTS.to_json()

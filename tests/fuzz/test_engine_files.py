"""Engine files whose seal is whole and whose facts are not: who seals a file can write anything into it."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.engines import open_engine
from runtime.engines.engine_file import EngineFacts, ShapeRange, seal, unseal
from runtime.errors import UserError
from tests.fuzz.test_manifests import BYTES, CHANGES, FUZZ, changed, spliced

PROFILE = {"content": ShapeRange((1, 3, 64, 64), (1, 3, 512, 512), (1, 3, 1024, 1024))}
FACTS = EngineFacts("tensorrt_rtx", "1.7.1", "int8", ("8.9",), False, False, (PROFILE,), "0" * 64)
HEADER = struct.Struct("<16sIIQ32s")


def sealed(facts: bytes, plan: bytes) -> bytes:
    """A file that keeps its own rules, whatever it says of the engine."""
    digest = hashlib.sha256(facts + plan).digest()
    return HEADER.pack(b"brushlet engine\n", 1, len(facts), len(plan), digest) + facts + plan


def require_facts_or_error(data: bytes) -> None:
    try:
        found = unseal(data, "x.engine")
    except UserError as error:
        assert str(error).isprintable() and len(str(error)) < 1000
        return
    assert EngineFacts.from_json(found.facts.to_json(), "again") == found.facts


def test_the_layout_here_is_the_runtimes():
    encoded = json.dumps(FACTS.to_json(), separators=(",", ":")).encode()
    assert unseal(sealed(encoded, b"plan"), "x").facts == unseal(seal(FACTS, b"plan"), "x").facts == FACTS


@settings(max_examples=500, **FUZZ)
@given(changes=CHANGES)
def test_changed_facts(changes: list[Any]):
    text = json.dumps(changed(FACTS.to_json(), changes))
    require_facts_or_error(sealed(text.encode("utf-8", "surrogatepass"), b"plan"))


@settings(max_examples=400, **FUZZ)
@given(edits=BYTES)
def test_changed_bytes(edits: list[Any]):
    require_facts_or_error(sealed(spliced(json.dumps(FACTS.to_json()).encode(), edits), b"plan"))
    require_facts_or_error(spliced(seal(FACTS, b"plan"), edits))


@settings(max_examples=50, **FUZZ)
@given(sizes=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)))
def test_lengths_that_lie_cost_no_memory(sizes: tuple[int, int]):
    facts = json.dumps(FACTS.to_json()).encode()
    digest = hashlib.sha256(facts).digest()
    require_facts_or_error(HEADER.pack(b"brushlet engine\n", 1, *sizes, digest) + facts)


@pytest.mark.parametrize("plan", [b"", b"plan", b"ptrt" + b"\xff" * 100])
def test_a_whole_file_with_a_strange_plan_never_gets_past_the_engines_checks(tmp_path: Path, plan: bytes):
    """Without the GPU that it names nothing of TensorRT's sees the plan; with it, TensorRT has to be trusted."""
    from runtime.engines import ENGINES

    if "tensorrt-rtx" not in ENGINES:
        pytest.skip("the engine is not registered")
    facts = EngineFacts("tensorrt_rtx", "0.0.1", "int8", ("1.0",), False, False, (PROFILE,), "0" * 64)
    (tmp_path / "x.engine").write_bytes(sealed(json.dumps(facts.to_json()).encode(), plan))
    with pytest.raises(UserError):
        open_engine("tensorrt-rtx", tmp_path / "x.engine")

"""ONNX graphs from a stranger who made the manifest too, so that every hash fits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, helper, numpy_helper

from tests.fuzz.conv_painter import make_bundle
from tests.fuzz.onnx_edits import EDITED, edited
from tests.fuzz.watched import Watched
from tests.tiny_bundle import refresh_manifest

ROLES = ("paint", "paint", "style", "measure")
#: Without shrinking: the edits say all, and a crash costs a new process.
FUZZ = {
    "derandomize": True,
    "deadline": None,
    "phases": (Phase.explicit, Phase.generate),
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("fuzzed") / "bundle")


@pytest.fixture(scope="module")
def originals(bundle: Path) -> dict[str, bytes]:
    return {role: (bundle / f"{role}.onnx").read_bytes() for role in set(ROLES)}


def outcome_with(worker: Watched, job: str, bundle: Path, originals: dict[str, bytes], role: str, data: bytes) -> Any:
    """What the worker says to the bundle with that graph and hashes that fit."""
    path = bundle / f"{role}.onnx"
    try:
        path.write_bytes(data or b"\n")
        refresh_manifest(bundle)
        return worker.do(job, bundle)
    finally:
        path.write_bytes(originals[role])


def require_answer(answer: dict[str, Any]) -> None:
    """Painted, or refused with the one error for users, in one line; nothing outside was opened."""
    assert answer["outcome"] in ("ran", "refused"), answer
    assert "\n" not in answer["text"] and len(answer["text"]) < 1000, answer
    assert answer["outside"] == []


def test_a_graph_that_asks_for_more_memory_than_there_is(worker: Watched, bundle: Path, originals: dict[str, bytes]):
    """Allowed operations can ask for any amount: that it is not to be had is an error like others."""
    model = ModelProto.FromString(originals["paint"])
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 2**20, 2**20] * 2, np.int64), "around"))
    model.graph.node.insert(0, helper.make_node("Pad", ["content", "around"], ["vast"]))
    model.graph.node[2].input[0] = "vast"
    answer = outcome_with(worker, "onnxruntime", bundle, originals, "paint", model.SerializeToString())
    require_answer(answer)
    assert answer["outcome"] == "refused" and "allocate" in answer["text"]


def test_the_worker_notices_what_these_tests_look_for(worker: Watched, bundle: Path, originals: dict[str, bytes]):
    refresh_manifest(bundle)
    assert worker.do("onnxruntime", bundle) == {"outcome": "ran", "text": "", "outside": []}
    (bundle / "paint.onnx").write_bytes(b"cut")
    assert worker.do("onnxruntime", bundle)["outcome"] == "refused"
    (bundle / "paint.onnx").write_bytes(originals["paint"])
    assert worker.do("no such job", bundle)["outcome"] == "raised"


@settings(max_examples=400, **FUZZ)
@given(role=st.sampled_from(ROLES), edits=EDITED)
def test_edited_graphs(worker: Watched, bundle: Path, originals: dict[str, bytes], role: str, edits: list[Any]):
    data = edited(originals[role], edits)
    require_answer(outcome_with(worker, "onnxruntime", bundle, originals, role, data))


@settings(max_examples=400, **FUZZ)
@given(
    role=st.sampled_from(ROLES),
    cuts=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4),
)
def test_damaged_bytes(worker: Watched, bundle: Path, originals: dict[str, bytes], role: str, cuts: list[Any]):
    data = bytearray(originals[role])
    for place, length, put in cuts:
        start = place % (len(data) + 1)
        data[start : start + length] = put
    require_answer(outcome_with(worker, "onnxruntime", bundle, originals, role, bytes(data)))


@settings(max_examples=25, **FUZZ)
@given(role=st.sampled_from(ROLES), edits=EDITED)
def test_edited_graphs_in_openvino(
    worker: Watched, bundle: Path, originals: dict[str, bytes], role: str, edits: list[Any]
):
    """Few, because OpenVINO compiles every one of them."""
    if find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    data = edited(originals[role], edits)
    require_answer(outcome_with(worker, "openvino", bundle, originals, role, data))

"""`export.report.recorded` and what reads through it: a stranger's JSON never raises, gates are read as written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.fidelity import Gate
from export.report.comparison import NOT_RUN, RAN, Painted, Shot, picture_psnr
from export.report.evidence import evidence_parts
from export.report.plots import MARKED
from export.report.recorded import judged, judgement_of, targets
from export.report.tables import parity_rows, version_rows
from export.report.verdict import verdict_on
from runtime.bundle import Manifest, open_bundle
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return open_bundle(make_tiny_bundle(tmp_path_factory.mktemp("recorded") / "tiny")).manifest


def record(**values: Any) -> dict[str, Any]:
    return {"role": "paint", "format": "onnx", "precision": "int8", **values}


def passed(manifest: Manifest, **values: Any) -> bool | None:
    return judged(replace(manifest, parity=(record(**values),)))[0].passed


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"gate": "psnr >= 35", "psnr": 35.0}, True),
        ({"gate": "psnr >= 35", "psnr": 34.9}, False),
        ({"gate": str(Gate(35, 1 / 255)), "psnr": 36, "mean_shift": [0.001, -0.0039, 0]}, True),
        ({"gate": str(Gate(35, 1 / 255)), "psnr": 36, "mean_shift": [0.001, -0.005, 0]}, False),
        ({"gate": "max_abs_error <= 0.0001", "max_abs_error": 3.8e-06}, True),
        ({"gate": "max_abs_error <= 1e-04", "max_abs_error": 2e-4}, False),
        ({"gate": "psnr >= 40, shift <= 0.0039", "psnr": 41, "shift": 0.002}, True),
        ({"gate": "psnr >= 40, shift <= 0.0039", "psnr": 41}, None),
        ({"gate": str(Gate(40, 1 / 255)), "psnr": 41, "shift": 0.002}, True),
        ({"gate": "looks fine", "psnr": 41}, None),
        ({"gate": "psnr >= 1/0", "psnr": 41}, None),
        ({"psnr": 41}, None),
    ],
)
def test_gates_are_read_as_they_are_written(manifest: Manifest, values: dict[str, Any], expected: bool | None):
    assert passed(manifest, **values) is expected


def test_an_engine_is_judged_by_the_graph_it_was_built_from(manifest: Manifest):
    source = record(format="tensorrt-onnx", target="tensorrt-rtx int8 sm89", psnr=38.0, gate="psnr >= 35")
    own = record(format="tensorrt-rtx", target="tensorrt-rtx int8 sm89", psnr=37.0, gate="psnr >= 35")
    paint = next(graph for graph in manifest.graphs if graph.role == "paint")
    engine = replace(paint, format="tensorrt-rtx", precision="int8", target="sm89")
    other = replace(engine, target="sm75")
    unjudged = judged(replace(manifest, parity=(record(), source)))
    assert judgement_of(engine, unjudged).psnr == 38
    verdict = verdict_on(Painted(engine, NOT_RUN, "no GPU"), judgement_of(engine, unjudged))
    assert verdict.word == "not judged" and "38.0 dB" in verdict.reason
    assert judgement_of(engine, judged(replace(manifest, parity=(source, own)))).psnr == 37
    assert judgement_of(other, judged(replace(manifest, parity=(own,)))) is None


def test_of_several_records_the_worst_counts(manifest: Manifest):
    records = judged(replace(manifest, parity=tuple(record(psnr=psnr) for psnr in (41.0, 36.5, 50.0))))
    paint = next(graph for graph in manifest.graphs if graph.role == "paint")
    assert judgement_of(replace(paint, precision="int8"), records).psnr == 36.5


@pytest.mark.parametrize(
    ("recorded", "here", "word"),
    [
        (77.0, 60.0, "same picture"),
        (77.0, 44.0, "safe"),
        (36.0, 50.0, "safe"),
        (36.0, 34.0, "look first"),
        (34.0, 50.0, "missed its gate"),
        (None, 34.0, "look first"),
        (None, None, "not judged"),
        (36.0, None, "safe"),
    ],
)
def test_the_worse_of_both_measurements_counts(
    manifest: Manifest, recorded: float | None, here: float | None, word: str
):
    paint = next(graph for graph in manifest.graphs if graph.role == "paint")
    shots = (Shot(None, here), Shot(None, here)) if here is not None else ()
    painted = Painted(replace(paint, precision="int8"), RAN if shots else NOT_RUN, "", shots)
    records = judged(replace(manifest, parity=(record(psnr=recorded, gate="psnr >= 35"),) if recorded else ()))
    assert verdict_on(painted, judgement_of(painted.graph, records)).word == word


def test_psnr_of_all_samples_is_of_their_mean_error(manifest: Manifest):
    painted = Painted(manifest.graphs[0], RAN, "", (Shot(None, 30.0), Shot(None, 40.0), Shot(None)))
    assert painted.worst_psnr == 30
    assert painted.psnr == pytest.approx(32.6, abs=0.01)  # -10 log10((1e-3 + 1e-4) / 2)


def test_psnr_of_pictures():
    import numpy as np

    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert picture_psnr(black, black) == 99
    assert picture_psnr(grey, black) == pytest.approx(20 * np.log10(5))


KEYS = st.sampled_from(
    [
        *("psnr", "gate", "role", "format", "precision", "judge", "mean_shift", "sizes", "pairs", "target", "targets"),
        *("versions", "evidence", "files", "method", "layers", "tried", "fallbacks", "before", "fidelity", "export"),
        *("calibration", "qat", "quantization", "sensitivity", "restored", "int8_inputs", "paint", "bits"),
        *("layers_from", "precisions", "warnings", "name", "layer", "returned", "bytes", "macs_share", "steps"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=100, derandomize=True)
@given(parity=st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=3), evidence=st.dictionaries(KEYS, JSON))
def test_any_json_is_shown_or_left_out(manifest: Manifest, parity: list[Any], evidence: dict[str, Any]):
    exported = {"export": {"targets": {"onnx int8": {"evidence": {**evidence, "method": "mse"}}, "other": evidence}}}
    strange = replace(manifest, parity=tuple(parity), provenance=exported)
    parity_rows(judged(strange))
    for graph in strange.graphs:
        judgement_of(graph, judged(strange))
    version_rows(targets(strange))
    for part in evidence_parts(targets(strange)):
        assert all(isinstance(line, str) for line in part["lines"])
        assert all(isinstance(cell, str) for table in part["tables"] for row in table["rows"] for cell in row)


def test_what_int8_left_is_put_into_words(manifest: Manifest):
    evidence = {
        "method": "percentile-99.99",
        "gate": "psnr >= 35, mean shift <= 1/255",
        "calibration": {"crops": 256, "pictures": "samples"},
        "before": {"psnr": 33.1},
        "fidelity": {"psnr": 36.2},
        "float_macs_share": 0.12,
        "layers": [{"name": "quiet", "psnr": 60.0}, {"name": "loud", "psnr": 40.0}],
        "fallbacks": [{"returned": "loud", "psnr": 36.2, "bytes": 1234, "macs_share": 0.1}],
        "tried": {"mse": 33.0, "percentile-99.99": 33.5},
        "qat": {"steps": 200, "before": {"psnr": 30.0}},
    }
    exported = {"export": {"targets": {"onnx int8": {"evidence": evidence}}}}
    (part,) = evidence_parts(targets(replace(manifest, provenance=exported)))
    text = " ".join(part["lines"])
    for said in (
        "256 crops of samples",
        "33.1 dB, and 36.2 dB after one step back",
        "12 %",
        "200 steps; without: 30.0 dB",
    ):
        assert said in text
    assert part["plot"].index("loud") < part["plot"].index("quiet")
    assert ("loud", "36.2", "+1,234", "10.0 %") in part["tables"][0]["rows"]
    assert json.loads(part["rest"]) == evidence


def test_palettes_are_counted_by_graph_and_bits(manifest: Manifest):
    evidence = {
        "bits": {"style": {"a": 8, "b": 6}, "paint": {"loud": 8, "quiet": 4, "still": 4}},
        "sensitivity": {"paint": [{"layer": "loud", "psnr": 20.0}, {"layer": "quiet", "psnr": 50.0}]},
    }
    exported = {"export": {"targets": {"coreml palettized": {"evidence": evidence}}}}
    (part,) = evidence_parts(targets(replace(manifest, provenance=exported)))
    assert part["tables"][0]["rows"] == [
        ("style", "6", "1"),
        ("style", "8", "1"),
        ("paint", "4", "2"),
        ("paint", "8", "1"),
    ]
    assert part["plot"].count(MARKED) == 1 and part["colours"] == ("with palettes of 4 bits", "with more")


def test_inputs_of_a_package_that_went_back_are_named(manifest: Manifest):
    evidence = {
        "sensitivity": [{"layer": "loud", "psnr": 20.0}, {"layer": "quiet", "psnr": 50.0}],
        "int8_inputs": {"quiet": 0.1},
        "restored": ["loud"],
    }
    exported = {"export": {"targets": {"coreml int8": {"evidence": evidence}}}}
    (part,) = evidence_parts(targets(replace(manifest, provenance=exported)))
    assert "1 layers take 8-bit inputs as well, and loud went back to fp16 inputs" in part["lines"][0]
    assert part["plot"].count(MARKED) == 1


def test_the_whole_record_is_cut_where_it_is_endless(manifest: Manifest, tmp_path: Path):
    exported = {"export": {"targets": {"x": {"evidence": {"layers": ["y" * 1000] * 1000}}}}}
    (part,) = evidence_parts(targets(replace(manifest, provenance=exported)))
    assert len(part["rest"]) <= 20_000

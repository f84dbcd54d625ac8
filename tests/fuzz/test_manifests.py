"""Manifests and style codes from strangers: any change of value or byte is taken whole or refused in one line."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from runtime.bundle import BundleError, open_bundle
from runtime.errors import UserError
from runtime.style_code import StyleCode
from tests.fuzz.watched import Watched
from tests.tiny_bundle import make_tiny_bundle

FUZZ = {
    "derandomize": True,
    "deadline": None,
    "phases": (Phase.explicit, Phase.generate),
    "suppress_health_check": list(HealthCheck),
}
#: Values that are wrong nearly everywhere, and names that lead elsewhere.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, "", " ", "x" * 5000, "\x00", "a\nb"),
    *("\ud800", "../manifest.json", "/etc/passwd", "C:\\x", "\\\\host\\share", "file:///etc/passwd", "paint.onnx"),
    *("style.onnx", "styles/warm.json", "manifest.json", ".", "..", "styles", "con", "<script>", "$(id)", "%s%n"),
    *([], {}, [[]], [None], {"": 0}, [0] * 300, {"a": {"b": {"c": []}}}, "fp32", "onnx", "H"),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("fuzzed") / "bundle")


@pytest.fixture(scope="module")
def manifest(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "manifest.json").read_text())


@pytest.fixture(scope="module")
def code(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "styles" / "warm.json").read_text())


def places_in(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a JSON value can be changed: the way to every value inside it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in ((*path, key), *places_in(inner, (*path, key)))]


def changed(value: Any, changes: list[tuple[int, str, Any]]) -> Any:
    """A copy with values replaced, removed, doubled, or moved to another place."""
    value = copy.deepcopy(value)
    for number, kind, put in changes:
        places = places_in(value)
        *way, last = places[number % len(places)]
        holder = value
        for key in way:
            holder = holder[key]
        if kind == "remove":
            del holder[last]
        elif kind == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        elif kind == "move":
            holder[last] = copy.deepcopy(_at(value, places[len(repr(put)) * 31 % len(places)]))
        else:
            holder[last] = copy.deepcopy(put)
    return value


def _at(value: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        value = value[key]
    return value


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 10**4),
        st.sampled_from(("replace", "replace", "replace", "remove", "double", "move")),
        st.sampled_from(HOSTILE) | st.integers() | st.floats() | st.text(max_size=20),
    ),
    min_size=1,
    max_size=3,
)
BYTES = st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 30), st.binary(max_size=8)), min_size=1, max_size=3)


def spliced(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Pieces of the bytes cut out and others put in."""
    found = bytearray(data)
    for place, length, put in edits:
        start = place % (len(found) + 1)
        found[start : start + length] = put
    return bytes(found)


def require_bundle_or_error(bundle: Path) -> None:
    """It opens, with every file inside, or there is a BundleError of one line that names the bundle."""
    try:
        opened = open_bundle(bundle)
    except BundleError as error:
        assert str(error).isprintable() and len(str(error)) < 1000
        return
    for file in (*opened.manifest.graphs, *opened.manifest.styles):
        assert opened.path(file).resolve().is_relative_to(bundle.resolve())


@settings(max_examples=600, **FUZZ)
@given(changes=CHANGES)
def test_changed_values_in_a_manifest(bundle: Path, manifest: dict[str, Any], changes: list[Any]):
    text = json.dumps(changed(manifest, changes))
    (bundle / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    require_bundle_or_error(bundle)


@settings(max_examples=500, **FUZZ)
@given(edits=BYTES)
def test_changed_bytes_in_a_manifest(bundle: Path, manifest: dict[str, Any], edits: list[Any]):
    (bundle / "manifest.json").write_bytes(spliced(json.dumps(manifest).encode(), edits))
    require_bundle_or_error(bundle)


@settings(max_examples=100, **FUZZ)
@given(number=st.integers(0, 10**4), kind=st.sampled_from(("replace", "move", "double")), put=st.sampled_from(HOSTILE))
def test_a_manifest_that_lies_about_its_graphs(
    worker: Watched, bundle: Path, manifest: dict[str, Any], number: int, kind: str, put: Any
):
    """What it says of students, inputs and outputs is believed until a graph does otherwise: that must be an error."""
    lying = {**manifest, "student": changed(manifest["student"], [(number, kind, put)])}
    (bundle / "manifest.json").write_bytes(json.dumps(lying).encode("utf-8", "surrogatepass"))
    answer = worker.do("onnxruntime", bundle)
    assert answer["outcome"] in ("ran", "refused"), answer
    assert answer["text"].isprintable() and answer["outside"] == []


@settings(max_examples=500, **FUZZ)
@given(changes=CHANGES)
def test_changed_values_in_a_style_code(tmp_path_factory: pytest.TempPathFactory, code: dict[str, Any], changes: list):
    path = tmp_path_factory.getbasetemp() / "style.json"
    path.write_bytes(json.dumps(changed(code, changes)).encode("utf-8", "surrogatepass"))
    require_code_or_error(path)


@settings(max_examples=500, **FUZZ)
@given(edits=BYTES)
def test_changed_bytes_in_a_style_code(tmp_path_factory: pytest.TempPathFactory, code: dict[str, Any], edits: list):
    path = tmp_path_factory.getbasetemp() / "style.json"
    path.write_bytes(spliced(json.dumps(code).encode(), edits))
    require_code_or_error(path)


def require_code_or_error(path: Path) -> None:
    """It is a code of finite numbers, or there is an error of one line."""
    try:
        found = StyleCode.load(path)
    except UserError as error:
        assert str(error).isprintable() and len(str(error)) < 1000
        return
    assert found.values.shape[0] == 2 and abs(found.values).max() <= 1e6

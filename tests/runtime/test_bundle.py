"""`runtime.bundle`: what is written is read back, and nothing in a bundle is trusted."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, load_model

from runtime.bundle import BundleError, Manifest, digest_of, open_bundle, sha256_of
from runtime.errors import UserError
from tests.tiny_bundle import make_tiny_bundle, refresh_manifest


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "tiny")


@pytest.fixture(scope="module")
def tiny_json(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return manifest_of(make_tiny_bundle(tmp_path_factory.mktemp("bundle")))


def manifest_of(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "manifest.json").read_text())


def change(bundle: Path, *keys: str | int, to: object) -> None:
    """Set one value of the bundle's manifest."""
    data = manifest_of(bundle)
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    (bundle / "manifest.json").write_text(json.dumps(data))


def test_a_bundle_opens_with_all_that_was_written(tiny: Path):
    bundle = open_bundle(tiny)
    assert bundle.directory == tiny.resolve()
    assert bundle.manifest.name == "tiny"
    assert [(site.name, site.channels, site.stride, site.measured) for site in bundle.manifest.student.sites] == [
        ("half", 3, 2, True),
        ("quarter", 1, 4, False),
    ]
    assert bundle.manifest.student.channels == 4
    assert bundle.path(bundle.graph("paint")) == tiny.resolve() / "paint.onnx"
    assert bundle.graph("style").inputs[0].shape == (1, 3, "H", "W")


def test_a_manifest_survives_json(tiny: Path):
    manifest = open_bundle(tiny).manifest
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert manifest.to_json() == manifest_of(tiny)


def test_free_form_records_survive(tmp_path: Path, tiny: Path):
    record = {"steps": 3, "loss": [0.5, None, {"deep": True}], "name": "Größe"}
    manifest = replace(open_bundle(tiny).manifest, provenance=record, parity=(record,), quality=record)
    path = manifest.write(tmp_path)
    assert Manifest.from_json(json.loads(path.read_text(encoding="utf-8"))) == manifest
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["manifest.json"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object(), "\ud800"])
def test_a_manifest_that_json_cannot_hold_is_not_written(tmp_path: Path, tiny: Path, bad: object):
    with pytest.raises(BundleError, match="JSON"):
        replace(open_bundle(tiny).manifest, quality={"psnr": bad}).write(tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_a_manifest_that_would_be_refused_is_not_written(tmp_path: Path, tiny: Path):
    manifest = open_bundle(tiny).manifest
    with pytest.raises(BundleError, match="inside the bundle"):
        replace(manifest, graphs=(replace(manifest.graphs[0], file="../x.onnx"),)).write(tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_sha256_of_a_file_larger_than_a_piece(tmp_path: Path):
    data = os.urandom(2**20 + 17)
    (tmp_path / "data").write_bytes(data)
    assert sha256_of(tmp_path / "data") == hashlib.sha256(data).hexdigest()


def test_a_graph_that_the_bundle_does_not_hold_is_named_with_what_it_holds(tiny: Path):
    with pytest.raises(BundleError, match="holds no paint graph as int8 onnx .*paint fp32 onnx"):
        open_bundle(tiny).graph("paint", "int8")


def test_no_such_directory(tmp_path: Path):
    with pytest.raises(BundleError, match="there is no bundle at"):
        open_bundle(tmp_path / "missing")


def test_a_file_is_not_a_bundle(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match="a bundle is a directory"):
        open_bundle(tmp_path / "file")


def test_a_directory_without_a_manifest_is_not_a_bundle(tmp_path: Path):
    with pytest.raises(BundleError, match="no manifest.json"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", ["nul\0", "x" * 5000])
def test_impossible_paths(name: str):
    with pytest.raises(BundleError):
        open_bundle(name)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"x"', b"[" * 100_000, b'{"schema": NaN}', b"9" * 9999],
    ids=["empty", "cut", "not-utf8", "null", "list", "text", "deep", "nan", "huge-number"],
)
def test_a_manifest_that_is_not_a_json_object(tiny: Path, text: bytes):
    (tiny / "manifest.json").write_bytes(text)
    with pytest.raises(BundleError, match="JSON") as raised:
        open_bundle(tiny)
    assert "\n" not in str(raised.value)


def test_a_manifest_that_is_too_large_is_not_parsed(tiny: Path):
    with open(tiny / "manifest.json", "wb") as stream:
        stream.truncate(2**40)  # sparse: reading it whole would not fit into memory
    with pytest.raises(BundleError, match="larger than"):
        open_bundle(tiny)


@pytest.mark.parametrize(
    "file", ["../x.onnx", "a/../../x", "/etc/passwd", "C:\\x", "c:/x", "./x", "a//b", "a/", "..", "."]
)
def test_file_names_that_leave_the_bundle_or_are_not_plain(tiny: Path, file: str):
    change(tiny, "graphs", 0, "file", to=file)
    with pytest.raises(BundleError, match=r"graphs\[0\]: 'file' must be a path inside"):
        open_bundle(tiny)


@pytest.mark.parametrize("file", ["", "a\nb", "nul\0", "x" * 401, 3, None, ["paint.onnx"]])
def test_file_names_that_are_no_names(tiny: Path, file: object):
    change(tiny, "styles", 0, "file", to=file)
    with pytest.raises(BundleError, match=r"styles\[0\]: 'file'"):
        open_bundle(tiny)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("schema",), "1"),
        (("schema",), True),
        (("name",), "../up"),
        (("name",), ""),
        (("student", "size_multiple"), 0),
        (("student", "size_multiple"), 4.0),
        (("student", "thumbnail"), 10**9),
        (("student", "halo"), -1),
        (("student", "width"), 0),
        (("student", "width"), "wide"),
        (("student", "parameters"), []),
        (("student", "parameters", "paint"), -1),
        (("student", "sites", 0), None),
        (("student", "sites", 0, "channels"), 10**9),
        (("student", "sites", 0, "measured"), 1),
        (("graphs",), {}),
        (("graphs", 0, "role"), "draw"),
        (("graphs", 0, "sha256"), "0" * 63),
        (("graphs", 0, "sha256"), "G" * 64),
        (("graphs", 0, "bytes"), 2**40),
        (("graphs", 0, "bytes"), 0),
        (("graphs", 0, "inputs", 0, "shape"), [1, 3, 0, "W"]),
        (("graphs", 0, "inputs", 0, "shape"), [True, 3, "H", "W"]),
        (("graphs", 0, "inputs", 0, "dtype"), "float64"),
        (("styles", 0, "name"), "bell\a"),
        (("styles",), [{}] * 20_000),
        (("provenance",), []),
        (("parity",), [1]),
        (("quality",), None),
    ],
    ids=str,
)
def test_a_field_of_the_wrong_kind_is_named(tiny: Path, keys: tuple[str | int, ...], value: object):
    change(tiny, *keys, to=value)
    with pytest.raises(BundleError, match=str([key for key in keys if isinstance(key, str)][-1])) as raised:
        open_bundle(tiny)
    assert "\n" not in str(raised.value)


def test_another_schema_says_what_to_do(tiny: Path):
    change(tiny, "schema", to=2)
    with pytest.raises(BundleError, match="schema 2, not 1: update brushlet"):
        open_bundle(tiny)


@pytest.mark.parametrize("key", ["schema", "name", "student", "graphs"])
def test_a_field_that_is_missing_is_named(tiny: Path, key: str):
    data = manifest_of(tiny)
    del data[key]
    (tiny / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match=f"'{key}' is missing"):
        open_bundle(tiny)


def test_fields_of_later_versions_are_ignored(tiny: Path):
    change(tiny, "colour", to="red")
    assert open_bundle(tiny).manifest.name == "tiny"


def test_the_same_file_or_style_twice(tiny: Path):
    data = manifest_of(tiny)
    for key in ("graphs", "styles"):
        doubled = {**data, key: data[key] + data[key][:1]}
        with pytest.raises(BundleError, match="twice"):
            Manifest.from_json(doubled)


def test_a_truncated_graph(tiny: Path):
    data = (tiny / "paint.onnx").read_bytes()
    (tiny / "paint.onnx").write_bytes(data[:-1])
    with pytest.raises(BundleError, match=f"paint.onnx has {len(data) - 1} bytes instead of {len(data)}"):
        open_bundle(tiny)


def test_a_graph_with_one_bit_changed(tiny: Path):
    data = bytearray((tiny / "style.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (tiny / "style.onnx").write_bytes(data)
    with pytest.raises(BundleError, match=r"style.onnx is not the file that was exported \(its SHA-256 differs\)"):
        open_bundle(tiny)


def test_a_style_with_the_wrong_hash(tiny: Path):
    path = tiny / "styles" / "warm.json"
    path.write_text(path.read_text().replace("0.7", "0.8"))
    with pytest.raises(BundleError, match="warm.json is not the file"):
        open_bundle(tiny)


def test_a_graph_that_is_missing(tiny: Path):
    (tiny / "measure.onnx").unlink()
    with pytest.raises(BundleError, match="measure.onnx is missing"):
        open_bundle(tiny)


def test_a_graph_that_is_a_directory(tiny: Path):
    (tiny / "measure.onnx").unlink()
    (tiny / "measure.onnx").mkdir()
    with pytest.raises(BundleError, match="not a plain file"):
        open_bundle(tiny)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["measure.onnx", "manifest.json"])
def test_a_pipe_does_not_hang(tiny: Path, name: str):
    (tiny / name).unlink()
    os.mkfifo(tiny / name)
    with pytest.raises(BundleError, match="not a plain file"):
        open_bundle(tiny)


@pytest.mark.parametrize("name", ["paint.onnx", "styles/warm.json", "manifest.json"])
def test_a_link_out_of_the_bundle(tiny: Path, tmp_path: Path, name: str):
    outside = tmp_path / "outside"
    (tiny / name).rename(outside)  # the same bytes, so the hash would fit
    (tiny / name).symlink_to(outside)
    with pytest.raises(BundleError, match="leads out of the bundle"):
        open_bundle(tiny)


def test_a_linked_directory_out_of_the_bundle(tiny: Path, tmp_path: Path):
    (tiny / "styles").rename(tmp_path / "styles")
    (tiny / "styles").symlink_to(tmp_path / "styles")
    with pytest.raises(BundleError, match="leads out of the bundle"):
        open_bundle(tiny)


def test_a_link_in_a_circle(tiny: Path):
    (tiny / "paint.onnx").unlink()
    (tiny / "paint.onnx").symlink_to("paint.onnx")
    with pytest.raises(BundleError, match="paint.onnx"):
        open_bundle(tiny)


def test_links_inside_and_to_the_bundle_are_fine(tiny: Path, tmp_path: Path):
    (tiny / "paint.onnx").rename(tiny / "real.onnx")
    (tiny / "paint.onnx").symlink_to("real.onnx")
    (tmp_path / "link").symlink_to(tiny)
    assert open_bundle(tmp_path / "link").manifest.name == "tiny"


def with_weights_at(location: str) -> bytes:
    """An ONNX graph that reads its weights from another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    output = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [4])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["picture"])], "g", [], [output], [tensor])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "weights.bin"])
def test_weights_in_another_file_are_refused(tiny: Path, location: str):
    canonical = with_weights_at(location)
    # Protobuf parsers also take a length of 8 that is written in two bytes.
    for data in (canonical, canonical.replace(b"\x08location", b"\x88\x00location")):
        (tiny / "paint.onnx").write_bytes(data)
        refresh_manifest(tiny)
        with pytest.raises(BundleError, match="paint.onnx keeps its weights in another file"):
            open_bundle(tiny)


def described(bundle: Path, text: str) -> int:
    """Describe the paint graph; its size in bytes afterwards."""
    model = load_model(bundle / "paint.onnx")
    model.doc_string = text
    return (bundle / "paint.onnx").write_bytes(model.SerializeToString())


def test_the_word_location_alone_is_fine(tiny: Path):
    described(tiny, "location")  # in the file it stands after its length of 8, as the key of external data does
    refresh_manifest(tiny)
    open_bundle(tiny)


def test_refreshed_hashes_open(tiny: Path):
    size = described(tiny, "something else")
    with pytest.raises(BundleError):
        open_bundle(tiny)
    refresh_manifest(tiny)
    assert open_bundle(tiny).graph("paint").bytes == size


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just("../x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, prefix: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path into nested JSON."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path for key in keys for path in ((*prefix, key), *places(value[key], (*prefix, key)))]


@given(st.data())
@settings(max_examples=200)
def test_any_value_anywhere_is_accepted_whole_or_refused_clearly(tiny_json: dict[str, Any], data: st.DataObject):
    mutated = copy.deepcopy(tiny_json)
    *outer, last = data.draw(st.sampled_from(places(mutated)))
    inner: Any = mutated
    for key in outer:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[last] = data.draw(junk)
    else:
        del inner[last]
    try:
        manifest = Manifest.from_json(mutated)
    except BundleError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert Manifest.from_json(manifest.to_json()) == manifest


@given(junk)
def test_any_json_is_accepted_or_refused_clearly(value: object):
    with pytest.raises(BundleError):
        Manifest.from_json(value)


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_of_any_byte_is_noticed(tiny: Path, data: st.DataObject):
    name = data.draw(st.sampled_from(["manifest.json", "paint.onnx", "styles/warm.json"]))
    path = tiny / name
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    path.write_bytes(original[:position] + data.draw(st.binary(max_size=3)) + original[position + 1 :])
    try:
        open_bundle(tiny)
        assert name == "manifest.json" or path.read_bytes() == original
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    finally:
        path.write_bytes(original)


def package_bundle(directory: Path) -> Path:
    """The tiny bundle with a package, a directory of two files, as one more graph."""
    make_tiny_bundle(directory)
    package = directory / "paint.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Manifest.json").write_text("{}")
    (package / "Data" / "weight.bin").write_bytes(b"\1\2\3")
    manifest = open_bundle(directory).manifest
    graph = replace(
        manifest.graphs[-1],
        format="coreml",
        precision="fp16",
        file=package.name,
        target="",
        details={"sizes": [[8, 8]]},
    )
    digest, size = digest_of(package)
    replace(manifest, graphs=(*manifest.graphs, replace(graph, sha256=digest, bytes=size))).write(directory)
    return directory


def test_a_graph_may_be_a_directory(tmp_path: Path):
    bundle = open_bundle(package_bundle(tmp_path / "tiny"))
    graph = bundle.graph("paint", "fp16", "coreml")
    assert graph.bytes == 5 and graph.details == {"sizes": [[8, 8]]}
    assert bundle.path(graph).is_dir()


@pytest.mark.parametrize(
    "damage",
    [
        lambda package: (package / "Data" / "weight.bin").write_bytes(b"\1\2\4"),
        lambda package: (package / "Data" / "weight.bin").write_bytes(b"\1\2"),
        lambda package: (package / "Manifest.json").rename(package / "Manifest2.json"),
        lambda package: (package / "more").write_bytes(b""),
        lambda package: (package / "Data" / "weight.bin").unlink(),
        lambda package: (package / "link").symlink_to("/etc/hostname"),
        lambda package: os.mkfifo(package / "pipe"),
    ],
)
def test_a_changed_directory_is_refused(tmp_path: Path, damage):
    directory = package_bundle(tmp_path / "tiny")
    damage(directory / "paint.mlpackage")
    with pytest.raises(BundleError, match=r"paint\.mlpackage"):
        open_bundle(directory)


def test_only_packages_may_be_directories(tmp_path: Path):
    directory = make_tiny_bundle(tmp_path / "tiny")
    (directory / "paint.onnx").unlink()
    (directory / "paint.onnx").mkdir()
    with pytest.raises(BundleError, match="paint.onnx is not a plain file"):
        open_bundle(directory)


def test_engines_for_several_targets(tmp_path: Path):
    directory = make_tiny_bundle(tmp_path / "tiny")
    manifest = open_bundle(directory).manifest
    graphs = list(manifest.graphs)
    for target in ("sm86", "sm89"):
        path = directory / f"{target}.engine"
        path.write_bytes(target.encode())
        digest, size = digest_of(path)
        graphs.append(replace(graphs[2], format="tensorrt", file=path.name, sha256=digest, bytes=size, target=target))
    replace(manifest, graphs=tuple(graphs)).write(directory)
    bundle = open_bundle(directory)
    assert bundle.graph("paint", format="tensorrt", target="sm89").file == "sm89.engine"
    with pytest.raises(BundleError, match="several targets: sm86, sm89"):
        bundle.graph("paint", format="tensorrt")
    with pytest.raises(BundleError, match="holds no paint graph as fp32 tensorrt"):
        bundle.graph("paint", format="tensorrt", target="sm120")


def test_without_sites_there_is_a_painter_only(tmp_path: Path):
    directory = make_tiny_bundle(tmp_path / "tiny")
    data = json.loads((directory / "manifest.json").read_text())
    data["student"]["sites"] = []
    with pytest.raises(BundleError, match="may only hold paint graphs"):
        Manifest.from_json(data)
    data["graphs"] = [graph for graph in data["graphs"] if graph["role"] == "paint"]
    assert Manifest.from_json(data).student.fixed_style

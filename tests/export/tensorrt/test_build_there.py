"""Engines from a device, through a real sshd: built once, and taken over only if they are what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.doctor.requirements import Requirement
from devices.errors import DeviceError
from devices.remote import connect
from export.tensorrt.build_engine import EngineOptions
from export.tensorrt.build_there import add_engines_there, tensorrt_requirements
from runtime.bundle import open_bundle
from runtime.errors import UserError
from tests.export.tensorrt.test_bundle_engines import add_recipe
from tests.tiny_bundle import make_tiny_bundle

ENGINE = "engines/sm87/paint.fp32.engine"
#: What a hostile device does in place of building: BUNDLE is the folder where the engine is expected.
INSTEAD = (
    "if 'export.tensorrt' in sys.orig_argv:\n"
    "    import json, os, hashlib; bundle = next(word for word in sys.orig_argv if word.endswith('/build'))\n"
    "    manifest = json.load(open(bundle + '/manifest.json')); graph = dict(manifest['graphs'][0])\n"
    "    data = b'brushlet engine\\n' + bytes(100)\n"
    "    graph.update(format='tensorrt', file={file!r}, target={target!r}, sha256=hashlib.sha256(data).hexdigest(),\n"
    "                 bytes={bytes}, details=dict())\n"
    "    manifest['graphs'].append(graph); path = os.path.join(bundle, graph['file'])\n"
    "    os.makedirs(os.path.dirname(path), exist_ok=True); open(path, 'wb').write(data)\n"
    "    json.dump(manifest, open(bundle + '/manifest.json', 'w')); os._exit(0)"
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A small bundle with a recipe, and another file that a device should leave alone."""
    directory = make_tiny_bundle(tmp_path / "tiny")
    add_recipe(directory, EngineOptions(sizes=("64",)))
    (directory / "paint.onnx.mine").write_text("precious")
    return directory


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_built_once(with_tensorrt, bundle):
    told: list[str] = []
    (graph,) = add_engines_there(bundle, "jetson", ["fp32"], tell=told.append)
    assert graph.file == ENGINE
    assert open_bundle(bundle).graph("paint", "fp32", "tensorrt", "sm87") == graph
    assert any(line.startswith("building") for line in told)
    told.clear()
    assert add_engines_there(bundle, "jetson", ["fp32"], tell=told.append) == [graph]
    assert told == []  # neither copied nor built again
    assert with_tensorrt.is_tidy()


def test_no_recipe_is_found_out_before(bundle, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", "false")
    with pytest.raises(UserError, match="no recipe for a int8 engine: brushlet export"):
        add_engines_there(bundle, "jetson", ["fp32", "int8"])


@pytest.mark.parametrize(
    ("release", "wanted"),
    [("L4T 36.4.7", ">=12.6,<13"), ("L4T 38.2.0", ">=13,<14"), ("L4T 39.2.0", ">=13,<14"), (None, ">=12.6,<13")],
)
def test_cudas_bindings_are_those_of_the_release(jetson, monkeypatch, release, wanted):
    with connect("jetson", exclusive=False) as connection:
        monkeypatch.setattr("export.tensorrt.build_there.versions", lambda *arguments: {})
        assert tensorrt_requirements(connection, release) == (Requirement("cuda-bindings", wanted),)
        monkeypatch.setattr("export.tensorrt.build_there.versions", lambda *arguments: {"cuda-bindings": "13.0.1"})
        assert tensorrt_requirements(connection, release)[0].fits("12.6")  # what is there will do


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"file": "paint.onnx", "target": "sm87"}, "names the file 'paint.onnx' for an engine"),
        ({"file": "engines/sm87/../../x.engine", "target": "sm87"}, "must be a path inside the bundle"),
        ({"file": "engines/../x/paint.fp32.engine", "target": "../x"}, "must be a path inside the bundle"),
        ({"file": "engines/x y/paint.fp32.engine", "target": "x y"}, "names the file"),
        ({"file": ENGINE, "target": "sm87", "bytes": 10}, "more than 10"),
        ({"file": ENGINE, "target": "sm87", "bytes": 10_000}, "is not what its manifest says"),
        ({"file": ENGINE, "target": "sm87"}, "the engine of jetson"),
    ],
)
def test_a_hostile_device(jetson, server, bundle, answer, line):
    """It may fill its own disk; nothing of it lands in the bundle here."""
    jetson.module("tensorrt", "__version__ = '10.3.0'")
    jetson.python_does(INSTEAD.format(**{"bytes": 116, **answer}))
    server.restart()
    before = contents(bundle)
    with pytest.raises((UserError, DeviceError), match=line) as caught:
        add_engines_there(bundle, "jetson", ["fp32"])
    assert len(str(caught.value).splitlines()) == 1
    assert contents(bundle) == before
    assert jetson.is_tidy()

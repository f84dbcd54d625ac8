"""File names and links that lead out of a bundle, in every place where a bundle names a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.bundle import BundleError, open_bundle
from runtime.digests import digest_of, sha256_of
from tests.fuzz.test_manifests import FUZZ
from tests.fuzz.watched import Watched
from tests.tiny_bundle import make_tiny_bundle

SECRET = b'{"schema": 1, "secret": true}'
PARTS = st.sampled_from(
    [
        *("..", ".", "", " ", "styles", "warm.json", "paint.onnx", "secret", "C:", "c:paint.onnx", "\\", "..\\secret"),
        *("a\\..\\..", "~", "%2e%2e", "\uff0e\uff0e", "\u2025", "\u2215", "NUL", "aux.onnx", "x" * 200, "é", "\u202e"),
    ]
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paths")
    (folder / "secret").write_bytes(SECRET)
    (folder / "secret.onnx").write_bytes(SECRET)
    return make_tiny_bundle(folder / "bundle")


def with_files(bundle: Path, graph: str | None = None, style: str | None = None) -> None:
    """Name other files in the manifest; hash and size are the other file's, where there is one."""
    path = bundle / "manifest.json"
    data = json.loads(path.read_text())
    for entry, file in ((data["graphs"][2], graph), (data["styles"][0], style)):
        if file is not None:
            entry["file"] = file
            with suppress(OSError):  # no file, or a name that is too long
                entry["sha256"], entry["bytes"] = sha256_of(bundle / file), (bundle / file).stat().st_size
    path.write_text(json.dumps(data))


@settings(max_examples=400, **FUZZ)
@given(
    parts=st.lists(PARTS, min_size=1, max_size=5),
    separator=st.sampled_from(["/", "/", "\\", "//", "/./"]),
    start=st.sampled_from(["", "", "/", "\\\\host\\", "file://", "\\\\?\\C:\\"]),
    style=st.booleans(),
)
def test_no_name_leads_out(bundle: Path, parts: list[str], separator: str, start: str, style: bool):
    name = start + separator.join(parts)
    with_files(bundle, **{"style" if style else "graph": name})
    try:
        opened = open_bundle(bundle)
    except BundleError as error:
        assert str(error).isprintable()
    else:
        place = opened.path(opened.manifest.styles[0] if style else opened.manifest.graphs[2])
        assert place.resolve().is_relative_to(bundle.resolve())
        assert not PureWindowsPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
    finally:
        with_files(bundle, "paint.onnx", "styles/warm.json")


def to_a_file(link: Path) -> None:
    link.symlink_to("/etc/passwd")


def to_a_secret_beside_the_bundle(link: Path) -> None:
    bundle = next(parent for parent in link.parents if parent.name == "tiny")
    link.symlink_to(os.path.relpath(bundle.parent / "secret", link.parent))


def to_endless_zeros(link: Path) -> None:
    link.symlink_to("/dev/zero")


def to_itself(link: Path) -> None:
    link.symlink_to(link.name)


def to_nothing(link: Path) -> None:
    link.symlink_to("nowhere")


def to_a_folder(link: Path) -> None:
    link.symlink_to(link.parent)


def a_folder(place: Path) -> None:
    place.mkdir()


def a_pipe(place: Path) -> None:
    os.mkfifo(place)


TRAPS = (
    *(to_a_file, to_a_secret_beside_the_bundle, to_endless_zeros, to_itself, to_nothing, to_a_folder, a_folder, a_pipe),
)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
@pytest.mark.parametrize("name", ["paint.onnx", "styles/warm.json", "manifest.json"])
def test_links_and_other_things_in_a_files_place(
    worker: Watched, tmp_path: Path, name: str, trap: Callable[[Path], None]
):
    (tmp_path / "secret").write_bytes(SECRET)
    bundle = make_tiny_bundle(tmp_path / "tiny")
    (bundle / name).unlink()
    trap(bundle / name)
    answer = worker.do("onnxruntime", bundle)
    assert answer["outcome"] == "refused" and answer["text"].isprintable(), answer
    assert answer["outside"] == []


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_links_and_other_things_inside_a_package(tmp_path: Path, trap: Callable[[Path], None]):
    """The package's own hash is made by whoever made the package, links and all: they are refused, not followed."""
    (tmp_path / "secret").write_bytes(SECRET)
    bundle = make_tiny_bundle(tmp_path / "tiny")
    package = bundle / "paint.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Manifest.json").write_text("{}")
    manifest = open_bundle(bundle).manifest
    digest, size = digest_of(package)
    entry = replace(manifest.graphs[2], format="coreml", file=package.name, sha256=digest, bytes=size)
    replace(manifest, graphs=(*manifest.graphs, entry)).write(bundle)
    assert open_bundle(bundle).holds("paint", "fp32", "coreml")
    trap(package / "Data" / "model")
    if trap is a_folder:
        open_bundle(bundle)  # an empty folder is nothing
    else:
        with pytest.raises(BundleError, match="link or no plain file"):
            open_bundle(bundle)


def test_a_package_of_very_many_folders_is_given_up(tmp_path: Path):
    bundle = make_tiny_bundle(tmp_path / "tiny")
    package = bundle / "paint.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_text("{}")
    manifest = open_bundle(bundle).manifest
    digest, size = digest_of(package)
    entry = replace(manifest.graphs[2], format="coreml", file=package.name, sha256=digest, bytes=size)
    replace(manifest, graphs=(*manifest.graphs, entry)).write(bundle)
    deep = package
    for _ in range(300):
        deep = deep / "d"
        deep.mkdir()
    with pytest.raises(BundleError, match="more than"):
        open_bundle(bundle)

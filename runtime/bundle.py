"""The bundle: a directory with a student's graphs, its named styles and a manifest that describes them.

This module owns the manifest's schema. `export` writes a bundle with the same classes that `open_bundle` reads with,
and everything that reads a bundle goes through `open_bundle`, which trusts nothing in it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json

SCHEMA = 1
MANIFEST_NAME = "manifest.json"
ROLES = ("style", "measure", "paint")

# Bounds far above any real student; they keep a hostile manifest from costing memory or time.
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_GRAPH_BYTES = 2**31
MAX_STYLE_BYTES = 4 * 2**20
MAX_GRAPHS = 256
MAX_STYLES = 10_000
MAX_SITES = 256
MAX_CHANNELS = 8192

_DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# The key of ONNX's external data as protobuf writes it: a length of 8 in any of its encodings, then the text.
_EXTERNAL_DATA = re.compile(rb"(?:\x08|\x88\x80*\x00)location")


class BundleError(UserError):
    """A bundle that is incomplete, damaged, of another schema, or that points outside itself."""


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a graph; a dimension is a number or the name of a dynamic one, such as ``"H"``."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"

    @classmethod
    def _read(cls, fields: Fields) -> TensorSpec:
        shape = fields.sequence("shape", 8)
        for size in shape:
            dynamic = isinstance(size, str) and 0 < len(size) <= 50
            if not dynamic and (isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 2**31):
                raise fields.fail("shape", "must hold whole numbers from 1 and names of dynamic dimensions")
        return cls(fields.text("name"), tuple(shape), fields.choice("dtype", _DTYPES))


@dataclass(frozen=True)
class Site:
    """A modulated layer of the painter.

    Attributes:
        channels: how many channels it scales and shifts.
        stride: 2 means half the picture's resolution.
        measured: whether the measure graph gives the content's statistics here.
    """

    name: str
    channels: int
    stride: int
    measured: bool

    @classmethod
    def _read(cls, fields: Fields) -> Site:
        return cls(
            fields.text("name"),
            fields.integer("channels", 1, MAX_CHANNELS),
            fields.integer("stride", 1, 64),
            fields.boolean("measured"),
        )


@dataclass(frozen=True)
class StudentInfo:
    """What the runtime must know about the student.

    Attributes:
        size_multiple: both sides of a content picture must be multiples of this, in pixels.
        halo: how far a pixel's result reaches, in pixels.
        thumbnail: longest side of the picture that the statistics come from, in pixels.
        parameters: number of weights by role.
        sites: modulated layers in the order of the paint graph's inputs.
    """

    architecture: str
    width: float
    size_multiple: int
    halo: int
    thumbnail: int
    parameters: dict[str, int]
    sites: tuple[Site, ...]

    @property
    def channels(self) -> int:
        """M: the number of modulated channels over all sites."""
        return sum(site.channels for site in self.sites)

    @classmethod
    def _read(cls, fields: Fields) -> StudentInfo:
        counts = fields.inner("parameters")
        roles = [role for role in ROLES if role in fields.mapping("parameters")]
        sites = tuple(Site._read(item) for item in fields.each("sites", MAX_SITES))
        if not sites:
            raise fields.fail("sites", "must name at least one layer")
        return cls(
            architecture=fields.text("architecture"),
            width=fields.number("width", 0.001, 64),
            size_multiple=fields.integer("size_multiple", 1, 64),
            halo=fields.integer("halo", 0, 4096),
            thumbnail=fields.integer("thumbnail", 16, 4096),
            parameters={role: counts.integer(role, 0, 10**12) for role in roles},
            sites=sites,
        )


@dataclass(frozen=True)
class Graph:
    """One graph file of the bundle. `file` is relative to the bundle with forward slashes; `bytes` is its size."""

    role: str
    precision: str
    format: str
    file: str
    sha256: str
    bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def _read(cls, fields: Fields) -> Graph:
        return cls(
            role=fields.choice("role", ROLES),
            precision=fields.text("precision", 40),
            format=fields.text("format", 40),
            **_read_file(fields, MAX_GRAPH_BYTES),
            inputs=tuple(TensorSpec._read(item) for item in fields.each("inputs", 2 * MAX_SITES + 8)),
            outputs=tuple(TensorSpec._read(item) for item in fields.each("outputs", 64)),
        )


@dataclass(frozen=True)
class StyleFile:
    """A named style of the bundle: a style code file (see `runtime.style_code`)."""

    name: str
    file: str
    sha256: str
    bytes: int

    @classmethod
    def _read(cls, fields: Fields) -> StyleFile:
        return cls(name=fields.text("name", 100), **_read_file(fields, MAX_STYLE_BYTES))


@dataclass(frozen=True)
class Manifest:
    """The whole of manifest.json. `provenance`, `parity` and `quality` are records for people: JSON, uninterpreted."""

    name: str
    student: StudentInfo
    graphs: tuple[Graph, ...]
    styles: tuple[StyleFile, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    parity: tuple[dict[str, Any], ...] = ()
    quality: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: object, where: str = MANIFEST_NAME) -> Manifest:
        """Check `data`, a parsed manifest.json.

        Raises:
            BundleError: a field is missing, of the wrong type or out of range, or a file name leaves the bundle.
        """
        fields = Fields(data, where, BundleError)
        schema = fields.integer("schema", 1, 10**6)
        if schema != SCHEMA:
            raise BundleError(f"{where} has schema {schema}, not {SCHEMA}: update brushlet or export again")
        name = fields.text("name", 100)
        if not _NAME.fullmatch(name):
            raise fields.fail("name", "must be letters, digits, '.', '_' and '-'")
        manifest = cls(
            name=name,
            student=StudentInfo._read(fields.inner("student")),
            graphs=tuple(Graph._read(item) for item in fields.each("graphs", MAX_GRAPHS)),
            styles=tuple(StyleFile._read(item) for item in fields.each("styles", MAX_STYLES, optional=True)),
            provenance=fields.mapping("provenance", optional=True),
            parity=_read_parity(fields),
            quality=fields.mapping("quality", optional=True),
        )
        _refuse_twice(fields, "graphs", (graph.file for graph in manifest.graphs))
        _refuse_twice(fields, "styles", (style.name for style in manifest.styles))
        return manifest

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain JSON data; `from_json` gives the same manifest back."""
        return json.loads(json.dumps({"schema": SCHEMA, **asdict(self)}, allow_nan=False))

    def write(self, directory: str | Path) -> Path:
        """Write manifest.json into `directory`, whole or not at all, and return its path.

        Raises:
            BundleError: the manifest would not be accepted when read back.
            UserError: the file cannot be written.
        """
        try:
            data = self.to_json()
            encoded = (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()
        except (TypeError, ValueError) as error:
            raise BundleError(f"the manifest of {self.name} does not fit into JSON: {error}") from error
        Manifest.from_json(data)
        path = Path(directory) / MANIFEST_NAME
        write_atomically(path, encoded)
        return path


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files have been verified; `directory` is absolute."""

    directory: Path
    manifest: Manifest

    def graph(self, role: str, precision: str = "fp32", format: str = "onnx") -> Graph:
        """The graph of that role, precision and format.

        Raises:
            BundleError: there is none.
        """
        for graph in self.manifest.graphs:
            if (graph.role, graph.precision, graph.format) == (role, precision, format):
                return graph
        held = [f"{graph.role} {graph.precision} {graph.format}" for graph in self.manifest.graphs]
        holds = ", ".join(held) or "nothing"
        raise BundleError(f"{self.directory} holds no {role} graph as {precision} {format} (it holds {holds})")

    def path(self, file: Graph | StyleFile) -> Path:
        """Where that file is."""
        return self.directory / file.file


def open_bundle(path: str | Path) -> Bundle:
    """Open the bundle in directory `path` after checking all of it: schema, sizes, hashes, no file outside.

    Raises:
        BundleError: with one line that says what is wrong with which file.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise BundleError(f"there is no bundle at {path}")
        if not path.is_dir():
            raise BundleError(f"{path} is not a bundle: a bundle is a directory with a {MANIFEST_NAME}")
        if not (path / MANIFEST_NAME).exists():
            raise BundleError(f"{path} is not a bundle: it has no {MANIFEST_NAME}")
        directory = path.resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:  # no permission, a NUL in the name, a loop of links
        raise BundleError(f"cannot open the bundle {path}: {error}") from error
    manifest_path = _inside(directory, MANIFEST_NAME)
    manifest = Manifest.from_json(read_json(manifest_path, MAX_MANIFEST_BYTES, BundleError), str(path / MANIFEST_NAME))
    for file in (*manifest.graphs, *manifest.styles):
        _verify(directory, file)
    return Bundle(directory, manifest)


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file as 64 lower-case hex digits; reads in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def _read_file(fields: Fields, max_bytes: int) -> dict[str, Any]:
    """The three fields that name and pin a file."""
    file = fields.text("file", 400)
    parts = PurePosixPath(file).parts
    if file.startswith("/") or ".." in parts or "\\" in file or ":" in file or file != "/".join(parts):
        raise fields.fail("file", "must be a path inside the bundle, with forward slashes and without '..'")
    digest = fields.text("sha256", 64)
    if not _SHA256.fullmatch(digest):
        raise fields.fail("sha256", "must be 64 lower-case hex digits")
    return {"file": file, "sha256": digest, "bytes": fields.integer("bytes", 1, max_bytes)}


def _read_parity(fields: Fields) -> tuple[dict[str, Any], ...]:
    records = tuple(fields.sequence("parity", 10_000, optional=True))
    for index, record in enumerate(records):
        Fields({"record": record}, f"{fields.where}: parity[{index}]", BundleError).mapping("record")
    return records


def _refuse_twice(fields: Fields, name: str, keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise fields.fail(name, f"names {key!r} twice")
        seen.add(key)


def _inside(directory: Path, file: str) -> Path:
    """The real path of `file`; refuses one that a link takes out of the bundle."""
    try:
        real = (directory / file).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleError(f"{directory / file} is missing: the bundle is incomplete") from error
    if not real.is_relative_to(directory):
        raise BundleError(f"{directory / file} leads out of the bundle, which is not allowed")
    if not real.is_file():
        raise BundleError(f"{directory / file} is not a plain file")
    return real


def _verify(directory: Path, file: Graph | StyleFile) -> None:
    real = _inside(directory, file.file)
    shown = directory / file.file
    try:
        size = real.stat().st_size
        if size != file.bytes:
            raise BundleError(f"{shown} has {size} bytes instead of {file.bytes}: it is damaged or incomplete")
        if sha256_of(real) != file.sha256:
            raise BundleError(f"{shown} is not the file that was exported (its SHA-256 differs)")
        if isinstance(file, Graph) and file.format == "onnx" and _has_external_data(real):
            raise BundleError(f"{shown} keeps its weights in another file: export it with the weights inside")
    except OSError as error:
        raise BundleError(f"cannot read {shown}: {error.strerror or error}") from error


def _has_external_data(path: Path) -> bool:
    """Whether an ONNX graph names another file for its weights: no hash covers it, and it may lie anywhere.

    Older ONNX Runtimes read such a file even outside the graph's directory.
    """
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _EXTERNAL_DATA.search(data) is not None

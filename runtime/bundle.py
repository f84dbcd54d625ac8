"""The bundle: a directory with a student's graphs, its named styles and a manifest that describes them.

This module owns the manifest's schema. `export` writes a bundle with the same classes that `open_bundle` reads with,
and everything that reads a bundle goes through `open_bundle`, which trusts nothing in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from runtime.atomic_write import write_atomically
from runtime.digests import digest_of, package_files
from runtime.digests import sha256_of as sha256_of
from runtime.errors import BundleError
from runtime.json_fields import Fields, read_json
from runtime.label_maps import MAX_LABELS, Label, Palette
from runtime.onnx_check import OnnxRefused, check_onnx

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
#: Formats whose files are ONNX: to be run as they are, and for TensorRT to build an engine from.
ONNX_FORMATS = ("onnx", "tensorrt-onnx")
#: Their files end so: ONNX Runtime and OpenVINO read other suffixes as formats of their own, with rules of their own.
ONNX_SUFFIX = ".onnx"
#: Graphs that are directories end so.
PACKAGE_SUFFIXES = (".mlpackage",)

_DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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
        sites: modulated layers in the order of the paint graph's inputs; none if one style is folded into the weights.
        macs: multiplications with addition that painting 512 x 512 pixels takes, measuring included; 0: not counted.
    """

    architecture: str
    width: float
    size_multiple: int
    halo: int
    thumbnail: int
    parameters: dict[str, int]
    sites: tuple[Site, ...]
    macs: int = 0

    @property
    def channels(self) -> int:
        """M: the number of modulated channels over all sites."""
        return sum(site.channels for site in self.sites)

    @property
    def fixed_style(self) -> bool:
        """Whether one style is folded into the weights: then there is a paint graph only, and no style to choose."""
        return not self.sites

    @classmethod
    def _read(cls, fields: Fields) -> StudentInfo:
        counts = fields.inner("parameters")
        roles = [role for role in ROLES if role in fields.mapping("parameters")]
        sites = tuple(Site._read(item) for item in fields.each("sites", MAX_SITES))
        return cls(
            architecture=fields.text("architecture"),
            width=fields.number("width", 0.001, 64),
            size_multiple=fields.integer("size_multiple", 1, 64),
            halo=fields.integer("halo", 0, 4096),
            thumbnail=fields.integer("thumbnail", 16, 4096),
            parameters={role: counts.integer(role, 0, 10**12) for role in roles},
            sites=sites,
            macs=fields.integer("macs", 0, 10**15, optional=True),
        )


@dataclass(frozen=True)
class Graph:
    """One graph of the bundle.

    Attributes:
        file: a file, or the directory of a package such as ``.mlpackage``, with forward slashes from the bundle.
        sha256, bytes: what `digest_of` says of it.
        target: the machine that an engine was built for, such as ``sm89``; empty for what runs anywhere.
        details: what its format needs besides, such as sizes it was built for: JSON, for the engine that reads it.
    """

    role: str
    precision: str
    format: str
    file: str
    sha256: str
    bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    target: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def _read(cls, fields: Fields) -> Graph:
        format, file = fields.text("format", 40), _read_file(fields, MAX_GRAPH_BYTES)
        if format in ONNX_FORMATS and not file["file"].endswith(ONNX_SUFFIX):
            raise fields.fail("file", f"must end in {ONNX_SUFFIX}: engines choose a file's reader by its name")
        return cls(
            role=fields.choice("role", ROLES),
            precision=fields.text("precision", 40),
            format=format,
            **file,
            inputs=tuple(TensorSpec._read(item) for item in fields.each("inputs", 2 * MAX_SITES + 8)),
            outputs=tuple(TensorSpec._read(item) for item in fields.each("outputs", 64)),
            target=fields.text("target", 100, optional=True),
            details=fields.mapping("details", optional=True),
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
    """The whole of manifest.json. `provenance`, `parity` and `quality` are records for people: JSON, uninterpreted.

    Attributes:
        labels: of the label maps that the student paints from, see `runtime.label_maps`; none where it paints photos.
    """

    name: str
    student: StudentInfo
    graphs: tuple[Graph, ...]
    styles: tuple[StyleFile, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    parity: tuple[dict[str, Any], ...] = ()
    quality: dict[str, Any] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()

    @property
    def palette(self) -> Palette | None:
        """The labels by number; None where the student paints photos."""
        return Palette(self.labels) if self.labels else None

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
            labels=tuple(Label.read(item) for item in fields.each("labels", MAX_LABELS, optional=True)),
        )
        _refuse_twice(fields, "labels", (label.colour for label in manifest.labels))
        _refuse_twice(fields, "graphs", (graph.file for graph in manifest.graphs))
        if manifest.student.fixed_style and any(graph.role != "paint" for graph in manifest.graphs):
            raise fields.fail("graphs", "may only hold paint graphs where the student has no sites")
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

    def graph(self, role: str, precision: str = "fp32", format: str = "onnx", target: str | None = None) -> Graph:
        """The graph of that role, precision and format, and of that target where one is named.

        Raises:
            BundleError: there is none, or several for different targets.
        """
        wanted = (role, precision, format)
        fitting = [
            graph
            for graph in self.manifest.graphs
            if (graph.role, graph.precision, graph.format) == wanted and target in (None, graph.target)
        ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            targets = ", ".join(graph.target for graph in fitting)
            raise BundleError(f"{self.directory} holds {format} {precision} graphs for several targets: {targets}")
        held = [f"{graph.role} {graph.precision} {graph.format}" for graph in self.manifest.graphs]
        holds = ", ".join(held) or "nothing"
        raise BundleError(f"{self.directory} holds no {role} graph as {precision} {format} (it holds {holds})")

    def holds(self, role: str, precision: str, format: str) -> bool:
        """Whether there is at least one such graph."""
        return any((g.role, g.precision, g.format) == (role, precision, format) for g in self.manifest.graphs)

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


def _inside(directory: Path, file: str, package: bool = False) -> Path:
    """The real path of `file`, which may be a directory for a `package`; refuses one that a link takes outside."""
    try:
        real = (directory / file).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleError(f"{directory / file} is missing: the bundle is incomplete") from error
    if not real.is_relative_to(directory):
        raise BundleError(f"{directory / file} leads out of the bundle, which is not allowed")
    if not real.is_file() and not (package and real.is_dir()):
        raise BundleError(f"{directory / file} is not a plain file")
    return real


def _verify(directory: Path, file: Graph | StyleFile) -> None:
    real = _inside(directory, file.file, package=file.file.endswith(PACKAGE_SUFFIXES))
    shown = directory / file.file
    try:
        files = package_files(real) if real.is_dir() else [real]
        size = sum(inner.stat().st_size for inner in files)
        if size != file.bytes:
            raise BundleError(f"{shown} has {size} bytes instead of {file.bytes}: it is damaged or incomplete")
        if digest_of(real)[0] != file.sha256:
            raise BundleError(f"{shown} is not the file that was exported (its SHA-256 differs)")
        if isinstance(file, Graph) and file.format in ONNX_FORMATS:
            _require_student(real, shown)
    except OSError as error:
        raise BundleError(f"cannot read {shown}: {error.strerror or error}") from error


def _require_student(path: Path, shown: Path) -> None:
    try:
        check_onnx(path)
    except OnnxRefused as error:
        raise BundleError(f"{shown} {error}") from error

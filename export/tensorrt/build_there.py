"""Engines that are built on the device that runs them, from the recipe in a bundle that lies here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from devices.device import Device
from devices.doctor.requirements import Requirement, numbers, read_requirements
from devices.here import describe_this_machine
from devices.remote import (
    Connection,
    base_requirements,
    connect,
    host_there,
    prepare_python,
    push,
    push_packages,
    require_device,
    versions,
)
from export.tensorrt.bundle_engines import SOURCE_FORMAT
from runtime.atomic_write import write_atomically
from runtime.bundle import MANIFEST_NAME, MAX_MANIFEST_BYTES, Bundle, Graph, Manifest, open_bundle
from runtime.engines.engine_file import unseal
from runtime.errors import UserError
from runtime.json_fields import read_json

FORMAT = "tensorrt"
BUILD_SECONDS = 3600.0
#: Far more than the engine of a painter has.
MOST_ENGINE_BYTES = 2**28
#: Where engines are kept on the device, one folder for each graph, recipe and version of TensorRT.
_KEPT = "engines"
#: The first Jetson release with CUDA 13, and what of CUDA's Python bindings fits before it and from it on.
_CUDA_13 = (38,)
_TARGET = re.compile(r"sm[0-9]{2,3}|ampere-plus")
_CUDA = ("cuda-bindings", ">=12.6,<13", ">=13,<14")


def find_recipe(bundle: Bundle, precision: str) -> Graph | None:
    """The graph that an engine of that precision is built from, if the bundle holds it with its recipe."""
    held = (graph for graph in bundle.manifest.graphs if graph.format == SOURCE_FORMAT and not graph.target)
    return next((graph for graph in held if graph.precision == precision and "recipe" in graph.details), None)


def find_engine(bundle: Bundle, precision: str, target: str | None, version: str) -> Graph | None:
    """The engine of that precision, for that GPU and that TensorRT, if the bundle holds one."""
    held = (graph for graph in bundle.manifest.graphs if (graph.format, graph.precision) == (FORMAT, precision))
    return next((graph for graph in held if graph.target == target and graph.details.get("version") == version), None)


def tensorrt_requirements(connection: Connection, release: str | None) -> tuple[Requirement, ...]:
    """What has to be installed beside the TensorRT of the device's system: CUDA's bindings, for its CUDA.

    Args:
        release: the Jetson's system release, such as ``L4T 36.4.7``; None on another machine.
    """
    wanted = _wanted("cuda-bindings")
    have = versions(connection, connection.facts.executable, [wanted.name]) or {}
    if wanted.name in have and wanted.fits(have[wanted.name]):
        return (wanted,)
    name, before, since = _CUDA
    newer = release is not None and numbers(release.removeprefix("L4T ")) >= _CUDA_13
    return (Requirement(name, since if newer else before),)


def tensorrt_there(connection: Connection, python: str, release: str | None) -> str:
    """The version of the TensorRT that this Python of the device imports.

    Raises:
        UserError: there is none, or one that is too old or too new; what to do is in the message.
    """
    found = versions(connection, python, (), ["tensorrt"]) or {}
    version = found.get("tensorrt")
    if version is None:
        reason = found.get("why tensorrt", "no answer")
        if release is None:
            hint = "pip install 'brushlet[tensorrt]' there, if it has an NVIDIA GPU"
        else:
            hint = "sudo apt-get install python3-libnvinfer there"
        raise UserError(f"{connection.host} has no TensorRT that {python} imports ({reason}): {hint}")
    wanted = _wanted("tensorrt")
    if not wanted.fits(version):
        release = f" of {release}" if release else ""
        raise UserError(
            f"{connection.host}: its TensorRT {version}{release} does not fit, brushlet needs {wanted.wanted} "
            "(JetPack 6.1 brings 10.3): update JetPack, or measure with --engine onnxruntime"
        )
    return version


def build_there(
    connection: Connection, python: str, environment: dict[str, str], bundle: Bundle, source: Graph, version: str
) -> tuple[Graph, bytes]:
    """The engine for the GPU of the device, as an entry of the bundle's manifest and as a file's contents.

    What was built there before, from the same graph and recipe with the same TensorRT, is not built again.

    Args:
        python, environment: how brushlet is run there, see `devices.remote.prepare_python` and `push_packages`.
        source: what `find_recipe` gave.
        version: what `tensorrt_there` gave.

    Raises:
        UserError: the device cannot build it; its own reason is in the message.
        devices.DeviceError: the line is cut, or the disk there is full.
    """
    identity = json.dumps([source.sha256, source.details["recipe"], version], sort_keys=True)
    kept = f"{_KEPT}/{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if MANIFEST_NAME not in connection.digests(kept):
        _build(connection, python, environment, bundle, source, kept)
    graph = _built(connection, kept, source)
    data = connection.get(f"{kept}/{graph.file}", min(graph.bytes, MOST_ENGINE_BYTES))
    if (len(data), hashlib.sha256(data).hexdigest()) != (graph.bytes, graph.sha256):
        raise UserError(f"the engine of {connection.host} is not what its manifest says: it is not taken over")
    unseal(data, f"the engine of {connection.host}")
    return graph, data


def add_engines_there(
    directory: str | Path,
    host: str,
    precisions: Sequence[str],
    device: Device | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Graph]:
    """Build engines on the machine at ``host``, from the recipes in a bundle here, and add them to the bundle.

    Args:
        device: what that machine has to be; None for whatever it is.

    Raises:
        UserError: there is no such recipe, or the device cannot build it. Engines that were built are in the bundle.
        devices.DeviceError: there is no connection.
    """
    for precision in precisions:
        require_recipe(open_bundle(directory), precision)
    with connect(host, tell=tell) as connection:
        with host_there(connection) as system:
            release = describe_this_machine(system).board_release
            if device is not None:
                require_device(system, device, connection.host)
        needs = (*base_requirements(connection), *tensorrt_requirements(connection, release))
        python = prepare_python(connection, needs)
        version = tensorrt_there(connection, python, release)
        environment = push_packages(connection)
        added = []
        for precision in precisions:
            bundle = open_bundle(directory)
            source = require_recipe(bundle, precision)
            added.append(_add(bundle, *build_there(connection, python, environment, bundle, source, version)))
    return added


def require_recipe(bundle: Bundle, precision: str) -> Graph:
    """What `find_recipe` finds. Raises UserError where there is none."""
    source = find_recipe(bundle, precision)
    if source is None:
        raise UserError(
            f"{bundle.directory} holds no recipe for a {precision} engine: "
            f"brushlet export … --format tensorrt --precision {precision} --recipe-only makes it"
        )
    return source


def _add(bundle: Bundle, graph: Graph, engine: bytes) -> Graph:
    path = bundle.directory / graph.file
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, engine)
    others = (held for held in bundle.manifest.graphs if held.file != graph.file)
    manifest = replace(bundle.manifest, graphs=(*others, graph), provenance=_noted(bundle.manifest, graph))
    manifest.write(bundle.directory)
    return graph


def _noted(manifest: Manifest, graph: Graph) -> dict[str, Any]:
    """The manifest's provenance with the engine among its export's files: another export takes it away with them."""
    provenance = json.loads(json.dumps(manifest.provenance))
    record = provenance
    for key in ("export", "targets", f"{FORMAT} {graph.precision}"):
        record = record.get(key)
        if not isinstance(record, dict):
            return provenance
    if isinstance(record.get("files"), list) and graph.file not in record["files"]:
        record["files"].append(graph.file)
    return provenance


def _build(
    connection: Connection, python: str, environment: dict[str, str], bundle: Bundle, source: Graph, kept: str
) -> None:
    small = replace(bundle.manifest, graphs=(source,), styles=(), parity=(), provenance={}, quality={})
    manifest = json.dumps(small.to_json()).encode()
    folder = f"{connection.facts.scratch}/build"
    push(connection, folder, {source.file: bundle.path(source), MANIFEST_NAME: manifest}, "the graph")
    connection.tell(f"building the {source.precision} engine on {connection.host} (minutes)")
    done = connection.run(
        [python, "-m", "export.tensorrt", connection.path(folder), "--precision", source.precision],
        BUILD_SECONDS,
        environment,
        tell_errors=lambda line: None if line.startswith("error: ") else connection.tell(f"  {line}"),
    )
    if not done.ok:
        raise UserError(f"{connection.host} built no engine: {done.reason}")
    connection.move(folder, kept)


def _built(connection: Connection, folder: str, source: Graph) -> Graph:
    with TemporaryDirectory(prefix="brushlet-engine-") as here:
        path = Path(here) / MANIFEST_NAME
        write_atomically(path, connection.get(f"{folder}/{MANIFEST_NAME}", MAX_MANIFEST_BYTES))
        where = f"the manifest that {connection.host} wrote"
        manifest = Manifest.from_json(read_json(path, MAX_MANIFEST_BYTES), where)
    for graph in manifest.graphs:
        if (graph.role, graph.precision, graph.format) == ("paint", source.precision, FORMAT):
            # Its path is going to be one of the bundle here, where it must not take the place of another file.
            if _TARGET.fullmatch(graph.target) and graph.file == engine_file(graph.target, source.precision):
                return graph
            raise UserError(f"{where} names the file {graph.file!r} for an engine: it is not taken over")
    raise UserError(f"{where} holds no engine")


def engine_file(target: str, precision: str) -> str:
    """Where a bundle keeps the engine of a paint graph."""
    return f"engines/{target}/paint.{precision}.engine"


def _wanted(name: str) -> Requirement:
    needs = read_requirements(platform="linux").of([FORMAT])
    return next((need for need in needs if need.name == name), Requirement(name, ""))

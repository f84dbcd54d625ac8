"""What a device needs to measure a bundle: a Python with packages, brushlet, and the bundle with engines for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.entrants import Request
from devices import Device, Machine
from devices.doctor.requirements import Requirement, read_requirements
from devices.remote import Connection, base_requirements, prepare_python, push, push_packages
from runtime.bundle import MANIFEST_NAME, Bundle, Graph, Manifest
from runtime.engines import ENGINES, PLAIN_ENGINE

TENSORRT = "tensorrt"
_OPENVINO = "openvino"


@dataclass(frozen=True)
class There:
    """A device that is ready to run brushlet.

    Attributes:
        device: what it is, where the catalogue knows it.
        python, environment: how brushlet is run there.
        tensorrt: the version of its TensorRT, where an engine asks for it.
    """

    connection: Connection
    device: Device | None
    python: str
    environment: dict[str, str]
    tensorrt: str | None


def prepare(connection: Connection, request: Request, machine: Machine, device: Device | None) -> There:
    """Bring Python packages and brushlet to the device.

    Raises:
        DeviceError, UserError: it lacks something that cannot be brought; what to do is in the message.
    """
    python = prepare_python(connection, _requirements(connection, request, machine.board_release))
    version = None
    if TENSORRT in request.engines:
        from export.tensorrt.build_there import tensorrt_there

        version = tensorrt_there(connection, python, machine.board_release)
    return There(connection, device, python, push_packages(connection), version)


def _requirements(connection: Connection, request: Request, release: str | None) -> tuple[Requirement, ...]:
    needs = base_requirements(connection)
    if _OPENVINO in request.engines:
        needs += read_requirements(platform=connection.facts.platform).by_extra[_OPENVINO]
    if TENSORRT in request.engines:
        from export.tensorrt.build_there import tensorrt_requirements

        needs += tensorrt_requirements(connection, release)
    return needs


def ship(there: There, request: Request, bundle: Bundle, name: str) -> tuple[str, Manifest]:
    """Bring a bundle to the device, with engines that are built there if the bundle has none that fit.

    Args:
        name: of its folder there.

    Returns:
        The path of that folder there, and the manifest in it: what the device has no use for is left out.

    Raises:
        DeviceError, UserError: it cannot be copied, or there is no engine and no recipe for one.
    """
    engines = _engines(there, bundle, request.precisions) if there.tensorrt is not None else []
    formats = {ENGINES[engine].format for engine in (PLAIN_ENGINE, *request.engines)} - {TENSORRT}
    graphs = tuple(graph for graph in bundle.manifest.graphs if graph.format in formats)
    manifest = replace(bundle.manifest, graphs=(*graphs, *(graph for graph, _ in engines)))
    files: dict[str, Path | bytes] = {held.file: bundle.path(held) for held in (*graphs, *manifest.styles)}
    files |= {graph.file: engine for graph, engine in engines}
    with TemporaryDirectory(prefix="brushlet-manifest-") as here:
        files[MANIFEST_NAME] = manifest.write(here).read_bytes()
    folder = f"bundles/{name}"
    push(there.connection, folder, files, manifest.name)
    return there.connection.path(folder), manifest


def _engines(there: There, bundle: Bundle, precisions: tuple[str, ...]) -> list[tuple[Graph, bytes]]:
    """Engines for the device: the bundle's own, else built there."""
    from export.tensorrt.build_there import build_there, find_engine, require_recipe

    engines = []
    for precision in precisions:
        held = find_engine(bundle, precision, there.device.sm if there.device else None, there.tensorrt)
        if held is not None:
            engines.append((held, bundle.path(held).read_bytes()))
        else:
            source = require_recipe(bundle, precision)
            engines.append(
                build_there(there.connection, there.python, there.environment, bundle, source, there.tensorrt)
            )
    return engines

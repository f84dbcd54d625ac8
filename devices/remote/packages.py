"""What of brushlet a device needs: the sources of the stages that run there, and what they require of others."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from devices.doctor.requirements import BASE, Requirement, read_requirements
from devices.errors import DeviceError
from devices.remote.connection import Connection
from devices.remote.sync import push

#: Where they go in the agent's folder.
FOLDER = "packages"
STAGES = ("benchmarks", "devices", "export", "runtime")
_SUFFIXES = (".py", ".toml")
_ROOT = Path(__file__).resolve().parents[2]


def push_packages(connection: Connection) -> dict[str, str]:
    """Bring brushlet to the device; returns the environment in which a Python there imports it.

    Raises:
        DeviceError: they cannot be copied, or a stage is missing here.
    """
    push(connection, FOLDER, package_files(), "brushlet")
    # Ours go before the device's own, which may be where TensorRT is.
    paths = ":".join(filter(None, (connection.path(FOLDER), connection.facts.module_path)))
    # Without bytecode: a device without a clock may take an old one for that of a new file.
    return {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def package_files(root: Path = _ROOT) -> dict[str, Path | bytes]:
    """The sources of the stages, and brushlet's metadata, by path."""
    files: dict[str, Path | bytes] = {}
    for stage in STAGES:
        if not (root / stage / "__init__.py").is_file():
            raise DeviceError(f"brushlet is not complete here: {root / stage} is missing; install it again")
        found = (path for path in (root / stage).rglob("*") if path.suffix in _SUFFIXES and path.is_file())
        files.update((path.relative_to(root).as_posix(), path) for path in sorted(found))
    try:
        metadata = distribution("brushlet").read_text("METADATA")
    except PackageNotFoundError:
        metadata = None
    if metadata:
        files["brushlet.dist-info/METADATA"] = metadata.encode()
    return files


def base_requirements(connection: Connection) -> tuple[Requirement, ...]:
    """What brushlet's base install requires on that device."""
    version = tuple(int(part) for part in connection.facts.python.split(".")[:2])
    return read_requirements(platform=connection.facts.platform, python=version).of([BASE])

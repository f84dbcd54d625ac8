"""A Python on the device that has what brushlet requires: the one that is there, or a virtual environment of our own.

The environment sees the system's packages, since TensorRT's Python package belongs to JetPack and is on no index in the
version that fits the board.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from devices.doctor.environment import STAND_INS
from devices.doctor.requirements import Requirement
from devices.errors import DeviceError
from devices.remote.answers import Finished
from devices.remote.connection import Connection

VENV_SECONDS, INSTALL_SECONDS = 300.0, 1800.0
_PROBE_SECONDS = 60.0
_PIP = ("-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--progress-bar", "off")
#: Prints the versions of the distributions that are named, and of the modules after ``--``, as JSON.
_PROBE = """
import importlib, json, sys
from importlib.metadata import PackageNotFoundError, version
found, cut = {}, sys.argv.index("--")
for name in sys.argv[1:cut]:
    try: found[name] = version(name)
    except PackageNotFoundError: pass
for name in sys.argv[cut + 1:]:
    try: found[name] = str(importlib.import_module(name).__version__)
    except Exception as error: found["why " + name] = repr(error)[:200]
print("brushlet-versions " + json.dumps(found))
"""


def versions(
    connection: Connection,
    python: str,
    distributions: Sequence[str],
    modules: Sequence[str] = (),
    environment: dict[str, str] | None = None,
) -> dict[str, str] | None:
    """What that Python of the device has, by name; None where there is no such Python.

    Distributions (or those that stand in for them) are looked up, modules imported: what one says that cannot be is
    under ``why NAME``.
    """
    names = [candidate for name in distributions for candidate in (name, *STAND_INS.get(name, ()))]
    output = connection.output([python, "-c", _PROBE, *names, "--", *modules], _PROBE_SECONDS, environment)
    try:
        found = json.loads(output.rpartition("brushlet-versions ")[2]) if output else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return None
    found = {name: version for name, version in found.items() if isinstance(version, str)}
    stand_ins = {name: found.get(other) for name in distributions for other in STAND_INS.get(name, ())}
    return {**{name: version for name, version in stand_ins.items() if version}, **found}


def prepare_python(connection: Connection, requirements: Sequence[Requirement]) -> str:
    """The path of a Python on the device whose packages fit; it is made if there is none.

    Raises:
        DeviceError: it cannot be made, with what to do on the device.
    """
    own = environment_python(connection)
    for python in (connection.facts.executable, own):
        if not missing(connection, python, requirements):
            return python
    if versions(connection, own, ()) is None:
        _make(connection, own)
    _install(connection, own, requirements)
    left = missing(connection, own, requirements)
    if left:
        raise DeviceError(f"{connection.host}: {_listed(left)} is not there though pip installed it: remove {own}")
    return own


def environment_python(connection: Connection) -> str:
    """Where our own Python is, or would be: one for each Python of the device."""
    return connection.path(f"{_folder(connection)}/bin/python")


def missing(connection: Connection, python: str, requirements: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """What that Python of the device lacks."""
    found = versions(connection, python, [need.name for need in requirements]) or {}
    return tuple(need for need in requirements if need.name not in found or not need.fits(found[need.name]))


def _folder(connection: Connection) -> str:
    text = json.dumps([connection.facts.python, connection.facts.executable])
    return f"python-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _make(connection: Connection, own: str) -> None:
    folder = _folder(connection)
    connection.remove(folder)
    connection.tell(f"making a Python environment on {connection.host}")
    command = [connection.facts.executable, "-m", "venv", "--system-site-packages", connection.path(folder)]
    try:
        made = connection.run(command, VENV_SECONDS)
        _require(connection, made, "python3 makes no environment", "sudo apt-get install python3-venv")
    except BaseException:
        connection.discard(folder)
        raise


def _install(connection: Connection, own: str, requirements: Sequence[Requirement]) -> None:
    """What is half installed when this is cut counts as missing the next time, since its metadata comes last."""
    connection.tell(f"installing {_listed(requirements)} there (a few minutes the first time)")
    lines = [f"{need.name}{need.wanted}" for need in requirements]
    done = connection.run(
        [own, *_PIP, "--only-binary", ":all:", *lines],
        INSTALL_SECONDS,
        tell_out=lambda line: connection.tell(f"  {line}") if line.startswith("Successfully") else None,
    )
    by_hand = f"python3 -m pip install {' '.join(map(repr, lines))}"
    _require(connection, done, "pip cannot install what brushlet needs", f"give it a network, or do: {by_hand}")


def _require(connection: Connection, done: Finished, problem: str, hint: str) -> None:
    if done.ok:
        return
    said = [line.strip() for line in (*done.out, *done.errors) if line.strip()]
    errors = [line for line in said if line.startswith("ERROR")] or said
    reason = "it took too long" if done.timed_out else errors[-1][:200] if errors else f"status {done.status}"
    raise DeviceError(f"{connection.host}: {problem} ({reason}): {hint}")


def _listed(requirements: Sequence[Requirement]) -> str:
    return ", ".join(need.name for need in requirements)

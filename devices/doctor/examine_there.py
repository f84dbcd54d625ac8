"""The doctor's look at another machine: nothing is installed, copied or changed there."""

from __future__ import annotations

from devices.doctor.environment import Environment
from devices.doctor.examination import Report, examine
from devices.doctor.requirements import read_requirements
from devices.remote import Connection, connect, environment_python, host_there, versions


def examine_there(host: str) -> Report:
    """Look at the machine that ``--host`` names: at the Python that `bench --host` made there, else at its own.

    Raises:
        DeviceError: there is no connection, or no Python that fits.
    """
    with connect(host, exclusive=False) as connection, host_there(connection) as system:
        facts = connection.facts
        python = tuple(int(part) for part in facts.python.split(".")[:2])
        requirements = read_requirements(platform=facts.platform, python=python)
        names = {need.name for needs in requirements.by_extra.values() for need in needs}
        found = _versions(connection, sorted({"brushlet", *names}))
        return examine(
            Environment(
                host=system,
                platform=facts.platform,
                venv=None,
                version=found.get,
                which=connection.which,
                requirements=requirements,
            )
        )


def _versions(connection: Connection, names: list[str]) -> dict[str, str]:
    """Versions of what is installed there; JetPack's TensorRT comes without its metadata at times."""
    own = versions(connection, environment_python(connection), names, ["tensorrt"])
    found = own or versions(connection, connection.facts.executable, names, ["tensorrt"]) or {}
    return {name: version for name, version in found.items() if not name.startswith("why ")}

"""A Python on the device with what brushlet requires: found, or made in an environment of its own."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from devices.doctor.requirements import Requirement
from devices.errors import DeviceError
from devices.remote import base_requirements, prepare_python, versions
from devices.remote.python_there import environment_python, missing

NEEDS = (Requirement("brushlet-test-alpha", ">=1,<3"), Requirement("brushlet-test-beta", ">=1"))


def make_wheel(folder: Path, name: str, version: str) -> None:
    """A distribution with one empty module."""
    plain = name.replace("-", "_")
    info = f"{plain}-{version}.dist-info"
    files = {
        f"{plain}.py": b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    with zipfile.ZipFile(folder / f"{plain}-{version}-py3-none-any.whl", "w") as wheel:
        for path, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            wheel.writestr(path, data)


def test_what_is_there_is_used(here, agent_folder):
    needs = base_requirements(here)
    assert {"numpy", "onnxruntime", "pillow", "rich", "typer"} <= {need.name for need in needs}
    assert prepare_python(here, needs) == here.facts.executable
    assert not list(agent_folder.glob("python-*"))


def test_versions(here):
    found = versions(here, here.facts.executable, ["numpy", "no-such-distribution"], ["json", "no_such_module"])
    assert found["numpy"].split(".")[0].isdigit()
    assert "no-such-distribution" not in found
    assert found["json"] == "2.0.9"
    assert "No module named" in found["why no_such_module"]
    assert versions(here, "/no/such/python", ["numpy"]) is None
    assert missing(here, "/no/such/python", NEEDS) == NEEDS


def test_a_version_that_does_not_fit_is_missing(here):
    too_new = Requirement("numpy", ">=1000")
    assert missing(here, here.facts.executable, (too_new, Requirement("numpy", ">=1"))) == (too_new,)


def test_an_environment_is_made_once(connect_here, agent_folder, tmp_path, monkeypatch):
    """With the real venv and the real pip, and an index that is a folder."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    told: list[str] = []
    here = connect_here(tell=told.append)

    make_wheel(wheels, NEEDS[0].name, "2.5")
    make_wheel(wheels, NEEDS[1].name, "1.0")
    make_wheel(wheels, NEEDS[0].name, "3.0")  # out of range
    python = prepare_python(here, NEEDS)
    assert python == environment_python(here)
    assert versions(here, python, [need.name for need in NEEDS]) == {NEEDS[0].name: "2.5", NEEDS[1].name: "1.0"}
    config = (Path(python).parents[1] / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in config  # TensorRT is the system's
    told.clear()
    assert prepare_python(here, NEEDS) == python
    assert told == []

    more = (*NEEDS, Requirement("brushlet-test-gamma", ">=1"))
    with pytest.raises(DeviceError, match=r"pip cannot install what brushlet needs \(ERROR: .*gamma"):
        prepare_python(here, more)
    make_wheel(wheels, "brushlet-test-gamma", "1.0")
    assert prepare_python(here, more) == python == prepare_python(here, NEEDS)


@pytest.mark.parametrize(
    ("venv", "left", "line"),
    [
        (
            'echo "Error: ensurepip is not available" >&2; exit 1',
            0,
            "here: python3 makes no environment (Error: ensurepip is not available): sudo apt-get install python3-venv",
        ),
        (
            'mkdir -p "$4/bin"; cp "$0.pip" "$4/bin/python"; exit 0',
            1,
            "here: pip cannot install what brushlet needs (ERROR: No matching distribution found for x): give it a "
            "network, or do: python3 -m pip install 'brushlet-test-alpha>=1,<3' 'brushlet-test-beta>=1'",
        ),
    ],
)
def test_an_environment_that_cannot_be_made(here, agent_folder, tmp_path, monkeypatch, venv, left, line):
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nif [ "$2" = venv ]; then {venv}; fi\nexec {sys.executable} "$@"\n')
    pip = tmp_path / "python3.pip"
    pip.write_text('#!/bin/sh\necho "ERROR: No matching distribution found for x" >&2; echo "more" >&2; exit 1\n')
    for path in (python, pip):
        path.chmod(0o755)
    monkeypatch.setattr(here, "facts", replace(here.facts, executable=str(python)))
    with pytest.raises(DeviceError) as caught:
        prepare_python(here, NEEDS)
    assert str(caught.value) == line
    assert len(list(agent_folder.glob("python-*"))) == left  # a bare environment does no harm


def test_names_are_data(here, tmp_path):
    """They go to Python without a shell."""
    found = versions(here, here.facts.executable, ["numpy; touch pwned", "$(touch pwned)"])
    assert found == {}
    assert not list(tmp_path.rglob("pwned"))

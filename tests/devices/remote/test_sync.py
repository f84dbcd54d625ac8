"""Only what changed is copied."""

from __future__ import annotations

import pytest

from devices.remote import push
from devices.remote.packages import STAGES, package_files, push_packages


def test_only_what_differs_is_copied(here, agent_folder, tmp_path):
    local = tmp_path / "local"
    local.write_bytes(b"from a file")
    files = {"a": b"1", "b/c": b"2", "d": local}
    assert push(here, "folder", files, "files") == 3
    assert push(here, "folder", files, "files") == 0
    assert push(here, "folder", {**files, "a": b"x"}, "files") == 1
    assert (agent_folder / "folder/a").read_bytes() == b"x"
    assert (agent_folder / "folder/d").read_bytes() == b"from a file"
    assert push(here, "folder", {"a/b": b"a folder now"}, "files") == 1
    assert here.digests("folder").keys() == {"a/b"}


def test_what_was_changed_there_is_put_right(here, agent_folder):
    push(here, "folder", {"a": b"1", "b": b"2"}, "files")
    (agent_folder / "folder/a").write_bytes(b"9")
    (agent_folder / "folder/extra").write_bytes(b"9")
    assert push(here, "folder", {"a": b"1", "b": b"2"}, "files") == 1
    assert (agent_folder / "folder/a").read_bytes() == b"1"
    assert not (agent_folder / "folder/extra").exists()


def test_a_file_that_changes_meanwhile_is_not_half_copied(here, agent_folder, monkeypatch):
    monkeypatch.setattr("devices.remote.connection.hashlib.sha256", _Other)
    with pytest.raises(Exception, match="folder/a changed while it was copied"):
        here.put("folder/a", b"1")
    assert not (agent_folder / "folder/a").exists()
    assert not list((agent_folder / "running").rglob("arriving"))


class _Other:
    def __init__(self, data: bytes = b"") -> None:
        pass

    def hexdigest(self) -> str:
        return "0" * 64


def test_the_packages_that_are_shipped_run_there(connect_here, agent_folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/the/device")
    here = connect_here()
    environment = push_packages(here)
    code = "import benchmarks, devices, export, runtime; print(benchmarks.__file__, export.__file__, runtime.__file__)"
    done = here.run([here.facts.executable, "-c", code], 60, environment)
    assert done.ok, done.errors
    assert all(path.startswith(str(agent_folder)) for path in done.out[0].split())
    done = here.run([here.facts.executable, "-m", "benchmarks", "--help"], 60, environment)
    assert done.ok, done.errors
    assert not list(agent_folder.rglob("*.pyc"))
    assert environment["PYTHONPATH"] == f"{agent_folder}/packages:/of/the/device"


def test_nothing_large_is_shipped():
    files = package_files()
    assert {name.split("/")[0] for name in files} <= {*STAGES, "brushlet.dist-info"}
    sizes = {name: len(file) if isinstance(file, bytes) else file.stat().st_size for name, file in files.items()}
    assert sum(sizes.values()) < 3 * 2**20
    assert max(sizes.values()) < 2**18

"""`runtime.atomic_write`: whole or not at all, and nothing left behind."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.atomic_write import write_atomically
from runtime.errors import UserError


@pytest.fixture
def small_disk() -> Iterator[int]:
    """Files above 64 KiB fail part way, as on a full disk."""
    limit = 2**16
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_it_writes_and_replaces(tmp_path: Path):
    for data in (b"first", b"second"):
        write_atomically(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == data
    assert os.listdir(tmp_path) == ["file"]


def test_the_file_has_ordinary_permissions(tmp_path: Path):
    umask = os.umask(0o022)
    try:
        write_atomically(tmp_path / "file", b"x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_a_write_that_fails_part_way_leaves_the_old_file(tmp_path: Path, small_disk: int):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(UserError, match="cannot write .*file: it would be larger"):
        write_atomically(tmp_path / "file", bytes(small_disk + 1))
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("runtime.atomic_write.os.replace", no_space)
    with pytest.raises(UserError, match="there is no space left on the disk"):
        write_atomically(tmp_path / "file", b"x")
    assert os.listdir(tmp_path) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.atomic_write.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"x")
    assert os.listdir(tmp_path) == []


def test_a_missing_folder(tmp_path: Path):
    with pytest.raises(UserError, match="the folder does not exist"):
        write_atomically(tmp_path / "no" / "file", b"x")


def test_a_file_as_folder(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="the folder does not exist"):
        write_atomically(tmp_path / "file" / "file", b"x")


def test_a_folder_and_a_device_are_not_replaced(tmp_path: Path):
    with pytest.raises(UserError, match="it is a folder"):
        write_atomically(tmp_path, b"x")
    with pytest.raises(UserError, match="it is a device"):
        write_atomically(os.devnull, b"x")
    assert not Path(os.devnull).is_file()


def test_a_name_that_is_too_long(tmp_path: Path):
    with pytest.raises(UserError, match="the name is too long"):
        write_atomically(tmp_path / ("x" * 300), b"x")
    assert os.listdir(tmp_path) == []

"""An Android device, as far as that can be imitated: an `adb` that runs its shell commands here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from devices.errors import DeviceError
from devices.remote import connect, push
from devices.remote.adb import Adb

ADB = """#!/bin/sh
[ "$1 $3 $4" = "-s shell -T" ] || { echo "adb: usage" >&2; exit 1; }
case "$2" in
    R58M) PATH="$FAKE_PATH" exec sh -c "$5" ;;
    locked) echo "error: device unauthorized." >&2; exit 1 ;;
    *) echo "error: device '$2' not found" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the agent on the phone keeps its files."""
    (tmp_path / "bin").mkdir()
    adb = tmp_path / "bin" / "adb"
    adb.write_text(ADB)
    adb.chmod(0o755)
    monkeypatch.setenv("FAKE_PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(Adb, "folder", str(tmp_path / "data" / "brushlet"))
    return tmp_path / "data" / "brushlet"


def test_commands_and_files(phone):
    with connect("adb:R58M") as connection:
        assert connection.facts.folder == str(phone)
        push(connection, "folder", {"a b": b"1", "$(touch pwned)": b"2"}, "files")
        assert (phone / "folder" / "a b").read_bytes() == b"1"
        assert connection.output(["echo", "$HOME"]) == "$HOME"
    assert list((phone / "running").iterdir()) == []


def test_which_phone_it_is(phone, tmp_path):
    from devices import identify_here
    from devices.remote import host_there

    getprop = tmp_path / "bin" / "getprop"
    getprop.write_text('#!/bin/sh\n[ "$1" = ro.product.model ] && echo "Pixel 8"\n')
    getprop.chmod(0o755)
    os.environ["FAKE_PATH"] = f"{tmp_path / 'bin'}:{os.environ['FAKE_PATH']}"
    with connect("adb:R58M", exclusive=False) as connection, host_there(connection) as host:
        assert identify_here(host).device.name == "pixel-8"


@pytest.mark.parametrize(("serial", "reason"), [("locked", "does not trust this computer"), ("gone", "not connected")])
def test_no_connection(phone, serial, reason):
    with pytest.raises(DeviceError, match=f"^no connection to adb:{serial}: it .*{reason}"):
        connect(f"adb:{serial}")

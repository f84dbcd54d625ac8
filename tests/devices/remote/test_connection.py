"""Connections through a real ssh client and a real sshd, and every way in which they fail."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from devices.errors import DeviceError
from devices.remote import ConnectionLost, RemoteError, connect, push
from devices.remote.sync import SPARE_BYTES

SLEEP = "import time; print('asleep', flush=True); time.sleep(60)"
MANY = {f"folder/{number}": os.urandom(60_000) for number in range(12)}


def fails(host: str = "jetson", **options: object) -> str:
    """The one line with which a connection fails."""
    with pytest.raises(DeviceError) as caught:
        connect(host, **options).close()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_command_there(server, device):
    with connect("jetson") as jetson:
        assert jetson.facts.folder == str(device.cache)
        assert jetson.output(["nvpmodel", "-q"]) == "NV Power Mode: 15W\n0"
        assert jetson.which("tegrastats") == str(device.bin / "tegrastats")
        assert jetson.which("nvidia-smi") is None
    assert device.is_tidy()


def test_names_with_all_that_shells_love_are_data_there(server, device, tmp_path):
    names = ["a b", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "-rf", "new\nline", '"', "\\", "~", "*"]
    with connect("jetson") as jetson:
        push(jetson, "odd", {name: name.encode() for name in names}, "odd names")
        assert set(jetson.digests("odd")) == set(names)
        done = jetson.run([sys.executable, "-c", "import sys; print(len(sys.argv[1:]))", *names], 20)
        assert done.out == (str(len(names)),)
    assert sorted(path.name for path in (device.cache / "odd").iterdir()) == sorted(names)
    assert not [path for path in tmp_path.rglob("pwned*")]


def test_what_a_login_script_prints_is_skipped(server, device):
    (device.home / ".bashrc").write_text("echo Welcome to your Jetson; echo more >&2\n")
    with connect("jetson") as jetson:
        assert jetson.output(["echo", "yes"]) == "yes"


# -- no connection


def test_refused(server):
    server.stop()
    assert (
        fails()
        == "no connection to jetson: it refuses the connection: is it on, does sshd run there, is the port right?"
    )


def test_unknown_host_key(server, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", server.configure(host_key=None))
    assert "its host key is not known here yet: run 'ssh jetson' once and compare the fingerprint" in fails()


def test_changed_host_key(server, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", server.configure(host_key="stranger"))
    assert "its host key is not the one that known_hosts holds" in fails()


def test_wrong_key(server, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", server.configure(key="stranger"))
    assert "it takes neither your keys nor your password" in fails()


def test_no_such_host(server):
    assert "there is no host of that name" in fails("nosuchhost.invalid")


def test_a_broken_configuration(server, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", server.configure(extra=" NoSuchOption yes\n"))
    assert "ssh does not understand its configuration" in fails()


def test_no_ssh(monkeypatch, tmp_path):
    monkeypatch.delenv("BRUSHLET_SSH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fails().startswith("there is no 'ssh' here to reach jetson: install OpenSSH's client")


def test_a_host_that_takes_the_connection_and_says_nothing(server, line, monkeypatch):
    line.stalled = True
    monkeypatch.setenv("BRUSHLET_SSH", f"{os.environ['BRUSHLET_SSH']} -o ConnectTimeout=1")
    assert "it does not answer" in fails()


# -- a device that does not fit


def test_no_python(server, device):
    for name in ("python3", "python3.10", "python3.11", "python3.12"):
        device.command(name, "exit 127")
    assert fails() == (
        "jetson has no python3; brushlet needs Python 3.10 to 3.12 (JetPack 6 and Raspberry Pi OS 12 bring one)"
    )
    assert not device.cache.exists()


def test_a_python_that_is_too_old(server, device):
    old = 'case "$*" in *version_info*) exit 1 ;; *) echo Python 3.8.10 ;; esac'
    for name in ("python3", "python3.10", "python3.11", "python3.12"):
        device.command(name, old)
    assert fails().startswith("jetson has Python 3.8.10; brushlet needs Python 3.10 to 3.12")


def test_another_python_than_the_first(server, device):
    (device.bin / "python3").rename(device.bin / "python3.10")
    device.command("python3", 'case "$*" in *version_info*) exit 1 ;; *) echo Python 3.8.10 ;; esac')
    with connect("jetson") as jetson:
        assert jetson.output(["echo", "yes"]) == "yes"


def test_a_clock_that_is_wrong(server, device):
    late = "import time; now = time.time; time.time = lambda: now() - 1000000; "
    device.command("python3", f'[ "$2" = -c ] && set -- -I -c "{late}$3"\nexec {sys.executable} "$@"')
    with connect("jetson") as jetson:
        assert -1_000_060 < jetson.facts.skew < -999_940
        push(jetson, "folder", {"a": b"1"}, "a file")
        assert push(jetson, "folder", {"a": b"1"}, "a file") == 0


def test_a_folder_that_cannot_be_written(server, device):
    (device.home / ".cache").write_text("a file")
    assert fails().startswith("jetson: ")
    with connect("jetson", exclusive=False) as jetson:  # looking needs none
        assert jetson.output(["echo", "yes"]) == "yes"


def test_two_at_once_are_told(server, device):
    with connect("jetson"), pytest.raises(RemoteError, match="another run of brushlet uses jetson"):
        connect("jetson")
    connect("jetson").close()
    assert device.is_tidy()


@pytest.fixture
def small_disk(device):
    """The device's cache on a file system of one megabyte."""
    device.cache.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(device.cache)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield device.cache
    subprocess.run(["umount", "-l", str(device.cache)], check=True)


def test_a_disk_that_fills_up_while_copying(server, device, small_disk, monkeypatch):
    monkeypatch.setattr("devices.remote.sync.SPARE_BYTES", -(10**9))  # as if another program took the room meanwhile
    with connect("jetson") as jetson:
        push(jetson, "before", {"a": b"kept"}, "a file")
        with pytest.raises(RemoteError, match="^jetson: there is no space left on its disk$"):
            push(jetson, "large", {"a": os.urandom(3_000_000)}, "a large file")
        assert jetson.digests("large") == {}
        assert jetson.get("before/a", 10) == b"kept"
    assert device.is_tidy()


def test_a_disk_that_is_too_small_is_found_out_before(server, small_disk):
    assert SPARE_BYTES > 2**20
    with connect("jetson") as jetson, pytest.raises(RemoteError, match=r"takes 0\.7 MB, and 1\.0 MB are free"):
        push(jetson, "large", MANY, "files")


# -- a line that fails


def test_cut_while_copying_goes_on_where_it_was(server, device, line):
    told: list[str] = []
    line.cut_after, line.cuts = 400_000, 1
    with connect("jetson", tell=told.append) as jetson:
        push(jetson, "many", MANY, "files")
        assert len(jetson.digests("many")) == len(MANY)
    assert any("was cut" in text and text.endswith("trying again") for text in told)
    first, second = (text for text in told if text.startswith("copying files"))
    assert first.startswith("copying files: 12 of 12")
    left = int(second.split()[2])
    assert 0 < left < 12  # what had arrived whole is not copied again
    assert device.is_tidy()


def test_a_line_that_is_always_cut_is_given_up(server, device, line):
    line.cut_after, line.cuts = 100_000, 99
    with connect("jetson") as jetson, pytest.raises(ConnectionLost, match="^the connection to jetson was cut"):
        push(jetson, "many", {"one": os.urandom(600_000)}, "a file")
    assert device.is_tidy()
    assert not (device.cache / "many" / "one").exists()


def test_cut_while_running(server, device, line):
    with connect("jetson") as jetson, pytest.raises(ConnectionLost, match="^the connection to jetson was cut"):
        jetson.run([sys.executable, "-c", SLEEP], 60, tell_out=lambda text: line.cut())
    assert device.is_tidy()
    connect("jetson").close()


def test_a_line_that_falls_silent(server, device, line):
    """Neither side is told that it is cut: both find out by themselves, and the device tidies up by itself."""

    def stall(text: str) -> None:
        line.stalled = True

    began = time.monotonic()
    silent = pytest.raises(ConnectionLost, match="^jetson was silent for 2 s: the connection counts as cut$")
    with silent, connect("jetson", patience=1.6) as jetson:
        jetson.run([sys.executable, "-c", SLEEP], 60, tell_out=stall)
    assert time.monotonic() - began < 15
    assert device.is_tidy()
    line.stalled = False


def test_silence_of_a_command_is_none_of_the_line(server):
    """Nor that of the caller: signs of life that came meanwhile are heard afterwards."""
    with connect("jetson", patience=2) as jetson:
        assert jetson.run(["sleep", "2.5"], 60).ok
        time.sleep(1.5)
        assert jetson.output(["echo", "yes"]) == "yes"


def test_a_command_that_hangs(server, device):
    with connect("jetson") as jetson:
        done = jetson.run([sys.executable, "-c", SLEEP], 1)
        assert done.timed_out and done.out == ("asleep",)
        assert not [text for text in device.processes() if "asleep" in text]
    assert device.is_tidy()


def test_the_same_caller_replaces_its_own_agent(server, device, line):
    """After a cut that the device has not noticed, the old agent still holds the lock."""
    with connect("jetson") as jetson:
        line.stalled = True
        threading.Timer(0.3, lambda: setattr(line, "stalled", False)).start()
        jetson._channel._process.kill()  # noqa: SLF001 (an ssh that dies without a word)
        jetson.reconnect()
        assert jetson.output(["echo", "yes"]) == "yes"
    assert device.is_tidy()


def test_ctrl_c(server, device):
    """The keyboard's interrupt reaches ssh and brushlet alike."""
    code = (
        "import sys; from devices.remote import connect\n"
        "with connect('jetson') as jetson:\n"
        f"    jetson.run([{sys.executable!r}, '-c', {SLEEP!r}], 60, tell_out=lambda text: print(text, flush=True))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "asleep\n"
    os.killpg(process.pid, 2)
    _, said = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in said
    assert device.is_tidy()

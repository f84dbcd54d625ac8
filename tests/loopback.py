"""A real sshd on the loopback interface with a device behind it: a home, a PATH and a tree of system files of its own.

The device's commands and files are recordings; its Python is the one that runs the tests, so nothing has to be
installed on it. `Line` stands between client and server and fails in the ways that lines do.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.devices.conftest import jetson_orin_nano

#: Messages of a Jetson's tools, as their public logs show them.
NVPMODEL = "NV Power Mode: 15W\n0\n"
TEGRASTATS = (
    "11-25-2026 10:00:00 RAM 2204/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) CPU [2%@1510,0%@1510,1%@1510,0%@1510,"
    "0%@729,0%@729] EMC_FREQ 0%@2133 GR3D_FREQ 0%@[305] cpu@46.218C soc2@45.5C soc0@45.9C gpu@46.9C tj@46.9C "
    "soc1@45.1C VDD_IN 4312mW/4312mW VDD_CPU_GPU_CV 563mW/563mW VDD_SOC 1327mW/1327mW\n"
)

TENSORRT = """
import pytest
from tests.runtime.engines.fake_cuda import FakeCuda
from tests.runtime.engines.fake_tensorrt import install
patch = pytest.MonkeyPatch()
install(patch, "tensorrt-10.3.0", FakeCuda("8.7").install(patch))
"""


def free_port() -> int:
    """A port that nobody listens to and that the system gives to no client: below those it hands out by itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Device:
    """What is behind the server: folders that a test fills, and how to look at what was left in them."""

    def __init__(self, folder: Path) -> None:
        self.home, self.bin, self.root = folder / "home", folder / "bin", folder / "root"
        for place in (self.home, self.bin, self.root):
            place.mkdir(parents=True)
        self.environment: dict[str, str] = {}
        self.command("python3", f'exec {sys.executable} "$@"')
        self.command("nvpmodel", f"echo \"$@\" >> {self.home}/nvpmodel.log\nprintf '%s' '{NVPMODEL}'")
        self.command("jetson_clocks", f'echo "$@" >> {self.home}/jetson_clocks.log')
        self.command("tegrastats", f"while :; do printf '%s' '{TEGRASTATS}'; sleep 1; done")

    @property
    def cache(self) -> Path:
        """Where the agent keeps its files."""
        return self.home / ".cache" / "brushlet" / "remote"

    def command(self, name: str, script: str) -> None:
        """Put a command on the device's PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def python_does(self, code: str) -> None:
        """Code that every Python of the device runs when it starts, but the agent's; ``sys`` is imported."""
        self.module("sitecustomize", f"import sys\n{code}")

    def module(self, name: str, code: str) -> None:
        """A module that the device's user has on their module path. The server has to be restarted then."""
        folder = self.home / "modules"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(code)
        self.environment["PYTHONPATH"] = f"{folder}:{Path(__file__).parents[1]}"

    def show(self, files: Mapping[str, str]) -> None:
        """System files of the device, by path below its root."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def left_behind(self) -> list[str]:
        """What should not outlive a connection: its own folder, and processes that were started below the home."""
        files = [str(path) for path in self.cache.glob("running/*")]
        return files + self.processes()

    def processes(self) -> list[str]:
        """Command lines of processes that belong to this device: its environment names this home."""
        mark, found = f"HOME={self.home}".encode(), []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and mark in (process / "environ").read_bytes().split(b"\0"):
                    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if line and "sshd" not in line:
                        found.append(line[:200])
        return found

    def is_tidy(self, seconds: float = 10.0) -> bool:
        """Whether nothing is left behind, now or soon: the device tidies up on its own when a line is cut."""
        deadline = time.monotonic() + seconds
        while self.left_behind() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.left_behind()


class Server:
    """An sshd for one device, and the client's configuration that reaches it as ``jetson``."""

    def __init__(self, folder: Path, device: Device) -> None:
        self.folder, self.device, self.port = folder, device, free_port()
        for name in ("host", "user", "stranger"):
            key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name))
            subprocess.run(key, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        variables = {
            "HOME": self.device.home,
            "PATH": f"{self.device.bin}:/usr/bin:/bin",
            "BRUSHLET_ROOT": self.device.root,
            **self.device.environment,
        }
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n"
            f"SetEnv {' '.join(f'{name}={value}' for name, value in variables.items())}\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd gives up its rights in there
        command = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")]
        log = self.folder / "sshd.log"
        with open(log, "wb") as stream:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        for _ in range(500):
            # Not tried by connecting: the process that answers would hold on to the port when the server restarts.
            if "Server listening" in log.read_text() or self._process.poll() is not None:
                break
            time.sleep(0.02)
        assert self._process.poll() is None, log.read_text()

    def restart(self) -> None:
        """With what the device's environment is now."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """No new connections; those that are open live on."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def configure(
        self, port: int | None = None, key: str = "user", host_key: str | None = "host", extra: str = ""
    ) -> str:
        """Write the client's configuration; returns the command for BRUSHLET_SSH."""
        known = self.folder / "known_hosts"
        public = (self.folder / f"{host_key}.pub").read_text() if host_key else ""
        known.write_text(f"jetson {public}" if public else "")
        (self.folder / "ssh_config").write_text(
            f"Host jetson\n HostName 127.0.0.1\n HostKeyAlias jetson\n Port {port or self.port}\n"
            f" User {getpass.getuser()}\n IdentityFile {self.folder}/{key}\n IdentitiesOnly yes\n IdentityAgent none\n"
            f" UserKnownHostsFile {known}\n GlobalKnownHostsFile none\n StrictHostKeyChecking yes\n BatchMode yes\n"
            f"{extra}"
        )
        return f"ssh -F {self.folder}/ssh_config"


class Line:
    """A TCP relay to a port of this machine that cuts, stalls or delays what goes through it.

    Attributes:
        cut_after: bytes towards the device after which each connection is cut, None for never.
        cuts: how many more connections are cut; the rest are left alone.
        stalled: take everything, and pass nothing on.
    """

    def __init__(self, target: int) -> None:
        self.target, self.cut_after, self.cuts, self.stalled = target, None, 0, False
        self.connections: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                device = socket.create_connection(("127.0.0.1", self.target))
                self.connections += [client, device]
                for source, sink, towards in ((client, device, True), (device, client, False)):
                    threading.Thread(target=self._relay, args=(source, sink, towards), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, towards_device: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                while self.stalled:
                    time.sleep(0.02)
                passed += len(piece)
                if towards_device and self.cuts > 0 and self.cut_after is not None and passed > self.cut_after:
                    self.cuts -= 1
                    break
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Cut all connections now."""
        for end in self.connections:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
        self.cut()


def require_sshd() -> None:
    """Skip a test where there is no OpenSSH."""
    if shutil.which("ssh") is None or not (shutil.which("sshd") or Path("/usr/sbin/sshd").exists()):
        pytest.skip("needs OpenSSH's server and client (sudo apt-get install openssh-server)")
    if os.geteuid() == 0:
        accounts = Path("/etc/shadow").read_text().splitlines()
        if any(line.startswith("root:!") for line in accounts):
            pytest.skip("sshd lets nobody into a locked account, and root's is")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "device")


@pytest.fixture
def server(tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server, which BRUSHLET_SSH reaches as ``jetson``. A test that changes the device restarts it."""
    require_sshd()
    folder = tmp_path / "sshd"
    folder.mkdir()
    server = Server(folder, device)
    server.start()
    monkeypatch.setenv("BRUSHLET_SSH", server.configure())
    yield server
    server.stop()
    for process in device.processes():
        print("left on the device:", process)


@pytest.fixture
def jetson(server: Server, device: Device) -> Device:
    """A Jetson Orin Nano behind the server."""
    compatible = "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0"
    device.show({**jetson_orin_nano(), "proc/device-tree/compatible": compatible})
    return device


@pytest.fixture
def changed(jetson: Device, server: Server) -> Callable[[str], Device]:
    """``changed(code)``: the Jetson, whose Pythons do this when they start."""

    def change(code: str) -> Device:
        jetson.python_does(code)
        server.restart()
        return jetson

    return change


@pytest.fixture
def with_tensorrt(jetson: Device, server: Server) -> Device:
    """The same, with a TensorRT that runs on the processor: see tests/runtime/engines/fake_tensorrt.py."""
    jetson.module("tensorrt", TENSORRT)
    server.restart()
    return jetson


@pytest.fixture
def line(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the server that fails when it is told to; BRUSHLET_SSH goes through it."""
    line = Line(server.port)
    monkeypatch.setenv("BRUSHLET_SSH", server.configure(line.port))
    yield line
    line.close()

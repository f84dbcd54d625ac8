"""The loopback device, and the agent without a line between."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices.remote import Address, Connection
from devices.remote import connection as connection_module
from tests.loopback import device, line, server  # noqa: F401 (fixtures)


class LocalShell:
    """A transport without a line: the script runs here, as ssh would run it there."""

    address, tool, install = Address("ssh", "here"), "sh", ""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def command(self, script: str) -> list[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return ["env", f"PATH={path}", "sh", "-c", script]

    def explain(self, said: str) -> str:
        return said[-300:]


@pytest.fixture
def agent_folder(tmp_path: Path) -> Path:
    """Where the agent behind `here` keeps its files."""
    return tmp_path / "agent"


@pytest.fixture
def connect_here(agent_folder: Path) -> Iterator[Callable[..., Connection]]:
    """``connect_here()`` opens a connection to an agent on this machine; closed at the end."""
    opened: list[Connection] = []

    def connect(**options: object) -> Connection:
        opened.append(Connection(LocalShell(agent_folder), **options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def here(connect_here: Callable[..., Connection]) -> Connection:
    return connect_here()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that was cut is taken up again at once."""
    monkeypatch.setattr(connection_module, "PAUSE_SECONDS", 0.01)

"""What a way to reach a machine has to offer: one command with its input and output, and words for its failures."""

from __future__ import annotations

from typing import Protocol

from devices.remote.adb import Adb
from devices.remote.address import Address
from devices.remote.ssh import Ssh


class Transport(Protocol):
    """A way to reach one machine.

    Attributes:
        address: the machine.
        tool: the local command that it needs.
        install: how to get that.
        folder: where on the machine the agent may keep files; None leaves it to the agent.
    """

    address: Address
    tool: str
    install: str
    folder: str | None

    def command(self, script: str) -> list[str]:
        """The local command that runs ``script`` there: standard input, output and error are the script's."""
        ...

    def explain(self, said: str) -> str:
        """Why there is no connection, from what the command printed to standard error: a clause for people."""
        ...


def transport_to(address: Address) -> Transport:
    """The transport for an address."""
    return Adb(address) if address.kind == "adb" else Ssh(address)

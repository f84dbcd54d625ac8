"""Machines behind SSH, through the system's OpenSSH client: the user's own configuration, keys and jump hosts hold."""

from __future__ import annotations

import os
import shlex

from devices.remote.address import Address

#: The command to use instead of ``ssh``, as with GIT_SSH_COMMAND: ``ssh -F other_config -i key``.
COMMAND_VARIABLE = "BRUSHLET_SSH"
CONNECT_SECONDS = 15
#: What a configuration may ask of sessions for people and would break one that a program talks over.
_OPTIONS = {
    "ConnectTimeout": CONNECT_SECONDS,
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
#: What ssh says (the first that occurs counts), and what to do about it.
_REASONS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that known_hosts holds: it was installed anew, or somebody else answers. "
        "If it was installed anew: ssh-keygen -R {name}",
    ),
    (
        "Host key verification failed",
        "its host key is not known here yet: run 'ssh {host}' once and compare the fingerprint",
    ),
    (
        "Permission denied",
        "it takes neither your keys nor your password: 'ssh-copy-id {host}' brings your key there",
    ),
    ("Could not resolve hostname", "there is no host of that name: try its address"),
    ("Connection refused", "it refuses the connection: is it on, does sshd run there, is the port right?"),
    ("No route to host", "it cannot be reached: is it on, and in this network?"),
    ("timed out", "it does not answer: is it on, and in this network?"),
    ("Bad configuration option", "ssh does not understand its configuration: {said}"),
)


class Ssh:
    """How commands are run on a machine with sshd."""

    tool = "ssh"
    install = "install OpenSSH's client (Debian: sudo apt-get install openssh-client)"
    #: Where the agent keeps its files; None for its default.
    folder = None

    def __init__(self, address: Address) -> None:
        self.address = address

    def command(self, script: str) -> list[str]:
        """The local command that runs ``script``, a line for the device's shell."""
        address = self.address
        words = shlex.split(os.environ.get(COMMAND_VARIABLE, "")) or [self.tool]
        for name, value in _OPTIONS.items():
            words += ["-o", f"{name}={value}"]
        if address.user:
            words += ["-l", address.user]
        if address.port:
            words += ["-p", str(address.port)]
        return [*words, "-T", "--", address.host, script]

    def explain(self, said: str) -> str:
        """One clause on why there is no connection, from what ssh printed."""
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        last = lines[-1][:300] if lines else "ssh says nothing"
        port = self.address.port
        name = f"'[{self.address.host}]:{port}'" if port and port != 22 else self.address.host
        host = (f"-p {port} " if port else "") + (f"{self.address.user}@" if self.address.user else "")
        for words, reason in _REASONS:
            if words in said:
                return reason.format(name=name, host=host + self.address.host, said=last)
        return last

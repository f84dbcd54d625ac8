"""Android devices, through the ``adb`` of the Android platform tools. Not yet seen on a real device."""

from __future__ import annotations

from devices.remote.address import Address

_REASONS = (
    ("unauthorized", "it does not trust this computer yet: unlock it and accept the key that it shows"),
    ("not found", "it is not connected: 'adb devices' lists those that are"),
    ("offline", "adb finds it offline: plug it in again, or adb reconnect"),
    ("cannot connect to daemon", "adb's server does not start: try 'adb kill-server'"),
    ("no devices", "no Android device is connected"),
)


class Adb:
    """How commands are run on an Android device: ``adb shell`` without a terminal, which passes bytes unchanged."""

    tool = "adb"
    install = "install Android's platform tools (Debian: sudo apt-get install adb)"
    #: The one place that the user of ``adb shell`` may write to and run programs from.
    folder = "/data/local/tmp/brushlet"

    def __init__(self, address: Address) -> None:
        self.address = address

    def command(self, script: str) -> list[str]:
        """The local command that runs ``script``, a line for the device's shell."""
        return [self.tool, "-s", self.address.host, "shell", "-T", script]

    def explain(self, said: str) -> str:
        """One clause on why there is no connection, from what adb printed."""
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        for words, reason in _REASONS:
            if words in said:
                return reason
        return lines[-1][:300] if lines else "adb says nothing"

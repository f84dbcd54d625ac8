"""What ``--host`` names: a machine behind SSH, or an Android device behind adb."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devices.errors import DeviceError

ADB_PREFIX = "adb:"
#: Names go to ssh and, from the user's own configuration, through a shell (``ProxyCommand nc %h``): plain ones only.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_IPV6 = re.compile(r"[0-9A-Fa-f:]{2,45}(%[A-Za-z0-9._-]{1,40})?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}")
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_FORM = re.compile(r"(?:([^@]*)@)?(?:\[([^\]]*)\]|([^:\[\]@]*))(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Address:
    """A machine. ``kind`` is "ssh" or "adb"; ``host`` a name, an address, an alias of ~/.ssh/config, or a serial."""

    kind: str
    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        """For people, and what `parse_address` takes."""
        if self.kind == "adb":
            return ADB_PREFIX + self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


def parse_address(text: str) -> Address:
    """``jetson.local``, ``user@jetson.local:2222``, ``user@[fe80::1%eth0]`` or ``adb:SERIAL``.

    Raises:
        DeviceError: it is none of these, or a name has characters that no host or user name has.
    """
    if text.startswith(ADB_PREFIX):
        serial = text.removeprefix(ADB_PREFIX)
        if not _SERIAL.fullmatch(serial):
            raise _refused(text, "what follows adb: has to be a serial number as 'adb devices' lists it")
        return Address("adb", serial)
    match = _FORM.fullmatch(text)
    if match is None:
        raise _refused(text, "write it as HOST, USER@HOST, USER@HOST:PORT or adb:SERIAL")
    user, ipv6, host, port = match.groups()
    if user is not None and not _USER.fullmatch(user):
        raise _refused(text, "no user is called that")
    if ipv6 is not None:
        if not _IPV6.fullmatch(ipv6):
            raise _refused(text, "between the brackets has to be an IPv6 address")
    elif not _HOST.fullmatch(host):
        raise _refused(text, "no host is called that")
    if port is not None and not 1 <= int(port) <= 65535:
        raise _refused(text, "a port is a number from 1 to 65535")
    return Address("ssh", ipv6 or host, user, int(port) if port else None)


def _refused(text: str, reason: str) -> DeviceError:
    return DeviceError(f"--host {text[:100]!r}: {reason}")

"""Other machines: commands, files and facts of a device behind SSH or adb."""

from __future__ import annotations

from devices.remote.address import Address, parse_address
from devices.remote.answers import Facts, Finished, RemoteError, printable
from devices.remote.channel import ConnectionLost
from devices.remote.connection import Connection, connect
from devices.remote.machine_there import host_there, require_device
from devices.remote.packages import base_requirements, push_packages
from devices.remote.python_there import environment_python, prepare_python, versions
from devices.remote.sync import push

__all__ = [
    "Address",
    "Connection",
    "ConnectionLost",
    "Facts",
    "Finished",
    "RemoteError",
    "base_requirements",
    "connect",
    "environment_python",
    "host_there",
    "parse_address",
    "prepare_python",
    "printable",
    "push",
    "push_packages",
    "require_device",
    "versions",
]

"""What a device is: for now, the machine this process runs on."""

from __future__ import annotations

from devices.cpu import Cores, read_cores
from devices.errors import DeviceError
from devices.here import Machine, describe_this_machine
from devices.host import Host
from devices.load import STOLEN_SHARE, Load, Ticks, load_between, measure_load, read_ticks

__all__ = [
    "STOLEN_SHARE",
    "Cores",
    "DeviceError",
    "Host",
    "Load",
    "Machine",
    "Ticks",
    "describe_this_machine",
    "load_between",
    "measure_load",
    "read_cores",
    "read_ticks",
]

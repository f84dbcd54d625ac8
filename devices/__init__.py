"""What a device is: for now, the machine this process runs on."""

from __future__ import annotations

from .cpu import Cores, read_cores
from .errors import DeviceError
from .here import Machine, describe_this_machine
from .host import Host
from .load import Load, Ticks, load_between, measure_load, read_ticks

__all__ = [
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

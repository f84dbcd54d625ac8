"""What a device is: the machine this process runs on, and the devices of the catalogue, by name."""

from __future__ import annotations

from devices.cpu import Cores, read_cores
from devices.device import Device
from devices.errors import DeviceError
from devices.here import Machine, describe_this_machine
from devices.host import Host
from devices.identify import Match, identify_here
from devices.load import STOLEN_SHARE, Load, Ticks, load_between, measure_load, read_ticks
from devices.named_devices import device_names, load_device, read_devices

__all__ = [
    "STOLEN_SHARE",
    "Cores",
    "Device",
    "DeviceError",
    "Host",
    "Load",
    "Machine",
    "Match",
    "Ticks",
    "describe_this_machine",
    "device_names",
    "identify_here",
    "load_between",
    "load_device",
    "measure_load",
    "read_cores",
    "read_devices",
    "read_ticks",
]

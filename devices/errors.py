"""The one error this package raises for people to read."""

from __future__ import annotations


class DeviceError(Exception):
    """One clear line that says what is wrong with a device, or with a request about it, and what to do."""

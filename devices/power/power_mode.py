"""The power mode that somebody chose for the machine, by its own name."""

from __future__ import annotations

import re

from devices.host import Host


def read_power_mode(host: Host) -> str | None:
    """A Jetson's mode (``MAXN``, ``15W``), a PC's platform profile (``balanced``), None where there is none.

    ``nvpmodel -q`` only asks. Linux: Documentation/ABI/testing/sysfs-platform_profile.
    """
    found = re.search(r"^(?:.*: )?NV Power Mode:\s*(\S.*)$", host.run(("nvpmodel", "-q")) or "", re.MULTILINE)
    return found[1].strip() if found else host.read("sys/firmware/acpi/platform_profile") or None

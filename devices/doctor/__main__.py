"""``python -m devices.doctor``."""

from __future__ import annotations

import sys

from devices.doctor.cli import app
from devices.errors import DeviceError

if __name__ == "__main__":
    try:
        app(prog_name="python -m devices.doctor")
    except DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)

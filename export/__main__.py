"""``python -m export``."""

from __future__ import annotations

import sys

from devices.errors import DeviceError
from export.cli import app
from runtime.errors import UserError

if __name__ == "__main__":
    try:
        app(prog_name="python -m export")
    except (UserError, DeviceError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)

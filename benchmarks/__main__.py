"""``python -m benchmarks``."""

from __future__ import annotations

import sys

from benchmarks.cli import app
from devices.errors import DeviceError
from runtime.errors import UserError

if __name__ == "__main__":
    try:
        app(prog_name="python -m benchmarks")
    except (UserError, DeviceError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)

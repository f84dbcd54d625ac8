"""``python -m benchmarks.prediction``."""

from __future__ import annotations

import sys

from benchmarks.prediction.cli import app
from runtime.errors import UserError

if __name__ == "__main__":
    try:
        app(prog_name="python -m benchmarks.prediction")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)

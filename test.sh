#!/usr/bin/env bash
# Sets up .venv where it is missing and runs the tests; arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh
exec "${VENV:-.venv}/bin/python" -m pytest "$@"

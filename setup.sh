#!/usr/bin/env bash
# Makes .venv with everything that developing and trying brushlet takes. Safe to run again; a change of pyproject.toml
# installs again. PYTHON names another interpreter than the first supported one, VENV another place.
set -euo pipefail
cd "$(dirname "$0")"
venv=${VENV:-.venv}

supported='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))'
for python in ${PYTHON:-python3 python3.11 python3.12 python3.10}; do
    "$python" -c "$supported" 2>/dev/null && break
    python=
done
[ -n "$python" ] || { echo "error: Python 3.10, 3.11 or 3.12 is needed: PYTHON=/path/to/python $0" >&2; exit 1; }

if [ "$venv/installed" -nt pyproject.toml ]; then exit 0; fi
echo "== installing into $venv (a few minutes the first time)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
# torch goes first: where an index has a CPU build of a version in this range, pip takes it.
"$venv/bin/pip" install --quiet 'torch>=2.4,<2.14'
"$venv/bin/pip" install --quiet --editable '.[dev]'
touch "$venv/installed"

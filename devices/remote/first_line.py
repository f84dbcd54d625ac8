"""The one line that a device's login shell gets to see: it finds a Python that fits, which reads and runs the agent."""

from __future__ import annotations

import shlex

from devices.remote.answers import printable

#: The Pythons that brushlet supports: from the first up to, and not including, the second.
PYTHONS = ((3, 10), (3, 13))
_CANDIDATES = ("python3", *(f"python3.{minor}" for minor in range(PYTHONS[1][1] - 1, PYTHONS[0][1] - 1, -1)))
_NO_PYTHON_STATUS = 96
_NO_PYTHON = "brushlet-python:"


def first_line() -> str:
    """One line for any login shell: it looks for a Python that fits, and has that read and run the agent.

    Constant, so nothing in it needs quoting; names and paths travel as JSON, after the agent.
    """
    first, end = PYTHONS
    fits = f"import sys; sys.exit(not {first} <= sys.version_info[:2] < {end})"
    begin = "import sys; i = sys.stdin.buffer; exec(i.read(int(i.readline())))"
    tries = f'"$p" -I -c "{fits}" 2>/dev/null && exec "$p" -I -c "{begin}"'
    excuse = f'echo "{_NO_PYTHON} $(python3 --version 2>&1)" >&2; exit {_NO_PYTHON_STATUS}'
    script = f"for p in {' '.join(_CANDIDATES)}; do {tries}; done; {excuse}"
    return f"exec sh -c {shlex.quote(script)}"


def why_no_python(status: int, said: str) -> str | None:
    """What is wrong with the device's Python, from how the line ended and what it printed; None if it is not that."""
    found = next((line for line in said.splitlines() if line.startswith(_NO_PYTHON)), None)
    if status != _NO_PYTHON_STATUS or found is None:
        return None
    version = printable(found.removeprefix(_NO_PYTHON).strip())
    has = f"has {version}" if version.startswith("Python ") else "has no python3"
    first, end = PYTHONS
    return (
        f"{has}; brushlet needs Python {first[0]}.{first[1]} to {end[0]}.{end[1] - 1} "
        "(JetPack 6 and Raspberry Pi OS 12 bring one)"
    )

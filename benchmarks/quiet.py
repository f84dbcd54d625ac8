"""A machine that others keep busy: wait for it, for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from devices import Load, measure_load

#: So many looks in a row must find nothing: other work pauses for moments.
QUIET_LOOKS = 3


def wait_until_quiet(
    seconds: float,
    tell: Callable[[str], None],
    look: Callable[[], Load] = measure_load,
    clock: Callable[[], float] = time.monotonic,
) -> Load:
    """Look at the machine until it is quiet, for at most ``seconds`` seconds; returns the last look.

    With 0 seconds it looks once. ``tell`` gets a line when there is something to wait for.
    """
    deadline, quiet, told = clock() + seconds, 0, False
    while True:
        load = look()
        reasons = load.warnings()
        quiet = 0 if reasons else quiet + 1
        if seconds <= 0 or quiet >= QUIET_LOOKS or clock() >= deadline:
            return load
        if reasons and not told:
            tell(f"waiting up to {seconds:g} s for a quiet machine: {reasons[0]}")
            told = True

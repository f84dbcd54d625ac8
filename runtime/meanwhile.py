"""Work in a second thread while the caller waits for something else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Meanwhile:
    """Begins work in a thread of its own, where more than one thread is wanted; usable from several threads.

    The thread starts with the first work, and `close` ends it.

    Args:
        threads: how many may work at once, the caller's included; None is one per core.
    """

    def __init__(self, threads: int | None) -> None:
        several = (os.cpu_count() or 1 if threads is None else threads) > 1
        self._pool = ThreadPoolExecutor(1, "meanwhile") if several else None
        self._lock = threading.Lock()

    def begin(self, work: Callable[[], Result]) -> Callable[[], Result]:
        """What gives the work's result, or raises what the work raises; to be called once.

        Work that has not begun by then, because there is no thread or it is busy, is done by whoever calls it.
        """
        with self._lock:
            if self._pool is None:
                return work
            begun = self._pool.submit(work)
        return lambda: work() if begun.cancel() else begun.result()

    def close(self) -> None:
        """End the thread when it has done what it has begun; later work is done by whoever wants its result."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

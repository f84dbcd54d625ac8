"""Several pictures at once: the graphs take one picture each, so a batch is as many calls in flight."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MOST_TOGETHER = 64


def together(call: Callable[[], object], batch: int) -> Callable[[], object]:
    """A callable that makes ``batch`` calls at the same time, from as many threads, and returns when all are done.

    The calls share the engine's worker threads. It raises what a call raises. One call at a time is the call itself.
    """
    if batch == 1:
        return call
    pool = ThreadPoolExecutor(batch, thread_name_prefix="picture")

    def all_at_once() -> None:
        for waiting in [pool.submit(call) for _ in range(batch)]:
            waiting.result()

    return all_at_once

"""Three stages at once: items are read, worked on and written in threads of their own, in order, few at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Channel(Generic[Item]):
    """A queue of bounded length between two threads, which either end can close."""

    def __init__(self, length: int) -> None:
        self._items: deque[Item] = deque()
        self._length = length
        self._changed = threading.Condition()
        self._closed = self._abandoned = False

    def put(self, item: Item) -> bool:
        """Wait for room and add the item; False if nobody will take it any more."""
        with self._changed:
            while len(self._items) >= self._length and not self._abandoned:
                self._changed.wait()
            if self._abandoned:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """The giver is done: what is in the queue still comes out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """The taker is done: what is in the queue is dropped, and whoever waits to put is let go."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                while not self._items and not self._closed and not self._abandoned:
                    self._changed.wait()
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def overlap(
    source: Iterable[Item], work: Callable[[Item], Result], sink: Callable[[Result], None], length: int = 8
) -> None:
    """Call ``sink(work(item))`` for every item: `source` and `sink` in a thread each, `work` in the caller's.

    At most `length` items wait before and after `work`. Whatever `source`, `work` or `sink` raises stops all three, and
    is raised once both threads have ended. After a KeyboardInterrupt, `sink` still gets the results that are ready, so
    that what was worked on is written; a second one gives these up.
    """
    items: Channel[Item] = Channel(length)
    results: Channel[Result] = Channel(length)
    errors: list[BaseException] = []

    def read() -> None:
        try:
            for item in source:
                if not items.put(item):
                    return
        except BaseException as error:
            errors.append(error)
        finally:
            items.close()

    def write() -> None:
        try:
            for result in results:
                sink(result)
        except BaseException as error:
            errors.append(error)
        finally:
            results.abandon()

    reader = threading.Thread(target=read, name="read video", daemon=True)
    writer = threading.Thread(target=write, name="write video", daemon=True)
    reader.start()
    writer.start()
    try:
        for item in items:
            if not results.put(work(item)):
                break
    except KeyboardInterrupt:
        items.abandon()
        results.close()
        writer.join()
        raise
    except BaseException:
        results.abandon()
        raise
    finally:
        items.abandon()
        results.close()
        reader.join()
        writer.join()
    if errors:
        raise errors[0]

"""Reading, painting and writing of different pictures at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

from runtime.errors import UserError

Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")

#: So many pictures are held read and not painted, and as many painted and not written.
AHEAD = 2


class Overlapped(Generic[Item, Read]):
    """Reads items ahead in threads; `run` paints them in the calling thread, and what is left goes to a thread again.

    Usable as a context manager: leaving it early gives up what has not begun.

    Args:
        read: what is done with an item first.
    """

    def __init__(self, read: Callable[[Item], Read], items: Sequence[Item]) -> None:
        self._read, self._items = read, items
        self._readers, self._writers = ThreadPoolExecutor(AHEAD, "reader"), ThreadPoolExecutor(1, "writer")

    def run(
        self,
        paint: Callable[[Item, Read], Callable[[], Result]],
        settle: Callable[[Item, Future[Result]], None],
    ) -> None:
        """Paint all items in their order.

        Args:
            paint: returns what is left to do.
            settle: told of each item, in their order, when that is done or a `UserError` was raised on the way.
        """
        coming = deque(self._readers.submit(self._read, item) for item in self._items[: AHEAD + 1])
        going: deque[tuple[Item, Future[Result]]] = deque()
        for index, item in enumerate(self._items):
            going.append((item, self._painted(paint, item, coming.popleft())))
            if index + AHEAD + 1 < len(self._items):
                coming.append(self._readers.submit(self._read, self._items[index + AHEAD + 1]))
            while len(going) > AHEAD or (going and going[0][1].done()):
                settle(*going.popleft())
        for item, written in going:
            settle(item, written)

    def _painted(
        self, paint: Callable[[Item, Read], Callable[[], Result]], item: Item, read: Future[Read]
    ) -> Future[Result]:
        try:
            return self._writers.submit(paint(item, read.result()))
        except UserError as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed

    def __enter__(self) -> Overlapped[Item, Read]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self._readers, self._writers):
            pool.shutdown(cancel_futures=True)

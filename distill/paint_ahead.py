"""A slow teacher's pictures of a run, painted before it starts: in several processes, and on several machines."""

from __future__ import annotations

import copy
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from distill.evaluate import held_back_pairs
from distill.kept_teacher import KeptTeacher
from distill.run_pictures import EVALUATION_SIZE, Pictures
from distill.samples import Samples, to_tensor
from runtime.errors import UserError

#: Content and style, each (1, 3, H, W).
Pair = tuple[Tensor, Tensor]
#: Pairs per process that wait for one to be free.
QUEUED = 2


@dataclass(frozen=True)
class Share:
    """One of ``of`` parts of the pictures, from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """'2/8' is the second of eight; ``UserError`` for other texts."""
        numbers = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        share = cls(*map(int, numbers.groups())) if numbers else cls(0, 0)
        if not 1 <= share.number <= share.of:
            raise UserError(f"--teacher-shard {text}: write which share of how many, from 1/8 to 8/8 of eight")
        return share


class RunPairs(Sequence[Pair]):
    """Every pair that a run asks its teacher to paint: those it trains on, then ``judged`` held-back ones."""

    def __init__(self, samples: Samples, pictures: Pictures, judged: int):
        self.samples = samples
        self.held = list(held_back_pairs(pictures.held_content, pictures.held_style, judged, EVALUATION_SIZE))

    def __len__(self) -> int:
        return self.samples.settings.pairs + len(self.held)

    def __getitem__(self, index: int) -> Pair:
        trained = self.samples.settings.pairs
        if index >= trained:
            return self.held[index - trained]
        content, style = self.samples.pair(index)
        return to_tensor([content]), to_tensor([style])


def paint_ahead(
    teacher: KeptTeacher,
    pairs: Sequence[Pair],
    console: Console,
    share: Share | None = None,
    processes: int | None = None,
) -> int:
    """Have all ``pairs`` of a share painted that are not on disk yet; how many these were.

    ``processes``: how many paint at once, by default one per core, and one for a network on an accelerator. Ctrl-C lets
    the pictures that are being painted be finished, and raises ``KeyboardInterrupt``.

    Raises:
        UserError: the teacher cannot paint one of them, or it cannot be written.
    """
    missing = unpainted(teacher, pairs, share or Share())
    if not missing:
        return 0
    processes = min(processes or usual_processes(teacher), len(missing))
    with progress(console, len(missing), teacher.name) as advance:
        if processes == 1:
            for index in missing:
                teacher.stylize(*pairs[index])
                advance()
        else:
            in_processes(copy.deepcopy(teacher).cpu(), (pairs[index] for index in missing), processes, advance)
    return len(missing)


def unpainted(teacher: KeptTeacher, pairs: Sequence[Pair], share: Share) -> list[int]:
    """Numbers of the pairs of a share that are not on disk; of pairs with one picture the last."""
    missing = {}
    for index in range(share.number - 1, len(pairs), share.of):
        content, style = pairs[index]
        if not teacher.holds(content, style):
            missing[teacher.files(content, style)[0]] = index
    return list(missing.values())


def usual_processes(teacher: KeptTeacher) -> int:
    """One per core, but a network on an accelerator has that to itself."""
    return 1 if any(weight.device.type != "cpu" for weight in teacher.parameters()) else cores()


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def progress(console: Console, total: int, name: str) -> Iterator[Callable[[], None]]:
    """A bar with the time that is left; yields what tells it that a picture is done. A line where nobody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    if not console.is_terminal:
        console.print(f"{name} paints {total} pictures, which are kept", markup=False, highlight=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{name} paints", total=total)
        yield lambda: bar.advance(task)


def in_processes(teacher: KeptTeacher, pairs: Iterable[Pair], processes: int, advance: Callable[[], None]) -> None:
    """Paint ``pairs`` in as many processes, each on its part of the cores; ``advance()`` after each picture."""
    setup = teacher, max(1, cores() // processes)
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), begin_painting, setup)
    waiting: set[Future] = set()
    try:
        for pair in pairs:
            if len(waiting) >= QUEUED * processes:
                waiting = collected(waiting, advance)
            waiting.add(pool.submit(paint, *(picture.numpy() for picture in pair)))
        while waiting:
            waiting = collected(waiting, advance)
    except BrokenProcessPool as error:
        raise UserError(
            "a process that painted was ended, perhaps for want of memory: try fewer --teacher-processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def collected(waiting: set[Future], advance: Callable[[], None]) -> set[Future]:
    """What still waits when at least one is done; raises what went wrong with it."""
    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
        advance()
    return waiting


def begin_painting(teacher: KeptTeacher, threads: int) -> None:
    """Make this process one that paints: Ctrl-C is the parent's to deal with, and it does not outlive that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    global _teacher
    _teacher = teacher


def end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def paint(content: np.ndarray, style: np.ndarray) -> None:
    """Paint and keep one pair, (1, 3, H, W) arrays."""
    _teacher.stylize(torch.from_numpy(content), torch.from_numpy(style))

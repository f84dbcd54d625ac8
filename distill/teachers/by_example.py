"""What the teachers before neural networks have in common: no weights, one picture at a time, seconds for each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from distill.teachers.teacher import Teacher

LICENCE = "a method without weights; students are subject to the terms of their style pictures"


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Thousands of small steps, which threads would only wait for; in 32 bits, for differences of near pixels."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_num_threads(threads)


class ByExampleTeacher(Teacher):
    """A method that takes a picture apart and puts it together again as another.

    Subclasses write ``transfer``; ``how`` is a dataclass with the method's numbers, which pictures are filed under.
    The same pictures give the same picture, whatever they come with: all randomness follows from :data:`SEED`.
    """

    slow = True
    #: Goes up when a method changes: pictures that were kept are then painted again.
    REVISION = 1
    SEED = 1999

    def __init__(self, description: str, how: Any):
        super().__init__(description, LICENCE)
        self.how = how

    def transfer(self, content: Tensor, style: Tensor) -> Tensor:
        """``content`` (H, W, 3) in the style of ``style`` (h, w, 3), float32 in [0, 1]."""
        raise NotImplementedError

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """As every teacher; on the CPU, for pixels that wait for pixels keep no accelerator busy."""
        pairs = zip(content.cpu().float(), style.cpu().float(), strict=True)
        with in_one_thread():
            painted = [self.transfer(c.permute(1, 2, 0), s.permute(1, 2, 0)).permute(2, 0, 1) for c, s in pairs]
        return torch.stack(painted).to(content.device)

    def random(self) -> torch.Generator:
        """A fresh source of randomness, the same for every picture."""
        return torch.Generator().manual_seed(self.SEED)

    def fingerprint(self) -> str:
        """That of its pictures, if it has any, and of the method's numbers."""
        return hashlib.sha256(f"{super().fingerprint()} {self.REVISION} {self.how}".encode()).hexdigest()[:16]

"""Which pictures training never sees."""

from __future__ import annotations

import zlib
from pathlib import PurePath

HELD_BACK_ONE_IN = 5


def is_held_back(name: str | PurePath) -> bool:
    """Whether the picture `name` is kept for evaluation.

    It depends on the file stem alone, so every run, every machine and every tool agree, and a picture keeps
    its place when others are added or the folder moves.
    """
    return zlib.crc32(PurePath(name).stem.encode()) % HELD_BACK_ONE_IN == 0

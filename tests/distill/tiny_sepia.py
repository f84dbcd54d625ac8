"""The module of `--teacher sepia`, a teacher of one style; see `tests.distill.tiny`."""

from __future__ import annotations

from pathlib import Path

from tests.distill.tiny import Sepia


def load(weights: str | Path | None) -> Sepia:
    return Sepia()

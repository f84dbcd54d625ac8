"""Fixtures of the fuzz tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.watched import Watched


@pytest.fixture(scope="module")
def worker() -> Iterator[Watched]:
    """A process for what may crash; started when it is first used."""
    with Watched() as watched:
        yield watched

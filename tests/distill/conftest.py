"""Fixtures of the distillation's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from tests.distill import tiny


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny networks are faster so, and add up in the same order as the processes that tests start."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def own_accelerator():
    """accelerate keeps one state per process and refuses another precision; here each file of tests has its own."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos` and `paintings`, four each, some of each held back."""
    folder = tmp_path_factory.mktemp("pictures")
    tiny.draw_folder(folder / "photos", "photo", 4)
    tiny.draw_folder(folder / "paintings", "painting", 4, first=100)
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Everything that `tiny.install` makes small, and a cache in `tmp_path/cache`, which is returned."""
    tiny.install(monkeypatch.setattr)
    monkeypatch.setenv("BRUSHLET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"

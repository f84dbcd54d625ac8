"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

import runtime  # noqa: F401 (before any test imports onnxruntime: it keeps telemetry from being sent)

# A loaded machine is no reason to fail.
settings.register_profile("brushlet", deadline=None)
settings.load_profile("brushlet")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The optional data folder: $BRUSHLET_DATA, else ../shared/data beside the repository; skips where it is absent."""
    named = os.environ.get("BRUSHLET_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the optional data folder (BRUSHLET_DATA); {folder} is absent")
    return folder


# A shell starts background jobs with Ctrl-C ignored, which the processes that tests interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

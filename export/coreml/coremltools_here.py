"""coremltools, imported when it is needed and without the chatter about what this platform lacks."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from types import ModuleType

from runtime.errors import UserError

_OLDEST, _NEWEST = (8, 1), (10, 0)
_HINT = "pip install 'brushlet[coreml]'"


@contextmanager
def quietly() -> Iterator[None]:
    """Run a block of coremltools without its progress bars, and without its warnings.

    It warns that this torch is untested with it, that Core ML itself is missing on Linux, and that tracing fixes the
    batch of 1: the first is answered by parity measurements, the others are meant.
    """
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def coremltools() -> ModuleType:
    """The package.

    Raises:
        UserError: it is absent, of a version that is not supported, or without its native part on this platform.
    """
    try:
        with quietly():
            package = import_module("coremltools")
    except ImportError as error:
        raise UserError(f"Core ML packages need coremltools: {_HINT} ({error})") from error
    version = tuple(int(part) for part in re.findall(r"\d+", package.__version__)[:2])
    if not _OLDEST <= version < _NEWEST:
        raise UserError(f"coremltools {package.__version__} is not supported: {_HINT}")
    return package


def require_writer() -> None:
    """Pass if packages can be written on this platform; reading them needs less.

    Raises:
        UserError: coremltools comes without its native part here (Windows, Linux on ARM).
    """
    coremltools()
    try:
        for name in ("libmilstoragepython", "libmodelpackage"):
            import_module(f"coremltools.{name}")
    except ImportError as error:
        raise UserError(
            "coremltools cannot write Core ML packages on this platform: export them on Linux x86-64 or on a Mac"
        ) from error

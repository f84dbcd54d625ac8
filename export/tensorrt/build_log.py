"""What TensorRT's builder says, kept instead of printed: the errors for the user, and some numbers."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

_PLACES = re.compile(r"\s*\(?\s*In \w+ at /\S+\)?")
_MOST_TEXT, _MOST_WARNINGS = 300, 20
#: Sizes in bytes that the builder reports at the end.
_SIZES = {
    "weights_bytes": re.compile(r"Total Weights Memory: (\d+) bytes"),
    "activation_bytes": re.compile(r"Total Activation Memory: (\d+) bytes"),
}


class Heard:
    """What was said.

    Attributes:
        errors, warnings: one line each, in order.
        sizes: bytes of weights and of activations, where they were told.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.sizes: dict[str, int] = {}

    @property
    def reason(self) -> str:
        """The first error in brackets, for the end of a message; empty if there was none."""
        return f" ({self.errors[0]})" if self.errors else ""

    def note_sizes(self, message: str) -> None:
        """Keep the sizes in an ordinary message."""
        for name, pattern in _SIZES.items():
            if match := pattern.search(message):
                self.sizes[name] = int(match[1])


def make_logger(trt: ModuleType, heard: Heard) -> Any:
    """A logger of that TensorRT which fills ``heard``."""
    errors = (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR)

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in errors:
                heard.errors.append(one_line(message))
            elif severity == trt.ILogger.WARNING and len(heard.warnings) < _MOST_WARNINGS:
                heard.warnings.append(one_line(message))
            elif severity == trt.ILogger.INFO:
                heard.note_sizes(message)

    return Logger()


def one_line(message: str) -> str:
    """The message without line breaks and without places in TensorRT's own source."""
    return _PLACES.sub("", " ".join(message.split()))[:_MOST_TEXT]

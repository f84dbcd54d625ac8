"""Numbers and sizes as people read them."""

from __future__ import annotations

from benchmarks.labels import counted
from benchmarks.measurements import SizeResult
from benchmarks.record import Record


def heading(record: Record, result: SizeResult) -> str:
    """The size of a result, and the numbers of threads and of pictures at once where there are several."""
    size = f"{result.width}x{result.height}"
    plain = len(record.settings.threads) == 1 and result.batch == 1
    return size if plain else f"{size}, {counted(result.threads, result.batch)}"


def short(number: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def times(number: float) -> str:
    """A ratio, without its "x"."""
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"

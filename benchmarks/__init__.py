"""How fast a bundle is, and how much that can be trusted: measurements in isolated processes, kept as records."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.bench_bundle import bench
    from benchmarks.entrants import Request
    from benchmarks.prediction.prediction import Prediction, read_prediction
    from benchmarks.record import Record, RecordError, read_record

_HOMES = {
    "Prediction": "benchmarks.prediction.prediction",
    "Record": "benchmarks.record",
    "RecordError": "benchmarks.record",
    "Request": "benchmarks.entrants",
    "bench": "benchmarks.bench_bundle",
    "read_prediction": "benchmarks.prediction.prediction",
    "read_record": "benchmarks.record",
}

__all__ = ["Prediction", "Record", "RecordError", "Request", "bench", "read_prediction", "read_record"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

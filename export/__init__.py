"""A checkpoint becomes a bundle that a device runs.

Importing this package costs nothing; each name is loaded when it is first used, and brings torch and onnx then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.compact_weights import compact_weights
    from export.graphs import StudentGraph, student_graphs
    from export.parity import measure_parity
    from export.teacher_runner import teacher_callable
    from export.to_bundle import FORMATS, Exported, export_bundle
    from export.to_onnx import to_onnx

_HOMES = {
    "FORMATS": "export.to_bundle",
    "Exported": "export.to_bundle",
    "StudentGraph": "export.graphs",
    "compact_weights": "export.compact_weights",
    "export_bundle": "export.to_bundle",
    "measure_parity": "export.parity",
    "student_graphs": "export.graphs",
    "teacher_callable": "export.teacher_runner",
    "to_onnx": "export.to_onnx",
}

__all__ = [
    "FORMATS",
    "Exported",
    "StudentGraph",
    "compact_weights",
    "export_bundle",
    "measure_parity",
    "student_graphs",
    "teacher_callable",
    "to_onnx",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

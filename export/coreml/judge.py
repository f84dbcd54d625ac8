"""Who runs a saved package: Core ML itself on a Mac, the reference evaluator everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from export.coreml.coremltools_here import coremltools, quietly
from export.coreml.mil_evaluator import MilEvaluator
from runtime.errors import UserError


class Judge(Protocol):
    """Runs one package. ``name`` says in records which of the two it was."""

    name: str

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name; pictures are uint8 (H, W, 3) RGB on both sides, all else are arrays of numbers."""
        ...


class CoreMlJudge:
    """Core ML's own predict. Written to coremltools' documentation; not yet seen on a Mac."""

    name = "coremltools predict on macOS"

    def __init__(self, package: Path) -> None:
        with quietly():
            try:
                self._model: Any = coremltools().models.MLModel(str(package))
            except (RuntimeError, OSError) as error:
                raise UserError(f"Core ML cannot load {package}: {str(error).splitlines()[0][:200]}") from error

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {name: Image.fromarray(x) if x.dtype == np.uint8 else x.astype(np.float32) for name, x in feeds.items()}
        found = self._model.predict(given)
        return {name: _array(value) for name, value in found.items()}


def open_judge(package: Path) -> Judge:
    """Core ML on a Mac, else the reference evaluator.

    Raises:
        UserError: the package cannot be loaded.
    """
    return CoreMlJudge(package) if sys.platform == "darwin" else MilEvaluator(package)


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.convert("RGB")) if isinstance(value, Image.Image) else np.asarray(value)

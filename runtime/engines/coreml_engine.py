"""Core ML on a Mac: runs a painter's .mlpackage through coremltools.

The package takes a style code, the content's statistics and a strength, and does AdaIN's arithmetic itself
(`docs/coreml.md`). A painter is given scales and shifts here; both are the same if the statistics say that every
channel of the content has mean 0 and deviation 1: then the code's deviations are the scales, and its means the shifts.

Not yet seen on a real Mac: built to coremltools' documentation and tested with packages that the export's reference
evaluator runs in Core ML's place.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor
from runtime.tiles import SizeRange

_CONTENT, _PICTURE = "content", "picture"
_CODE, _STATS, _STRENGTH = "style_code", "content_stats", "strength"
#: coremltools' names by ours.
COMPUTE_UNITS = {"all": "ALL", "cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "neural-engine": "CPU_AND_NE"}


class CoreMlEngine:
    """A painter in Core ML. `run` may be called from several threads; they take turns.

    Args:
        path: the .mlpackage directory.
        threads: accepted for the sake of the other engines; Core ML has its own.
        compute_units: "all", "cpu", "gpu" (and CPU) or "neural-engine" (and CPU).

    Raises:
        UserError: this is no Mac, coremltools is missing, or Core ML cannot load the package.
    """

    takes_bytes = True

    def __init__(self, path: Path, threads: int | None = None, compute_units: str = "all") -> None:
        if threads is not None and threads < 1:
            raise UserError(f"threads must be 1 or more, not {threads}")
        if compute_units not in COMPUTE_UNITS:
            raise UserError(f"compute_units must be one of {', '.join(COMPUTE_UNITS)}, not {compute_units!r}")
        if sys.platform != "darwin":
            raise UserError(
                "Core ML runs on macOS only: choose --engine onnxruntime, which reads the bundle's ONNX graphs"
            )
        try:
            coremltools = import_module("coremltools")
        except ImportError as error:
            raise UserError(f"coremltools cannot be imported ({error}): pip install coremltools") from error
        self._path = path
        self._lock = threading.Lock()
        try:
            units = getattr(coremltools.ComputeUnit, COMPUTE_UNITS[compute_units])
            self._model = coremltools.models.MLModel(str(path), compute_units=units)
            described = self._model.get_spec().description
        except Exception as error:  # coremltools passes on whatever Core ML says
            raise UserError(f"Core ML cannot load {path}: {_first_line(error)}") from error
        self._inputs = {feature.name: feature.type for feature in described.input}
        if _CONTENT not in self._inputs:
            raise UserError(f"{path} is no painter: it takes {', '.join(self._inputs) or 'nothing'}")

    @property
    def content_sizes(self) -> tuple[SizeRange, ...]:
        """The heights and widths of pictures that the package takes."""
        image = self._inputs[_CONTENT].imageType
        sizes = list(image.enumeratedSizes.sizes) or [image]
        return tuple(SizeRange((size.height, size.width), (size.height, size.width)) for size in sizes)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The picture, float32 (1, 3, H, W) in [0, 1], for content and affine; the content is rounded to 8 bits.

        Both may be bytes instead: see `runtime.engines.Engine`.

        Raises:
            UserError: scale or shift are maps, the feeds do not fit, or Core ML fails on them.
            ValueError: the engine is closed.
        """
        content = feeds[_CONTENT]
        in_bytes = content.dtype == np.uint8
        given: dict[str, Any] = {_CONTENT: Image.fromarray(content[0] if in_bytes else to_picture(content))}
        if _CODE in self._inputs:
            given |= self._style(feeds)
        with self._lock:
            if self._model is None:
                raise ValueError(f"the engine of {self._path} is closed")
            try:
                painted = self._model.predict(given)[_PICTURE]
            except Exception as error:
                raise UserError(f"Core ML failed on {self._path}: {_first_line(error)}") from error
        picture = np.array(painted.convert("RGB"))
        return {_PICTURE: picture[None] if in_bytes else to_tensor(picture)}

    def _style(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        sites = range(sum(name.startswith("scale_") for name in feeds))
        pairs = [(feeds[f"shift_{site}"], feeds[f"scale_{site}"]) for site in sites]
        if any(array.shape[2:] != (1, 1) for pair in pairs for array in pair):
            raise UserError(
                "Core ML's packages take one style for the whole picture: --engine onnxruntime paints regions"
            )
        code = np.stack([np.concatenate([pair[row].ravel() for pair in pairs]) for row in (0, 1)])
        neutral = np.stack([np.zeros_like(code[0]), np.ones_like(code[0])])
        return {
            _CODE: code[None].astype(np.float32),
            _STATS: neutral[None].astype(np.float32),
            _STRENGTH: np.ones(1, np.float32),
        }

    def close(self) -> None:
        """Free the model."""
        with self._lock:
            self._model = None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]

"""Where the subject of a photo is, according to a segmentation model that the user brings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runtime.engines import PLAIN_ENGINE, open_engine
from runtime.errors import UserError
from runtime.framing import resize
from runtime.onnx_check import OnnxRefused, check_onnx

#: Bounds far above the models that make sense beside a student.
MAX_MODEL_BYTES = 256 * 2**20
DEFAULT_SIDE = 320
MAX_SIDE = 1024
#: What ImageNet models expect of RGB in 0..1.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_MAX_CLASSES = 1000


class Segmenter:
    """A segmentation model as ONNX.

    Its one input is float32 (1, 3, H, W): RGB, normalised by ImageNet's mean and deviation, at the size that the graph
    fixes, or at 320x320. Its first output is float32 (1, 1, h, w), the subject's probability or its logit, or
    (1, K, h, w), scores of K classes of which the first is the background, such as U²-Net's and DeepLab's.

    Args:
        path: the .onnx file. It is checked like a student's before an engine reads it (`runtime.onnx_check`).

    Raises:
        UserError: the file is missing, too large, holds what no such model needs, or has other inputs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if not path.is_file():
                raise UserError(f"there is no model {path}")
            if path.stat().st_size > MAX_MODEL_BYTES:
                raise UserError(f"{path} is larger than {MAX_MODEL_BYTES // 2**20} MiB: choose a smaller model")
            check_onnx(path)
        except OnnxRefused as refused:
            raise UserError(f"{path} {refused}") from refused
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path}: {error}") from error
        self._engine = open_engine(PLAIN_ENGINE, path)
        shapes = self._engine.inputs  # type: ignore[attr-defined]
        if len(shapes) != 1:
            raise UserError(f"{path} takes {len(shapes)} inputs: a segmentation model takes the photo alone")
        self._input, shape = next(iter(shapes.items()))
        sides = [side if isinstance(side, int) else DEFAULT_SIDE for side in shape[2:]]
        if len(shape) != 4 or shape[1] not in (3, None) or not all(1 <= side <= MAX_SIDE for side in sides):
            raise UserError(f"{path} takes {shape}: a segmentation model takes (1, 3, H, W), up to {MAX_SIDE} pixels")
        self._size = sides[0], sides[1]

    def mask(self, photo: np.ndarray) -> np.ndarray:
        """Where the subject is: uint8 (H, W) of the photo's shape, which is uint8 (H, W, 3).

        Raises:
            UserError: the model fails, or gives something else.
        """
        small = resize(photo, *self._size).astype(np.float32) / 255
        planes = np.ascontiguousarray(((small - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None])
        scores = next(iter(self._engine.run({self._input: planes}).values()))
        if scores.ndim != 4 or scores.shape[0] != 1 or not 1 <= scores.shape[1] <= _MAX_CLASSES:
            raise UserError(f"{self._path} gives an array {scores.shape} instead of (1, classes, H, W)")
        if not np.isfinite(scores).all():
            raise UserError(f"{self._path} gives numbers that are not finite")
        return resize(np.rint(255 * _subject(scores[0].astype(np.float32))).astype(np.uint8), *photo.shape[:2])


def _subject(scores: np.ndarray) -> np.ndarray:
    """(K, h, w) -> probability of the subject, (h, w)."""
    if len(scores) > 1:
        shifted = np.exp(scores - scores.max(0))
        return 1 - shifted[0] / shifted.sum(0)
    if scores.min() >= 0 and scores.max() <= 1:
        return scores[0]
    return 1 / (1 + np.exp(-np.clip(scores[0], -60, 60)))

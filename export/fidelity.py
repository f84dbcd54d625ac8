"""How far a reduced precision moves the picture: the whole pipeline, on pairs that nothing was tuned with.

The graphs of two precisions paint the same pairs in ONNX Runtime as the runtime does, from the style picture and the
thumbnail to the picture without its margin, clipped to [0, 1].
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log10
from typing import Any

import numpy as np
import onnx
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from export.calibration import Feeds, Pair, affine_feeds, codes_of, content_tensor, thumbnail_tensor
from export.onnx_session import open_session
from export.parity import PSNR_OF_EQUALS
from runtime.bundle import StudentInfo

#: Graphs by role: "paint", and "style" and "measure" unless one style is folded in.
Models = Mapping[str, onnx.ModelProto]
#: Width of the strip along the picture's border that is compared with its inside, in pixels.
BORDER = 16
#: By how much a single pair may miss what all pairs together have to reach, in dB.
WORST_BELOW = 10.0


@dataclass(frozen=True)
class Gate:
    """What a precision has to reach: ``psnr`` in dB at least, and at most ``shift`` of a channel's mean (of 1).

    No pair may stay more than `WORST_BELOW` under it.
    """

    psnr: float
    shift: float

    def __str__(self) -> str:
        return f"psnr >= {self.psnr:g}, mean shift <= {self.shift * 255:g}/255"


@dataclass(frozen=True)
class Fidelity:
    """Pictures of a precision against float32's, over all pairs; a picture's range is 1.

    Attributes:
        psnr: of the mean squared error over all pairs, in dB: a spoiled pair counts, however good the others are.
        mean_psnr, worst_psnr: mean and least of the pairs' own PSNR, in dB.
        worst_pair: its number.
        ssim, worst_ssim: structural similarity, mean and least.
        mean_shift: R, G, B: by how much the mean over all pairs moved.
        worst_shift: largest move of one channel's mean in one pair, without sign.
        border_rms, inside_rms: root mean square error in the outer `BORDER` pixels and within.
        max_abs_error: largest difference of one number.
        pairs: how many were painted.
    """

    psnr: float
    mean_psnr: float
    worst_psnr: float
    worst_pair: int
    ssim: float
    worst_ssim: float
    mean_shift: tuple[float, float, float]
    worst_shift: float
    border_rms: float
    inside_rms: float
    max_abs_error: float
    pairs: int

    def passes(self, gate: Gate) -> bool:
        return (
            self.psnr >= gate.psnr
            and self.worst_psnr >= gate.psnr - WORST_BELOW
            and max(map(abs, self.mean_shift)) <= gate.shift
        )

    def __str__(self) -> str:
        shift = max(map(abs, self.mean_shift)) * 255
        return f"{self.psnr:.1f} dB (worst pair {self.worst_psnr:.1f}), mean shift {shift:.2f}/255"

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON, rounded to what differs between machines for a reason."""
        return {key: _rounded(value) for key, value in asdict(self).items()}


class Judge:
    """Compares graphs with ``reference`` on ``pairs``, whose pictures it paints once.

    Args:
        student: describes both students; see `export.graphs.student_info`.
        threads: of ONNX Runtime; 0 is one per core.
    """

    def __init__(self, reference: Models, pairs: Sequence[Pair], student: StudentInfo, threads: int = 0) -> None:
        self._pairs, self._student, self._threads = tuple(pairs), student, threads
        self._front: dict[str, list[Feeds]] = {}
        self._expected = self._pictures(reference)

    def fidelity(self, models: Models) -> Fidelity:
        """All that can be said about the graphs' pictures."""
        return _compared(self._expected, self._pictures(models))

    def psnr(self, models: Models) -> float:
        """`Fidelity.psnr` alone, which is faster."""
        return decibels(float(np.mean(self._errors(models))))

    def spoiled(self, models: Models, gate: Gate) -> bool:
        """Whether a single pair stays more than `WORST_BELOW` under the gate."""
        return decibels(max(self._errors(models))) < gate.psnr - WORST_BELOW

    def _errors(self, models: Models) -> list[float]:
        return [_mse(a, b) for a, b in zip(self._expected, self._pictures(models), strict=True)]

    def _pictures(self, models: Models) -> list[np.ndarray]:
        """(1, 3, H, W) per pair."""
        session = open_session(models["paint"], self._threads)
        pictures = []
        for pair, affine in zip(self._pairs, self._affines(models), strict=True):
            content, (rows, columns) = content_tensor(pair.content, self._student.size_multiple)
            picture = session.run(None, {"content": content, **affine})[0]
            pictures.append(np.clip(picture[:, :, rows, columns], 0, 1))
        return pictures

    def _affines(self, models: Models) -> list[Feeds]:
        """Scales and shifts per pair; kept, because candidates mostly differ in their paint graphs alone."""
        if self._student.fixed_style:
            return [{} for _ in self._pairs]
        graphs = [models[role].SerializeToString(deterministic=True) for role in ("style", "measure")]
        key = hashlib.sha256(b"".join(graphs)).hexdigest()
        if key not in self._front:
            self._front[key] = self._measured(models)
        return self._front[key]

    def _measured(self, models: Models) -> list[Feeds]:
        encode, measure = (_rows(models[role], self._threads) for role in ("style", "measure"))
        channels = [site.channels for site in self._student.sites]
        feeds = []
        for pair, code in zip(self._pairs, codes_of(self._pairs, encode), strict=True):
            stats = measure(thumbnail_tensor(pair.content, self._student.size_multiple))
            feeds.append(affine_feeds(code, stats, pair.strength, channels))
        return feeds


def decibels(mse: float) -> float:
    """PSNR of a mean squared error for a peak of 1; NaN counts as no likeness at all."""
    if not np.isfinite(mse):
        return -PSNR_OF_EQUALS
    return min(PSNR_OF_EQUALS, -10 * log10(mse)) if mse > 0 else PSNR_OF_EQUALS


def _rows(model: onnx.ModelProto, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    session = open_session(model, threads)
    (name,) = [value.name for value in session.get_inputs()]
    return lambda picture: session.run(None, {name: picture})[0][0]


def _compared(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Fidelity:
    pairs = list(zip(expected, found, strict=True))
    errors = [_mse(a, b) for a, b in pairs]
    ratios = [decibels(error) for error in errors]
    shifts = np.array([(b.astype(np.float64) - a).mean((0, 2, 3)) for a, b in pairs])
    likeness = [_ssim(a, b) for a, b in pairs]
    strips = np.array([_strip_and_inside(np.square(b.astype(np.float64) - a)) for a, b in pairs])
    border, inside = np.sqrt(strips.mean(0))
    red, green, blue = shifts.mean(0)
    return Fidelity(
        psnr=decibels(float(np.mean(errors))),
        mean_psnr=float(np.mean(ratios)),
        worst_psnr=min(ratios),
        worst_pair=int(np.argmin(ratios)),
        ssim=float(np.mean(likeness)),
        worst_ssim=min(likeness),
        mean_shift=(float(red), float(green), float(blue)),
        worst_shift=float(np.abs(shifts).max()),
        border_rms=float(border),
        inside_rms=float(inside),
        max_abs_error=max(float(np.abs(b.astype(np.float64) - a).max()) for a, b in pairs),
        pairs=len(pairs),
    )


def _mse(expected: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean(np.square(found.astype(np.float64) - expected)))


def _ssim(expected: np.ndarray, found: np.ndarray) -> float:
    likeness = structural_similarity_index_measure(
        torch.from_numpy(np.ascontiguousarray(found)), torch.from_numpy(np.ascontiguousarray(expected)), data_range=1.0
    )
    return likeness.item()


def _strip_and_inside(squares: np.ndarray) -> tuple[float, float]:
    """Mean of (1, 3, H, W) in the outer `BORDER` pixels, and in the rest."""
    inner = squares[:, :, BORDER:-BORDER, BORDER:-BORDER]
    if not inner.size:
        return float(squares.mean()), float(squares.mean())
    return float((squares.sum() - inner.sum()) / (squares.size - inner.size)), float(inner.mean())


def _rounded(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value

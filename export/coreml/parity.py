"""Whether packages paint the checkpoint's pictures: run as files, on pictures that nothing was tuned on.

The reference is the student in torch, float32, with `runtime.affine` between its graphs. A package's picture has 8
bits per channel, which alone keeps PSNR below 59 dB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, log10
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from distill.data import PictureSet, open_pictures
from export.calibration import Pair, Places, codes_of, find_places, painted_in
from export.coreml.app_graphs import CONTENT_STATS, STRENGTH, STYLE_CODE, Inputs
from export.coreml.image_sizes import STYLE_SIZES, Size
from export.coreml.judge import Judge, open_judge
from export.fidelity import WORST_BELOW, Gate
from export.graphs import THUMBNAIL
from export.parity import PSNR_OF_EQUALS
from runtime import framing
from runtime.affine import affine_of, split_sites
from runtime.errors import UserError

#: Pairs per size, and strengths in turn.
PAIRS, STRENGTHS = 4, (1.0, 1.0, 1.0, 0.5)
#: fp16 pictures are this near at least, in dB.
FP16_PSNR = 40.0
#: Short side that held-back photos are read at, in pixels.
_SHORT_SIDE = 512


@dataclass(frozen=True)
class Likeness:
    """How near pictures are to those they should be; a picture's range is 1.

    Attributes:
        psnr: of the mean squared error over all pairs, in dB: a spoiled pair counts, however good the others are.
        worst_psnr: of the worst pair, in dB.
        shift: most that a colour channel's mean over all pairs moved.
        worst_shift: the same of a single pair.
    """

    psnr: float
    worst_psnr: float
    shift: float
    worst_shift: float

    def passes(self, gate: Gate) -> bool:
        """As `export.fidelity.Fidelity.passes`."""
        return self.psnr >= gate.psnr and self.worst_psnr >= gate.psnr - WORST_BELOW and self.shift <= gate.shift


@dataclass(frozen=True)
class PackageParity:
    """How near packages' pictures are to the checkpoint's at one size.

    Attributes:
        role: "paint".
        sizes: (height, width), one.
        pairs: of a photo and a painting, none of which was trained or tuned on.
        numbers_from: who made style code and statistics: "checkpoint", or "packages" for the whole chain of packages.
        judge: who ran the packages: "reference evaluator" or "coremltools predict on macOS".
    """

    role: str
    precision: str
    likeness: Likeness
    gate: str
    sizes: tuple[Size, ...]
    pairs: int
    numbers_from: str
    judge: str
    format: str = "coreml"

    def to_json(self) -> dict[str, Any]:
        """One flat record, as the manifest keeps it."""
        found = asdict(self)
        likeness = {key: _rounded(key, value) for key, value in found.pop("likeness").items()}
        return {**found, **likeness, "sizes": [list(size) for size in self.sizes]}


def _rounded(key: str, value: float) -> float:
    return round(value, 1) if key.endswith("psnr") else float(f"{value:.2g}")


def measure_packages(
    student: nn.Module,
    packages: Mapping[str, Path],
    sizes: Sequence[Size],
    pairs: Sequence[Pair],
    precision: str,
    gate: Gate,
) -> tuple[PackageParity, ...]:
    """Compare the packages' pictures with the student's: per size with the student's numbers, then the whole chain.

    Args:
        student: the checkpoint, in eval mode on the CPU.
        packages: by role; paint alone for a student with a fixed style.
        sizes: (width, height) of the paint package; the chain is run at the first.
        pairs: cropped and scaled to each size.
    """
    judges = {role: open_judge(path) for role, path in packages.items()}
    records = [_measure(student, judges, size, pairs, precision, gate, chain=False) for size in sizes]
    if student.sites:
        records.append(_measure(student, judges, sizes[0], pairs, precision, gate, chain=True))
    return tuple(records)


def held_back_pairs(
    folder: Places, count: int = PAIRS, codes: Mapping[str, np.ndarray] | None = None
) -> tuple[Pair, ...]:
    """Photos and paintings that training and calibration never see.

    Args:
        folder: as for `export.calibration.open_calibration`; what ships where it is None or holds nothing back.
        codes: as there.

    Raises:
        UserError: nothing can be read.
    """
    places = find_places(folder)
    content, style = (_held_back(places[kind], kind) for kind in ("content", "style"))
    pairs = tuple(
        Pair(content[i % len(content)], style[i * 5 % len(style)], STRENGTHS[i % len(STRENGTHS)]) for i in range(count)
    )
    return painted_in(codes, True, pairs) if codes and places["style"] is None else pairs


@torch.no_grad()
def app_inputs(student: nn.Module, pairs: Sequence[Pair]) -> dict[str, list[Inputs]]:
    """By role the inputs of `export.coreml.app_graphs`, one per pair, as torch tensors.

    Photos are cropped to the student's multiple; style codes and statistics are the student's own.
    """
    if not student.sites:
        return {"paint": [(_tensor(_cropped(pair.content, student.size_multiple)),) for pair in pairs]}
    styles = {id(pair.style): _tensor(framing.style_crop(pair.style)) for pair in pairs}
    codes = codes_of(pairs, lambda picture: student.style(torch.from_numpy(picture))[0].numpy())
    inputs: dict[str, list[Inputs]] = {"style": [], "measure": [], "paint": []}
    for pair, code in zip(pairs, codes, strict=True):
        inputs["style"].append((styles[id(pair.style)],))
        thumbnail = _tensor(framing.thumbnail(pair.content, THUMBNAIL, student.size_multiple))
        content = _tensor(_cropped(pair.content, student.size_multiple))
        inputs["measure"].append((thumbnail,))
        numbers = (torch.from_numpy(code)[None], student.measure(thumbnail), torch.tensor([pair.strength]))
        inputs["paint"].append((content, *numbers))
    return inputs


def picture_psnr(expected: np.ndarray | Tensor, found: np.ndarray | Tensor) -> float:
    """PSNR in dB of two pictures in 0..255; -inf for numbers that are not finite."""
    return _decibels(
        float(np.mean(np.square((np.asarray(expected, np.float64) - np.asarray(found, np.float64)) / 255)))
    )


def likeness(pictures: Iterable[tuple[np.ndarray, np.ndarray]]) -> Likeness:
    """How alike pairs of pictures (H, W, 3) in 0..255 are, expected and found, all of one size."""
    errors, shifts = [], []
    for expected, found in pictures:
        difference = (found.astype(np.float64) - expected) / 255
        errors.append(float(np.mean(np.square(difference))))
        shifts.append(difference.mean((0, 1)))
    return Likeness(
        psnr=_decibels(float(np.mean(errors))),
        worst_psnr=_decibels(max(errors)),
        shift=float(np.abs(np.mean(shifts, 0)).max()),
        worst_shift=float(np.abs(shifts).max()),
    )


def fitted(picture: np.ndarray, size: Size) -> np.ndarray:
    """uint8 (H, W, 3) scaled to cover (width, height), LANCZOS, and cropped in the middle to it."""
    width, height = size
    ratio = max(width / picture.shape[1], height / picture.shape[0])
    wide, high = max(width, round(picture.shape[1] * ratio)), max(height, round(picture.shape[0] * ratio))
    scaled = Image.fromarray(picture).resize((wide, high), Image.Resampling.LANCZOS)
    left, top = (wide - width) // 2, (high - height) // 2
    return np.asarray(scaled.crop((left, top, left + width, top + height)))


def _measure(
    student: nn.Module,
    judges: Mapping[str, Judge],
    size: Size,
    pairs: Sequence[Pair],
    precision: str,
    gate: Gate,
    chain: bool,
) -> PackageParity:
    return PackageParity(
        role="paint",
        precision=precision,
        likeness=likeness(_pictures(student, judges, size, pairs, chain)),
        gate=str(gate),
        sizes=(size[::-1],),
        pairs=len(pairs),
        numbers_from="packages" if chain else "checkpoint",
        judge=judges["paint"].name,
    )


def _pictures(
    student: nn.Module, judges: Mapping[str, Judge], size: Size, pairs: Sequence[Pair], chain: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The checkpoint's picture, float64 in 0..255, and the packages', uint8; (H, W, 3) each."""
    for pair in pairs:
        content = fitted(pair.content, size)
        if not student.sites:
            yield _reference(student, content, []), judges["paint"].predict({"content": content})["picture"]
            continue
        style = fitted(pair.style, STYLE_SIZES[0])
        thumbnail = framing.thumbnail(content, THUMBNAIL, student.size_multiple)
        code = _rows(student.style, style) if chain or pair.code is None else pair.code[None]
        stats = _rows(student.measure, thumbnail)
        scale, shift = affine_of(code[0], stats[0], pair.strength)
        affine = split_sites(scale, shift, [site.channels for site in student.sites])
        expected = _reference(student, content, affine)
        if chain:
            code = judges["style"].predict({"style": style})[STYLE_CODE]
            stats = judges["measure"].predict({"thumbnail": thumbnail})[CONTENT_STATS]
        numbers = {STYLE_CODE: code, CONTENT_STATS: stats, STRENGTH: np.array([pair.strength], np.float32)}
        yield expected, judges["paint"].predict({"content": content, **numbers})["picture"]


@torch.no_grad()
def _reference(student: nn.Module, content: np.ndarray, affine: Sequence[Any]) -> np.ndarray:
    pairs = [(torch.from_numpy(scale), torch.from_numpy(shift)) for scale, shift in affine]
    painted = student.paint(_tensor(content), pairs)[0].clamp(0, 1)
    return painted.permute(1, 2, 0).numpy().astype(np.float64) * 255


@torch.no_grad()
def _rows(graph: Any, picture: np.ndarray) -> np.ndarray:
    return graph(_tensor(picture)).numpy()


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(framing.to_tensor(picture))


def _cropped(picture: np.ndarray, multiple: int) -> np.ndarray:
    height, width = (side // multiple * multiple for side in picture.shape[:2])
    return picture[:height, :width]


def _held_back(source: Path | None, kind: str) -> PictureSet:
    try:
        pictures = open_pictures(source, kind, _SHORT_SIDE, "held-back")
    except UserError:  # the few that it holds back cannot be read
        pictures = ()
    return pictures or open_pictures(None, kind, _SHORT_SIDE, "held-back")


def _decibels(squared: float) -> float:
    """PSNR of a mean squared error, the range being 1."""
    if squared == 0:
        return PSNR_OF_EQUALS
    return min(PSNR_OF_EQUALS, -10 * log10(squared)) if np.isfinite(squared) else -inf

"""The pictures that int8 ranges come from, and those that a precision is judged on.

Both are pairs of a photo and a painting, prepared as the runtime prepares them: the style at 256 pixels short side, the
photo with mirrored pixels around it, scales and shifts from `runtime.affine`. Ranges have to hold for whatever a user
does with the strength, so some pairs are painted at less than full strength. Pictures are divided by
`distill.data.split`: no picture that ranges come from, or that a method is chosen by, is ever judged on.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from distill.data import PictureSet, is_held_back, open_pictures, random_crop
from distill.evaluate import centre_square
from distill.run_pictures import open_held_back
from export.graphs import THUMBNAIL, student_graphs
from runtime import framing
from runtime.affine import affine_of, split_sites
from runtime.errors import UserError
from runtime.label_maps import Palette

CROPS, FEWEST_CROPS = 256, 8
#: Side of the crops in pixels, in turn; photos are kept at `SHORT_SIDE`, so the largest shows all of a square one.
CROP_SIDES = (128, 160, 144, 128, 160, 144, 128, 256)
SHORT_SIDE = 256
#: Strengths in turn. Five and eight share no factor: every side occurs at every strength.
STRENGTHS = (1.0, 1.0, 0.5, 1.0, 0.0)
#: Strengths of the pairs that are judged, in turn: what users leave it at, and now and then half.
JUDGED_STRENGTHS = (1.0, 1.0, 1.0, 1.0, 0.5)
#: Paintings beyond this many bring time and no new ranges.
MOST_STYLES = 32
TUNING_PAIRS, HELD_BACK_PAIRS, PAIR_SIDE = 16, 16, 256
MARGIN = 16

Feeds = dict[str, np.ndarray]
#: Where pictures are: photos, a folder with ``content/`` and ``style/`` inside, or a place for either kind; None for
#: what ships with brushlet.
Places = str | Path | Mapping[str, Path | None] | None


@dataclass(frozen=True, eq=False)
class Pair:
    """A photo and a painting, uint8 (H, W, 3) each, and the strength to paint at, 0..1.

    ``code``, float32 (2, M): the style to paint in where that is not the painting's.
    """

    content: np.ndarray
    style: np.ndarray
    strength: float
    code: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Calibration:
    """All pictures that a quantised student needs.

    Attributes:
        pairs: what ranges come from.
        tuning: what methods are chosen by; made of the same pictures as ``pairs``.
        held_back: what the result is judged on; made of other pictures.
        source: where they come from, for people.
    """

    pairs: tuple[Pair, ...]
    tuning: tuple[Pair, ...]
    held_back: tuple[Pair, ...]
    source: str

    @cached_property
    def key(self) -> str:
        """SHA-256 of what ranges come from: every pixel and strength of ``pairs``."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            digest.update(f"{pair.content.shape} {pair.style.shape} {pair.strength}\n".encode())
            digest.update(np.ascontiguousarray(pair.content))
            digest.update(np.ascontiguousarray(pair.style))
            digest.update(b"" if pair.code is None else np.ascontiguousarray(pair.code))
        return digest.hexdigest()


def open_calibration(
    folder: Places = None,
    crops: int = CROPS,
    seed: int = 0,
    log: Callable[[str], None] = lambda line: None,
    palette: Palette | None = None,
    codes: Mapping[str, np.ndarray] | None = None,
) -> Calibration:
    """Read the calibration and held-back pictures.

    Args:
        folder: paintings are those that ship where it holds photos only. What a source holds back is judged on; sources
            too small for that are judged on what ships.
        crops: number of photo crops that ranges come from.
        log: is told of pictures that cannot be read.
        palette: the photos are label maps, drawn in it.
        codes: of paintings, by name, as the student's own style encoder gives them: (2, M) each. Where ``folder`` holds
            no paintings, pairs are painted in these instead of the drawn swatches.

    Raises:
        UserError: too few crops, or no picture can be read.
    """
    if crops < FEWEST_CROPS:
        raise UserError(f"--crops {crops} is too few to calibrate with: take {FEWEST_CROPS} or more (default {CROPS})")
    sources = find_places(folder)
    train, held = {}, {}
    for kind, source in sources.items():
        drawn_in = palette if kind == "content" else None
        train[kind] = open_pictures(source, kind, SHORT_SIDE, "train", drawn_in)
        held[kind], skipped = open_held_back(source, kind, drawn_in)
        for path, reason in dict.fromkeys([*train[kind].skipped, *skipped]):
            log(f"skipped {path}: {reason}")
    rng = np.random.default_rng(seed)
    pairs = _crop_pairs(train["content"], train["style"], crops, rng)
    tuning = _square_pairs(train["content"], train["style"], TUNING_PAIRS)
    held_back = _square_pairs(held["content"], held["style"], HELD_BACK_PAIRS)
    styles = train["style"].name
    if sources["style"] is None and codes:
        pairs, tuning = (painted_in(codes, False, some) for some in (pairs, tuning))
        held_back, styles = painted_in(codes, True, held_back), f"style codes of {len(codes)} paintings"
    return Calibration(pairs, tuning, held_back, f"{train['content'].name}; {styles}")


def painted_in(codes: Mapping[str, np.ndarray], held_back: bool, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs, painted in codes of paintings that are held back, or that are not, instead of in their own."""
    chosen = [code for name, code in codes.items() if is_held_back(name) == held_back]
    stride = _coprime(len(chosen))
    return tuple(replace(pair, code=chosen[i * stride % len(chosen)]) for i, pair in enumerate(pairs))


def student_feeds(student: nn.Module, pairs: Sequence[Pair]) -> dict[str, list[Feeds]]:
    """Per role the inputs of that graph for the pairs, float32, as the runtime would give them.

    Args:
        student: in eval mode on the CPU; its own codes and statistics make the paint graph's scales and shifts.
    """
    roles = [graph.role for graph in student_graphs(student)]
    if roles == ["paint"]:  # one style is folded into the weights
        return {"paint": [{"content": content_tensor(pair.content, student.size_multiple)[0]} for pair in pairs]}
    styles = {id(pair.style): {"style": style_tensor(pair.style)} for pair in pairs}
    feeds: dict[str, list[Feeds]] = {"style": list(styles.values()), "measure": [], "paint": []}
    for pair, code in zip(pairs, codes_of(pairs, partial(_rows, student.style)), strict=True):
        thumbnail = thumbnail_tensor(pair.content, student.size_multiple)
        stats = _rows(student.measure, thumbnail)
        feeds["measure"].append({"thumbnail": thumbnail})
        content = content_tensor(pair.content, student.size_multiple)[0]
        channels = [site.channels for site in student.sites]
        feeds["paint"].append({"content": content, **affine_feeds(code, stats, pair.strength, channels)})
    return feeds


def codes_of(pairs: Sequence[Pair], encode: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """What each pair is painted in, (2, M) each; ``encode`` makes a code of a `style_tensor`, once per painting."""
    codes: dict[int, np.ndarray] = {}
    for pair in pairs:
        if pair.code is None and id(pair.style) not in codes:
            codes[id(pair.style)] = encode(style_tensor(pair.style))
    return [codes[id(pair.style)] if pair.code is None else pair.code for pair in pairs]


def style_tensor(style: np.ndarray) -> np.ndarray:
    """A painting as the runtime feeds it, float32 (1, 3, h, w)."""
    return framing.to_tensor(framing.style_crop(style))


def content_tensor(content: np.ndarray, multiple: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A photo as the runtime feeds it, float32 (1, 3, h, w), and where the photo lies in it."""
    padded, inside = framing.pad(content, multiple, MARGIN, "reflect")
    return framing.to_tensor(padded), inside


def thumbnail_tensor(content: np.ndarray, multiple: int) -> np.ndarray:
    """What the measure graph is fed for a photo, float32 (1, 3, h, w)."""
    return framing.to_tensor(framing.thumbnail(content, THUMBNAIL, multiple))


def affine_feeds(code: np.ndarray, stats: np.ndarray, strength: float, channels: Sequence[int]) -> Feeds:
    """``scale_i`` and ``shift_i`` of each site for a code and statistics, (2, M) each."""
    pairs = split_sites(*affine_of(code, stats, strength), channels)
    return {
        f"{name}_{i}": part for i, pair in enumerate(pairs) for name, part in zip(("scale", "shift"), pair, strict=True)
    }


@torch.no_grad()
def _rows(module: Callable[[torch.Tensor], torch.Tensor], picture: np.ndarray) -> np.ndarray:
    return module(torch.from_numpy(picture))[0].numpy()


def find_places(folder: Places) -> dict[str, Path | None]:
    """Where photos and paintings are, by kind; ``UserError`` for a folder that has one of the two folders inside."""
    if folder is None or isinstance(folder, Mapping):
        return {"content": None, "style": None, **(folder or {})}
    inner = {kind: Path(folder) / kind for kind in ("content", "style")}
    if not any(path.is_dir() for path in inner.values()):
        return {"content": Path(folder), "style": None}
    for kind, path in inner.items():
        if not path.is_dir():
            raise UserError(f"{folder} has no folder {kind}/ beside the other: calibration takes both, or photos alone")
    return inner


def _crop_pairs(content: PictureSet, style: PictureSet, count: int, rng: np.random.Generator) -> tuple[Pair, ...]:
    styles = [style[i] for i in range(min(len(style), MOST_STYLES))]
    stride = _coprime(len(styles))
    return tuple(
        Pair(
            random_crop(content[i % len(content)], CROP_SIDES[i % len(CROP_SIDES)], rng, augment=False),
            styles[i * stride % len(styles)],
            STRENGTHS[i % len(STRENGTHS)],
        )
        for i in range(count)
    )


def _square_pairs(content: PictureSet, style: PictureSet, count: int) -> tuple[Pair, ...]:
    """Pairs at `PAIR_SIDE` pixels, photos in turn and paintings in strides, as `distill.evaluate` takes them."""
    stride = _coprime(len(style))
    return tuple(
        Pair(
            centre_square(content[i % len(content)], PAIR_SIDE),
            style[(i * stride + i // len(content)) % len(style)],
            JUDGED_STRENGTHS[i % len(JUDGED_STRENGTHS)],
        )
        for i in range(count)
    )


def _coprime(count: int) -> int:
    """A stride of five or more that reaches everything."""
    return next(n for n in itertools.count(5) if math.gcd(n, count) == 1)

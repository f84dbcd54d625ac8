"""Pictures of any stylizers judged on the same held-back pairs, for benchmarks that set them beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from distill.data import PictureSet, open_pictures
from distill.evaluate import held_back_pairs
from distill.losses import content_loss, style_loss
from distill.perceptual import compact_perception, vgg19_perception
from distill.run_pictures import EVALUATION_SIZE
from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor

#: Content and style, uint8 (H, W, 3) each, to the painted content of the same size.
StylizePictures = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PictureScores:
    """Means over the pairs: content and style loss in the judge's units (lower is better), likeness to the photo."""

    content: float
    style: float
    ssim: float


@dataclass(frozen=True)
class Judgement:
    """What was judged, by which network, and how each stylizer scores.

    Attributes:
        judge: "vgg19", or "compact" for the one that ships.
        content, style: names of the folders, or what ships.
        photo: scores of the photos themselves: what an untouched picture gets.
    """

    judge: str
    pairs: int
    size: int
    content: str
    style: str
    photo: PictureScores
    scores: tuple[PictureScores, ...]


@torch.inference_mode()
def judge_pictures(
    stylizers: Sequence[StylizePictures],
    content: str | None = None,
    style: str | None = None,
    vgg19: Path | None = None,
    pairs: int = 32,
    threads: int = 1,
) -> Judgement:
    """Paint the held-back pairs that students are evaluated on, as 8-bit pictures, and score them.

    Args:
        content, style: as in ``distill --content`` and ``--style``; None is what ships.
        vgg19: weights of the judge; None looks where ``distill`` does, and takes the compact one where there are none.

    Raises:
        UserError: no pictures or weights where they were said to be, or fewer than one pair.
    """
    if pairs < 1:
        raise UserError(f"pictures are judged on at least one pair, not {pairs}")
    torch.set_num_threads(threads)
    judge = vgg19_perception(vgg19) or compact_perception()
    photos, paintings = _held_back(content, "content"), _held_back(style, "style")
    scores: list[list[PictureScores]] = []
    for photo, painting in held_back_pairs(photos, paintings, pairs, EVALUATION_SIZE):
        seen_photo, seen_painting = judge(photo), judge(painting)
        pictures = [stylize(to_picture(photo.numpy()), to_picture(painting.numpy())) for stylize in stylizers]
        row = []
        for picture in (photo, *(torch.from_numpy(to_tensor(each)) for each in pictures)):
            seen = judge(picture)
            row.append(
                PictureScores(
                    content_loss(seen, seen_photo).item(),
                    style_loss(seen, seen_painting).item(),
                    structural_similarity_index_measure(picture, photo, data_range=1.0).item(),
                )
            )
        scores.append(row)
    photo_scores, *others = (_mean(each) for each in zip(*scores, strict=True))
    names = (Path(pictures.name).name for pictures in (photos, paintings))
    return Judgement(judge.name, pairs, EVALUATION_SIZE, *names, photo_scores, tuple(others))


def _held_back(source: str | None, kind: str) -> PictureSet:
    pictures = open_pictures(source, kind, EVALUATION_SIZE, "held-back")
    if not pictures:
        raise UserError(f"--{kind}: {source} holds back no picture, as one in five is: give a larger folder")
    return pictures


def _mean(scores: Sequence[PictureScores]) -> PictureScores:
    return PictureScores(
        *(float(np.mean([getattr(each, name) for each in scores])) for name in ("content", "style", "ssim"))
    )

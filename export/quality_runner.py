"""Pictures of any stylizers judged on the same held-back pairs, for benchmarks that set them beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from distill.artefacts import Artefacts, artefacts, mean_artefacts
from distill.data import PictureSet, open_pictures
from distill.data.folder import read_for_short_side
from distill.data.picture_set import resize_short_side
from distill.evaluate import centre_square, held_back_pairs
from distill.losses import content_loss, style_loss
from distill.perceptual import Perception, compact_perception, vgg19_perception
from distill.run_pictures import EVALUATION_SIZE
from distill.samples import to_tensor as as_tensor
from export.fidelity import decibels
from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor

#: Content and style, uint8 (H, W, 3) each, to the painted content of the same size.
StylizePictures = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PictureScores:
    """Means over the pairs: content and style loss in the judge's units (lower is better), likeness to the photo.

    ``artefacts`` by the names of `distill.artefacts`; None where they were not asked for. ``to_fp32``: likeness to the
    pictures of the same network in float32, in dB, of the mean squared error over all pairs; None where it is that one.
    """

    content: float
    style: float
    ssim: float
    artefacts: dict[str, float | None] | None = None
    to_fp32: float | None = None


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


@dataclass(frozen=True)
class NamedPairs:
    """Files of a photo and a painting each, the side of the squares to paint, in pixels, and who has to judge them.

    ``judge`` is "vgg19", or "compact" for the network that ships.
    """

    pairs: Sequence[tuple[Path, Path]]
    side: int
    judge: str

    def squares(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pictures (1, 3, side, side), cut as those of held-back pairs are."""
        for pair in self.pairs:
            photo, painting = (resize_short_side(read_for_short_side(path, self.side), self.side) for path in pair)
            yield as_tensor([centre_square(photo, self.side)]), as_tensor([centre_square(painting, self.side)])


@torch.inference_mode()
def judge_pictures(
    stylizers: Sequence[StylizePictures],
    content: str | None = None,
    style: str | None = None,
    vgg19: Path | None = None,
    pairs: int = 32,
    threads: int = 1,
    named: NamedPairs | None = None,
    flaws: bool = True,
    fp32: Sequence[int | None] | None = None,
) -> Judgement:
    """Paint the held-back pairs that students are evaluated on, as 8-bit pictures, and score them.

    Args:
        content, style: as in ``distill --content`` and ``--style``; None is what ships.
        vgg19: weights of the judge; None looks where ``distill`` does, and takes the compact one where there are none.
        named: pairs to judge on instead.
        flaws: look for artefacts too.
        fp32: for each stylizer the number of the one that is the same network in float32, or None.

    Raises:
        UserError: no pictures or weights where they were said to be, or fewer than one pair.
    """
    if pairs < 1:
        raise UserError(f"pictures are judged on at least one pair, not {pairs}")
    torch.set_num_threads(threads)
    network = _judge(named and named.judge, vgg19)
    side = named.side if named else EVALUATION_SIZE
    if named:
        names, squares = [each.parent.name for each in named.pairs[0]], named.squares()
    else:
        photos, paintings = _held_back(content, "content"), _held_back(style, "style")
        names, squares = (
            [Path(pictures.name).name for pictures in (photos, paintings)],
            held_back_pairs(photos, paintings, pairs, side),
        )
    scores: list[list[PictureScores]] = []
    found: list[list[Artefacts]] = []
    originals = fp32 or [None] * len(stylizers)
    errors: list[list[float | None]] = []
    for photo, painting in squares:
        pictures = [stylize(to_picture(photo.numpy()), to_picture(painting.numpy())) for stylize in stylizers]
        pictures = [photo, *(torch.from_numpy(to_tensor(each)) for each in pictures)]
        errors.append([_error(pictures, *pair) for pair in enumerate(originals)])
        wanted = network(photo), network(painting)
        scores.append([_scores(network(picture), *wanted, picture, photo) for picture in pictures])
        found.append([artefacts(picture, photo) for picture in pictures] if flaws else [])
    wrong = [mean_artefacts(each) for each in zip(*found, strict=True)] or [None] * (1 + len(stylizers))
    moved = [None, *(None if None in each else decibels(float(np.mean(each))) for each in zip(*errors, strict=True))]
    means = [_mean(*each) for each in zip(zip(*scores, strict=True), wrong, moved, strict=True)]
    return Judgement(network.name, len(scores), side, *names, means[0], tuple(means[1:]))


def _judge(name: str | None, vgg19: Path | None) -> nn.Module:
    if name == "compact":
        return compact_perception()
    network = vgg19_perception(vgg19)
    if network is None and name == "vgg19":
        raise UserError("VGG-19 has to judge this: put vgg_normalised.pth among the weights, or set BRUSHLET_WEIGHTS")
    return network or compact_perception()


def _scores(seen: Perception, photo: Perception, painting: Perception, picture: Tensor, own: Tensor) -> PictureScores:
    likeness = structural_similarity_index_measure(picture, own, data_range=1.0).item()
    return PictureScores(content_loss(seen, photo).item(), style_loss(seen, painting).item(), likeness)


def _held_back(source: str | None, kind: str) -> PictureSet:
    pictures = open_pictures(source, kind, EVALUATION_SIZE, "held-back")
    if not pictures:
        raise UserError(f"--{kind}: {source} holds back no picture, as one in five is: give a larger folder")
    return pictures


def _error(pictures: Sequence[Tensor], number: int, original: int | None) -> float | None:
    """Mean squared error of that stylizer's picture to the original's; the photo stands before all of them."""
    return None if original is None else F.mse_loss(pictures[1 + number], pictures[1 + original]).item()


def _mean(scores: Sequence[PictureScores], flaws: dict[str, float | None] | None, moved: float | None) -> PictureScores:
    means = (float(np.mean([getattr(each, name) for each in scores])) for name in ("content", "style", "ssim"))
    return PictureScores(*means, flaws, moved)

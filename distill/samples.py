"""Which crops a training step sees: a function of seed, step and slot, so that a resumed run goes on unchanged."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distill.data import PictureSet, random_crop
from distill.data.before_after import aligned
from distill.settings import Settings
from distill.teacher_cache import TeacherCache
from runtime.errors import UserError

#: Linear scale between a picture and the thumbnail its statistics come from; large photos have small thumbnails.
THUMBNAIL_RATIOS = (1, 2, 2, 4)
#: First words of the random streams; numpy pads seeds with zeros, so [seed, 2, step] would be slot 0's own stream.
PAIR_STREAM, STEP_STREAM, RATIO_STREAM, WIDTH_STREAM = 1, 2, 4, 5


@dataclass(frozen=True)
class Batch:
    """``content``, ``style``, ``teacher``: (N, 3, S, S) float32 in [0, 1]; ``taught`` and ``identity``: (N,) bool.

    Rows that are not ``taught`` have no teacher picture. ``identity`` rows are photos that are their own style and
    their own teacher: at strength 0 the student has to give them back. ``draw`` is a uniform number in [0, 1) of the
    step, the same in every process: what a student that is trained at several widths chooses one by.
    """

    content: Tensor
    style: Tensor
    teacher: Tensor
    taught: Tensor
    identity: Tensor
    thumbnail_ratio: int
    draw: float = 0.0

    def to(self, device: torch.device | str) -> Batch:
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return Batch(**{k: v.to(device) if isinstance(v, Tensor) else v for k, v in moved.items()})

    def thumbnail(self) -> Tensor:
        """The content at the resolution its statistics are measured at."""
        return self.content if self.thumbnail_ratio == 1 else F.avg_pool2d(self.content, self.thumbnail_ratio)


def to_tensor(pictures: list[np.ndarray]) -> Tensor:
    """uint8 (H, W, 3) pictures of one size -> float32 (N, 3, H, W) in [0, 1], channels last in memory."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255)


class Samples:
    """Draws the batches of a run; ``rank`` of ``world`` processes get disjoint slots of the same global batch.

    ``paired``: picture i of ``style`` is what the teacher made of picture i of ``content``.
    """

    def __init__(
        self,
        settings: Settings,
        content: PictureSet,
        style: PictureSet | None,
        cache: TeacherCache,
        rank: int = 0,
        world: int = 1,
        paired: bool = False,
    ):
        if settings.batch % world:
            raise UserError(f"--batch {settings.batch} cannot be shared evenly by {world} processes: give a multiple")
        self.settings, self.content, self.style, self.cache = settings, content, style, cache
        self.paired = paired
        share = settings.batch // world
        self.slots = range(rank * share, (rank + 1) * share)

    def crops(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        size = self.settings.size
        index = int(rng.integers(len(self.content)))
        photo = self.content[index]
        if self.paired:  # the teacher's picture takes the style's place, cut out where the photo is
            photo, painted = aligned(photo, self.style[index])
            after = random_crop(painted, size, copy.deepcopy(rng), augment=False)
            return random_crop(photo, size, rng, augment=False), after
        if self.style is None:  # the teacher has one style, and a photo stands where nobody looks
            crop = random_crop(photo, size, rng, augment=False)
            return crop, crop
        painting = self.style[int(rng.integers(len(self.style)))]
        return random_crop(photo, size, rng, augment=False), random_crop(painting, size, rng, augment=True)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Content and style crop of cached pair ``index``; the teacher's picture of it is kept on disk."""
        return self.crops(np.random.default_rng([self.settings.seed, PAIR_STREAM, index]))

    def batch(self, step: int) -> Batch:
        """The crops of ``step`` for this process's slots; pairs that the cache lacks are painted by the teacher now."""
        rows, pairs = [], []
        for slot in self.slots:
            rng = np.random.default_rng([self.settings.seed, STEP_STREAM, step, slot])
            kind = rng.random()
            if kind < self.settings.teacher_share:
                pairs.append((len(rows), int(rng.integers(self.settings.pairs))))
                rows.append((*self.pair(pairs[-1][1]), False))
            elif kind < self.settings.teacher_share + self.settings.identity_share:
                photo, _ = self.crops(rng)
                rows.append((photo, photo, True))
            else:
                rows.append((*self.crops(rng), False))
        content, style = to_tensor([r[0] for r in rows]), to_tensor([r[1] for r in rows])
        identity = torch.tensor([r[2] for r in rows])
        teacher, taught = content.clone(), identity.clone()
        if pairs:
            at = torch.tensor([row for row, _ in pairs])
            teacher[at] = self.cache.pictures([index for _, index in pairs], content[at], style[at])
            taught[at] = True
        ratio = np.random.default_rng([self.settings.seed, RATIO_STREAM, step]).choice(THUMBNAIL_RATIOS)
        draw = np.random.default_rng([self.settings.seed, WIDTH_STREAM, step]).random()
        return Batch(content, style, teacher, taught, identity, int(ratio), draw)

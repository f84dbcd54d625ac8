"""Label maps and the photos that belong to them: from a folder, or drawn landscapes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.data import PictureSet, open_pictures, random_crop
from distill.data.before_after import aligned, require_pairs
from distill.data.label_maps import InstanceFolder, drawn_maps, drawn_photos
from distill.data.landscapes import LANDSCAPE
from distill.samples import to_tensor
from distill.teachers.spade.layout import LABELS_FILE, MAX_LABELS_BYTES, Description
from distill.teachers.spade.semantics import numbers_of, semantics_of
from runtime.errors import UserError
from runtime.json_fields import read_json

#: Pictures are kept this much larger than the crops.
SHORT_SIDE_OVER_CROP = 1.5
STREAM = 5


@dataclass(frozen=True)
class MapPairs:
    """Pictures i of all sets belong together; ``instances`` are maps whose colours tell things apart, if there are."""

    described: Description
    maps: PictureSet
    photos: PictureSet
    instances: PictureSet | None

    def __len__(self) -> int:
        return len(self.maps)

    def crops(self, index: int, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The same square of map and photo ``index``: semantics (1, C, size, size), photo (1, 3, size, size) 0..1."""
        whole = [self.maps[index], self.photos[index], *([] if self.instances is None else [self.instances[index]])]
        for other in whole[1:]:
            aligned(whole[0], other)  # refuses one of other proportions
        height, width = (min(picture.shape[axis] for picture in whole) for axis in (0, 1))
        squares = [random_crop(picture[:height, :width], size, copy.deepcopy(rng), augment=False) for picture in whole]
        return self.semantics(squares[0], *squares[2:]), to_tensor([squares[1]])

    def batch(self, seed: int, step: int, count: int, size: int) -> tuple[Tensor, Tensor]:
        """What step ``step`` of a run is trained on: the same for the same numbers."""
        parts = []
        for slot in range(count):
            rng = np.random.default_rng([seed, STREAM, step, slot])
            parts.append(self.crops(int(rng.integers(len(self))), size, rng))
        return torch.cat([semantics for semantics, _ in parts]), torch.cat([photo for _, photo in parts])

    def semantics(self, drawn: np.ndarray, things: np.ndarray | None = None) -> Tensor:
        """The networks' input for a map drawn in the palette and one of instances, uint8 (H, W, 3) each."""
        palette = self.described.palette
        numbers = numbers_of(to_tensor([drawn]), torch.from_numpy(palette.colours).float() / 255)
        instances = None
        if self.described.instances:
            packed = numbers[0].numpy() if things is None else things.astype(np.int64) @ [1 << 16, 1 << 8, 1]
            instances = torch.from_numpy(packed)[None]
        return semantics_of(numbers, len(palette), instances)


def open_map_pairs(folder: Path | None, size: int, part: str) -> MapPairs:
    """The pairs of ``folder``: labels/x.png, photos/x.jpg, labels.json and, if there are, instances/x.png.

    Without a folder, drawn landscapes. ``part`` is "train" or "held-back"; ``size`` is that of the crops.

    Raises:
        UserError: a folder or a picture's other half is missing, or labels.json is wrong.
    """
    short = round(size * SHORT_SIDE_OVER_CROP)
    if folder is None:
        sets = [PictureSet(source, part, short) for source in (drawn_maps(), drawn_photos())]
        return MapPairs(Description(LANDSCAPE), *sets, None)
    for name in ("labels", "photos"):
        if not (folder / name).is_dir():
            raise UserError(f"{folder / name} is not a folder: --pairs DIR holds DIR/labels/x.png and DIR/photos/x.jpg")
    described = _described(folder)
    maps = open_pictures(folder / "labels", "content", short, part, described.palette)
    photos = open_pictures(folder / "photos", "content", short, part)
    require_pairs(maps.names, photos.names, ("labels", "photos"))
    if not described.instances:
        return MapPairs(described, maps, photos, None)
    if not (folder / "instances").is_dir():
        raise UserError(f"{folder / LABELS_FILE} tells of instances, and {folder / 'instances'} is not a folder")
    things = PictureSet(InstanceFolder(folder / "instances", short), part, short)
    require_pairs(maps.names, things.names, ("labels", "instances"))
    return MapPairs(described, maps, photos, things)


def _described(folder: Path) -> Description:
    path = folder / LABELS_FILE
    return Description.from_json(read_json(path, MAX_LABELS_BYTES), str(path))

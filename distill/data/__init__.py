"""Training and evaluation pictures: folders, shards, and what ships.

pictures = open_pictures("photos/", "content", short_side=320, part="train")
crop = random_crop(pictures[0], 256, np.random.default_rng(0), augment=False)
"""

from __future__ import annotations

from pathlib import Path

from distill.data.crops import random_crop
from distill.data.folder import Folder
from distill.data.label_maps import open_maps
from distill.data.picture_set import PictureSet, Source
from distill.data.samples import Samples
from distill.data.shards import Shards, is_shard_pattern
from distill.data.split import is_held_back
from distill.data.swatches import Swatches
from runtime.errors import UserError
from runtime.label_maps import Palette

__all__ = ["PictureSet", "is_held_back", "is_one_picture", "open_pictures", "random_crop"]


def is_one_picture(source: str | Path | None) -> bool:
    """Whether a source is a single file that is no shard."""
    return source is not None and Path(source).is_file() and not is_shard_pattern(str(source))


def open_pictures(
    source: str | Path | None, kind: str, short_side: int, part: str = "all", palette: Palette | None = None
) -> PictureSet:
    """The pictures of a source, resized to `short_side`.

    `source` is a directory (searched recursively), WebDataset shards (`photos-{000..099}.tar`, `*.tar`), or None
    for what ships: sample photographs for the `kind` "content", drawn swatches for "style". `part` is "train",
    "held-back" (empty when a small source has none) or "all". With a `palette` the pictures are label maps, drawn in
    it, and what ships are drawn landscapes. Raises UserError when there is nothing to read.
    """
    return PictureSet(_open_source(source, kind, short_side, palette), part, short_side)


def _open_source(source: str | Path | None, kind: str, short_side: int, palette: Palette | None) -> Source:
    if kind not in ("content", "style"):
        raise ValueError(f"kind is 'content' or 'style', not {kind!r}")
    if palette is not None and (source is None or Path(source).is_dir()):
        return open_maps(None if source is None else Path(source), short_side, palette)
    if palette is not None and Path(source).exists():
        raise UserError(f"label maps are read from a folder, not from {source}")
    if source is None:
        return Samples() if kind == "content" else Swatches()
    if Path(source).is_dir():
        return Folder(Path(source), short_side)
    if is_shard_pattern(str(source)):
        return Shards(str(source))
    if Path(source).exists():
        raise UserError(f"{source} is neither a directory of pictures nor a .tar shard")
    takes = "a directory, one picture" if kind == "style" else "a directory"
    raise UserError(f"{source} does not exist (--{kind} takes {takes} or shards like 'photos-{{000..099}}.tar')")

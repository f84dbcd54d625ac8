"""Pictures of slow teachers, kept one by one: a file for each, named after all that the picture depends on.

Any number of processes and machines fill one folder: a file appears whole or not at all, and two that paint the same
picture write the same file. What machines have painted apart is put together by copying the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from torch import Tensor

from distill.precision import fast_autocast
from distill.samples import to_tensor
from distill.teacher_cache import cache_root, disk_bytes, evict_others
from distill.teachers import Teacher
from runtime.errors import UserError
from runtime.image_files import read_picture, write_picture


class KeptTeacher(Teacher):
    """``teacher`` with a memory on disk: a picture that was painted before is read instead, in 8 bits either way.

    Attributes:
        folder: where the pictures are, below ``root`` (the user's cache).
        painted: how many this object had to have painted.
    """

    slow = True

    def __init__(self, teacher: Teacher, root: Path | None = None):
        super().__init__(teacher.description, teacher.licence)
        self.teacher, self.painted = teacher, 0
        self.name, self.takes_style = teacher.name, teacher.takes_style
        self.style_name = getattr(teacher, "style_name", None)
        self.folder = (cache_root() if root is None else root) / f"{teacher.name}-{teacher.fingerprint()}"

    def fingerprint(self) -> str:
        return self.teacher.fingerprint()

    def forward(self, content: Tensor, style: Tensor | None = None) -> Tensor:
        """As every teacher, in steps of 1/255."""
        files = self.files(content, style)
        kept = [read_kept(file, *content.shape[2:]) for file in files]
        missing = [row for row, picture in enumerate(kept) if picture is None]
        if missing:
            painted = self.paint(content[missing], None if style is None else style[missing])
            for row, picture in zip(missing, painted, strict=True):
                write_picture(files[row], picture)
                kept[row] = picture
        return to_tensor(kept).to(content.device)

    def paint(self, content: Tensor, style: Tensor | None) -> list[np.ndarray]:
        """The teacher's pictures, uint8 (H, W, 3)."""
        device = next((p.device for p in chain(self.teacher.parameters(), self.teacher.buffers())), content.device)
        with fast_autocast(device.type):
            painted = self.teacher.stylize(content.to(device), None if style is None else style.to(device))
        self.painted += len(content)
        self.make_folder()
        return list(eight_bits(painted))

    def pictures(self, indices: Sequence[int], content: Tensor, style: Tensor) -> Tensor:
        """As :meth:`TeacherCache.pictures`, whose place it takes: the pairs' numbers don't matter here."""
        return self.stylize(content, style)

    def holds(self, content: Tensor, style: Tensor | None) -> bool:
        """Whether the picture of one pair (1, 3, H, W) is there, and whole."""
        (file,) = self.files(content, style)
        return read_kept(file, *content.shape[2:]) is not None

    def files(self, content: Tensor, style: Tensor | None) -> list[Path]:
        """The file of each pair's picture; the style is part of its name where it is part of the pair."""
        parts = (content, style) if self.takes_style else (content,)
        rows = zip(*(eight_bits(part) for part in parts), strict=True)
        return [self.folder / f"{digest(pictures)}.png" for pictures in rows]

    def make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot keep teacher pictures in {self.folder.parent}: {error.strerror}; "
                "set BRUSHLET_CACHE to another place"
            ) from error

    def make_room(self, limit: int) -> None:
        """Delete the least recently used pictures of other teachers until all together take at most ``limit`` bytes."""
        self.make_folder()
        evict_others(self.folder.parent, self.folder, limit - disk_bytes(self.folder))


def eight_bits(pictures: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [0, 1] -> uint8 (N, H, W, 3)."""
    return pictures.detach().float().mul(255).round().byte().permute(0, 2, 3, 1).cpu().contiguous().numpy()


def digest(pictures: Sequence[np.ndarray]) -> str:
    """The same for the same pictures."""
    together = hashlib.sha256()
    for picture in pictures:
        together.update(str(picture.shape).encode())
        together.update(picture.tobytes())
    return together.hexdigest()[:40]


def read_kept(file: Path, height: int, width: int) -> np.ndarray | None:
    """A kept picture, uint8 (H, W, 3); None where there is none of that size, or a damaged one."""
    try:
        picture = read_picture(file, max_pixels=height * width).rgb
    except UserError:
        return None
    return picture if picture.shape[:2] == (height, width) else None

"""A stylizer from outside that is a program: ``--teacher-command 'mytool {content} {style} {out}'``.

For each picture the program is started once, with paths of PNG files in a folder of its own. A command without
``{style}`` has one style. Which commands to run is the user's choice; no shell reads them.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.data.folder import file_identity
from distill.teachers.outside_tool import filled, run_tool, split_command, takes_style
from distill.teachers.teacher import Teacher
from runtime.errors import UserError
from runtime.framing import resize, to_picture
from runtime.image_files import read_picture, write_picture

MOST_PROCESSES = 64
#: Proportions may differ by this part: tools round sides to multiples of their own.
SLACK = 0.02


class CommandTeacher(Teacher):
    """Paints by a program; ``processes`` of them at a time, ``timeout`` seconds for each picture.

    Raises:
        UserError: the command is none, or a number is out of range.
    """

    name = "command"
    slow = True

    def __init__(self, command: str, timeout: float = 300.0, processes: int = 1):
        self.words = split_command(command)
        if not 0 < timeout < inf:
            raise UserError(f"the timeout of a command is a number of seconds above 0, not {timeout:g}")
        if not 1 <= processes <= MOST_PROCESSES:
            raise UserError(f"the processes of a command are 1 to {MOST_PROCESSES}, not {processes}")
        super().__init__(f"the command {command}", "of the tool that painted the pictures")
        self.takes_style, self.style_name = takes_style(command), Path(self.words[0]).name
        self.timeout, self.processes = timeout, processes

    def forward(self, content: Tensor, style: Tensor | None = None) -> Tensor:
        if self.takes_style and style is None:
            raise UserError("this command paints in the style of a picture, and there is none")
        photos = [to_picture(photo[None].cpu().numpy()) for photo in content]
        styles = itertools.repeat(None)
        if self.takes_style:
            styles = [to_picture(painting[None].cpu().numpy()) for painting in style]
        pool = ThreadPoolExecutor(self.processes)
        try:
            painted = list(pool.map(self.paint, photos, styles))
        finally:
            pool.shutdown(cancel_futures=True)
        return torch.from_numpy(np.stack(painted)).permute(0, 3, 1, 2).float().div(255).to(content.device)

    def paint(self, photo: np.ndarray, style: np.ndarray | None) -> np.ndarray:
        """One picture, uint8 (H, W, 3), of the photo's size.

        Raises:
            UserError: the program fails, or what it leaves is no picture of the photo's proportions.
        """
        with tempfile.TemporaryDirectory(prefix="brushlet-") as folder:
            places = {name: Path(folder, f"{name}.png") for name in ("content", "style", "out")}
            write_picture(places["content"], photo)
            if style is not None:
                write_picture(places["style"], style)
            run_tool(filled(self.words, places), self.timeout, Path(folder, "log"))
            return self.result(places["out"], photo.shape[0], photo.shape[1])

    def result(self, path: Path, height: int, width: int) -> np.ndarray:
        if not path.is_file():
            raise UserError(f"the teacher's command {self.style_name} ended well, but wrote no picture to {{out}}")
        try:
            painted = read_picture(path).on_white()
        except UserError as error:
            raise UserError(f"what the teacher's command {self.style_name} wrote is of no use: {error}") from error
        if abs(painted.shape[1] * height / (painted.shape[0] * width) - 1) > SLACK:
            raise UserError(
                f"the teacher's command {self.style_name} made {painted.shape[1]}x{painted.shape[0]} pixels of "
                f"{width}x{height}: the proportions must stay"
            )
        return resize(painted, height, width)

    def fingerprint(self) -> str:
        """Of the command, its program and the files that its words name: a changed script paints other pictures."""
        digest = hashlib.sha256(self.name.encode())
        for word in (shutil.which(self.words[0]) or "", *self.words):
            digest.update(f"{word}\n{file_identity(Path(word)) if Path(word).is_file() else ''}\n".encode())
        return digest.hexdigest()[:16]


def load(weights: str | Path | None, command: str = "", timeout: float = 300.0, processes: int = 1) -> CommandTeacher:
    """The teacher; it has no weights, and ``weights`` are for the loss networks."""
    if not command:
        raise UserError("the teacher 'command' needs one: give --teacher-command 'mytool {content} {style} {out}'")
    return CommandTeacher(command, timeout, processes)

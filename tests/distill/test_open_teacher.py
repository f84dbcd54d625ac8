"""``--style`` with a single picture: the teacher is held to it, and its student has one style."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from distill.checkpoint import load_student
from distill.distil import distil
from distill.open_teacher import open_teacher
from distill.run import ONE_STYLE_LOSS, Request, run_name, settings_of
from distill.teachers import Teacher
from distill.teachers.one_painting import OnePainting
from runtime.errors import UserError


class Tint(Teacher):
    """The photo in grey, in the mean colour of the style picture."""

    name = "tint"

    def __init__(self, strength: float = 1.0):
        super().__init__("a tint", "CC0")
        self.strength = torch.nn.Parameter(torch.tensor(strength))

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        return self.strength * content.mean(1, keepdim=True) * style.mean((2, 3), keepdim=True)


def painting(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (300, 420), colour).save(path)
    return path


def test_every_photo_is_painted_in_the_one_style(tmp_path):
    teacher = OnePainting(Tint(), painting(tmp_path / "orange.png", (255, 128, 0)))
    content = torch.rand(3, 3, 20, 28)
    painted = teacher.stylize(content, torch.rand(3, 3, 20, 28))
    wanted = content.mean(1, keepdim=True) * torch.tensor([1, 128 / 255, 0])[:, None, None]
    assert torch.allclose(painted, wanted, atol=1e-6)
    assert (teacher.name, teacher.style_name, teacher.takes_style) == ("tint", "orange", False)
    assert teacher.description == "a tint, in the style of orange.png"


def test_pictures_are_kept_apart_by_teacher_and_painting(tmp_path):
    one, other = painting(tmp_path / "a.png", (255, 128, 0)), painting(tmp_path / "b.png", (255, 127, 0))
    prints = [OnePainting(*pair).fingerprint() for pair in ((Tint(), one), (Tint(), other), (Tint(0.5), one))]
    assert len({*prints, Tint().fingerprint()}) == 4
    assert OnePainting(Tint(), one).fingerprint() == prints[0]


def test_a_student_of_one_painting(tmp_path, pictures, small):
    style = painting(tmp_path / "orange.png", (255, 128, 0))
    settings = settings_of(
        Request(), teacher="negative", preset="tiny", content=str(pictures / "photos"), style=str(style), seed=5
    )
    assert (settings.student, settings.loss, settings.teacher_share) == ("frozen_painter", ONE_STYLE_LOSS, 1.0)
    distil(settings, tmp_path / "run", "cpu", console=Console(file=io.StringIO()))
    trained = load_student(tmp_path / "run")
    assert trained.student.sites == () and trained.provenance["frozen"] == {"style": "orange"}
    assert set(json.loads((tmp_path / "run" / "evaluation.json").read_text())["scores"]) == {
        *("photo", "teacher", "student")
    }


def test_a_folder_or_shards_are_many_styles(pictures, small, tmp_path):
    (tmp_path / "paintings.tar").write_bytes(b"")
    for style in (pictures / "paintings", tmp_path / "paintings.tar", None):
        settings = settings_of(Request(), teacher="negative", preset="tiny", style=style and str(style))
        assert settings.student == "haar_painter"
        assert open_teacher(settings).takes_style


def test_names_of_runs(tmp_path, small):
    style = str(painting(tmp_path / "sunflowers.png", (9, 9, 9)))
    assert run_name(settings_of(Request(), teacher="negative", preset="tiny")) == "negative-w0125"
    assert run_name(settings_of(Request(), teacher="negative", preset="tiny", style=style)) == (
        "negative-sunflowers-w0125"
    )


def test_styles_that_are_none(tmp_path, small):
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="x.jpg is not a picture that can be read"):
        open_teacher(settings_of(Request(), teacher="negative", preset="tiny", style=str(tmp_path / "x.jpg")))
    style = str(painting(tmp_path / "orange.png", (255, 128, 0)))
    with pytest.raises(UserError, match="sepia paints in one style, 'brown': leave --style out"):
        open_teacher(settings_of(Request(), teacher="sepia", preset="tiny", style=style))

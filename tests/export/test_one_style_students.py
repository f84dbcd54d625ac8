"""Students of a teacher with one style, as bundles: a photo goes in, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from distill.checkpoint import STUDENT_FILE, Trained, save_student
from distill.students import FrozenPainter
from export.to_bundle import Exported, export_bundle
from runtime import UserError
from runtime.image_files import write_picture
from runtime.stylizer import Stylizer


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    teacher = {"name": "johnson", "description": "a Johnson network", "licence": "nobody's"}
    scores = {"content": 1.0, "style": 0.5, "ssim": 0.5, "teacher_ssim": 0.6, "teacher_psnr": 20.0}
    quality = {"judge": "compact", "pairs": 4, "size": 64, "scores": {"teacher": scores, "student": scores}}
    provenance = {"teacher": teacher, "frozen": {"style": "candy"}}
    save_student(folder / STUDENT_FILE, Trained(FrozenPainter(0.125), {}, provenance, quality))
    (folder / "sheets").mkdir()
    write_picture(folder / "sheets" / "final.png", np.zeros((40, 60, 3), np.uint8))
    return export_bundle(folder, folder / "bundle")


def test_it_paints_without_a_style(exported, tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (33, 46, 3), dtype=np.uint8)
    with Stylizer.load(exported.directory, threads=1) as stylizer:
        assert stylizer(photo).shape == photo.shape
        with pytest.raises(UserError):
            stylizer.style(photo)


def test_the_card_names_the_style_and_shows_no_paintings(exported: Exported):
    card = (exported.directory / "card.md").read_text()
    for fact in (
        "in one style, candy.",
        "Its teacher: a Johnson network.",
        "![photo, teacher and student](pictures/final.jpg)",
        "Photo, teacher, student.",
        "| student | 1 | 0.5 | 0.5 | 0.6 | 20 |",
    ):
        assert fact in card, fact
    assert "--style" not in card
    assert set(Path(exported.directory).glob("*.onnx")) == {exported.directory / "paint.onnx"}

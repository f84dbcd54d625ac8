"""Scores: what perfect and what known pictures get, and which pairs are judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from distill.data import PictureSet, open_pictures
from distill.evaluate import centre_square, evaluate, held_back_pairs, student_stylize
from distill.framed import paint_framed
from distill.students import build_student
from tests.distill.tiny import Negative, small_perception


@pytest.fixture(scope="module")
def sets(pictures: Path) -> tuple[PictureSet, PictureSet]:
    return tuple(
        open_pictures(str(pictures / folder), kind, 64, "all")
        for folder, kind in (("photos", "content"), ("paintings", "style"))
    )


def copy_style(content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    return style


@pytest.fixture(scope="module")
def judged(sets):
    stylizers = {
        "photo": lambda content, style: content,
        "teacher": Negative().stylize,
        "copy": Negative().stylize,
        "painting": copy_style,
        "nearly": lambda content, style: 1 - content + 0.1,
    }
    return evaluate(stylizers, small_perception(), *sets, count=3, size=64)


def test_the_photo_has_its_own_content_and_the_painting_its_own_style(judged):
    scores = judged[0]["scores"]
    assert scores["photo"]["content"] == 0 and scores["photo"]["ssim"] == pytest.approx(1)
    assert scores["painting"]["style"] == 0
    assert scores["photo"]["style"] > 0 and scores["painting"]["content"] > 0


def test_the_teacher_is_like_itself_and_so_is_a_copy(judged):
    for name in ("teacher", "copy"):
        scores = judged[0]["scores"][name]
        assert scores["teacher_ssim"] == pytest.approx(1, abs=1e-5)
        assert scores["teacher_psnr"] == 100
    assert judged[0]["scores"]["copy"] == judged[0]["scores"]["teacher"]


def test_an_error_of_a_tenth_is_20_db(judged):
    assert judged[0]["scores"]["nearly"]["teacher_psnr"] == pytest.approx(20, abs=1e-3)
    assert judged[0]["scores"]["photo"]["teacher_psnr"] < 20
    assert judged[0]["scores"]["photo"]["teacher_ssim"] < 0.5


def test_the_record_is_json_and_says_how_it_was_judged(judged):
    record, rows = judged
    assert json.loads(json.dumps(record)) == record
    assert (record["judge"], record["pairs"], record["size"]) == ("vgg19", 3, 64)
    assert list(record["scores"]) == ["photo", "teacher", "copy", "painting", "nearly"]
    assert len(rows) == 3 and all(len(row) == 7 for row in rows)
    for photo, painting, *painted in rows:
        assert torch.equal(photo, painted[0]) and torch.equal(painting, painted[3])
        assert torch.equal(painted[1], 1 - photo)


def test_scores_are_means_over_the_pairs(sets):
    stylizers = {"teacher": Negative().stylize}
    alone = []
    for pair in held_back_pairs(*sets, count=3, size=64):
        one = [[p[0].permute(1, 2, 0).mul(255).round().byte().numpy()] for p in pair]
        alone.append(evaluate(stylizers, small_perception(), *one, count=1, size=64)[0]["scores"]["teacher"])
    together = evaluate(stylizers, small_perception(), *sets, count=3, size=64)[0]["scores"]["teacher"]
    for name, value in together.items():
        assert value == pytest.approx(np.mean([scores[name] for scores in alone]), rel=1e-5)


def test_a_sheet_shows_at_most_six_pairs(sets):
    _, rows = evaluate({"teacher": copy_style}, small_perception(), *sets, count=8, size=64)
    assert len(rows) == 6


def test_pairs_are_the_same_every_time(sets):
    one, two = (list(held_back_pairs(*sets, count=6, size=48)) for _ in range(2))
    assert all(torch.equal(a, b) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True))
    assert all(picture.shape == (1, 3, 48, 48) for pair in one for picture in pair)
    photos = {pair[0].sum().item() for pair in one}
    paintings = {pair[1].sum().item() for pair in one}
    assert len(photos) == 4 and len(paintings) >= 3
    assert len({(c.sum().item(), s.sum().item()) for c, s in one}) == 6


@pytest.mark.parametrize("paintings", [1, 4, 5, 6, 10, 14, 30])
def test_every_painting_has_its_turn(paintings):
    photos = [np.full((8, 8, 3), i, np.uint8) for i in range(40)]
    styles = [np.full((8, 8, 3), i, np.uint8) for i in range(paintings)]
    seen = [round(s.mean().item() * 255) for _, s in held_back_pairs(photos, styles, 32, 8)]
    assert set(seen[:paintings]) == set(range(paintings))
    if paintings == 14:
        assert seen[:4] == [0, 5, 10, 1]


@pytest.mark.parametrize("shape", [(64, 64), (64, 100), (101, 64)])
def test_the_centre(shape):
    picture = np.zeros((*shape, 3), np.uint8)
    picture[shape[0] // 2, shape[1] // 2] = 9
    square = centre_square(picture, 64)
    assert square.shape == (64, 64, 3)
    assert square[32, 32].tolist() == [9, 9, 9]


def test_the_student_paints_as_at_run_time():
    """Statistics from a thumbnail of at most 256 px, in a frame, and nothing outside the range."""
    torch.manual_seed(0)
    student = build_student("haar_painter", width=0.125).eval().requires_grad_(False)
    student.head.bias.mul_(3)
    photo, painting = torch.rand(1, 3, 64, 512), torch.rand(1, 3, 64, 64)
    code = student.style(painting)

    def expected(photo: torch.Tensor, thumbnail: torch.Tensor) -> torch.Tensor:
        return paint_framed(student, photo, student.affine(code, student.measure(thumbnail))).clamp(0, 1)

    painted = student_stylize(student)(photo, painting)
    assert torch.equal(painted, expected(photo, F.avg_pool2d(photo, 2)))
    assert painted.max() == 1
    small = photo[..., :256]
    assert torch.equal(student_stylize(student)(small, painting), expected(small, small))

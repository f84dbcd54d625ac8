"""Teachers by name."""

from __future__ import annotations

import pytest
import torch

from distill.teachers import TEACHERS, load_teacher
from runtime.errors import UserError
from tests.distill import tiny


@pytest.mark.parametrize("typo", ["adian", "AdaIN", "adin"])
def test_an_unknown_teacher_gets_the_nearest_name(typo):
    with pytest.raises(UserError, match=f"no teacher called '{typo}'; did you mean 'adain'"):
        load_teacher(typo)


def test_a_far_name_gets_the_list():
    with pytest.raises(UserError, match="no teacher called 'zzz'; known: adain"):
        load_teacher("zzz")
    assert "adain" in TEACHERS


def test_teachers_are_one_line_in_a_table(monkeypatch):
    tiny.install(monkeypatch.setattr)
    teacher = load_teacher("negative")
    content = torch.rand(1, 3, 8, 8)
    assert torch.equal(teacher.stylize(content, content), 1 - content)


def test_stylize_clips_and_keeps_no_gradients(monkeypatch):
    teacher = tiny.Negative()
    picture = torch.full((1, 3, 4, 4), 3.0, requires_grad=True)
    painted = teacher.stylize(picture, picture)
    assert painted.max() == 0 and not painted.requires_grad
    assert painted.dtype == torch.float32

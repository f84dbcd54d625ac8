"""A teacher as a function on pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.teachers import Teacher
from export import teacher_runner
from export.teacher_runner import teacher_callable
from runtime.errors import UserError


class Averaging(Teacher):
    """Paints the mean of content and the style's mean colour."""

    name = "averaging"

    def forward(self, content, style):
        return (content + style.mean((2, 3), keepdim=True)) / 2


@pytest.fixture
def averaging(monkeypatch):
    asked = []

    def load(name, weights):
        asked.append((name, weights))
        return Averaging("a teacher that averages", "none")

    monkeypatch.setattr(teacher_runner, "load_teacher", load)
    threads = torch.get_num_threads()
    yield asked
    torch.set_num_threads(threads)


def test_it_paints_from_pictures_to_pictures(averaging, tmp_path):
    call, description = teacher_callable("averaging", tmp_path, 32, 1)
    content = np.full((32, 40, 3), 100, np.uint8)
    painted = call(content, np.full((16, 16, 3), 200, np.uint8))
    assert (painted.dtype, painted.shape) == (np.uint8, content.shape)
    assert (painted == 150).all()
    assert description == "a teacher that averages"
    assert averaging == [("averaging", tmp_path)]
    assert torch.get_num_threads() == 1


def test_what_it_refuses(averaging):
    with pytest.raises(UserError, match="16 pixels or more, not 8"):
        teacher_callable("averaging", None, 8, 1)
    with pytest.raises(UserError, match="threads must be 1 or more"):
        teacher_callable("averaging", None, 32, 0)
    assert averaging == []


def test_an_unknown_teacher():
    with pytest.raises(UserError, match="there is no teacher called 'adian'; did you mean 'adain'?"):
        teacher_callable("adian", None, 32, 1)


def test_the_real_teacher(shared_data):
    call, description = teacher_callable("adain", shared_data / "weights", 32, 1)
    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for size in (36, 32))
    painted = call(content, style)
    assert painted.shape == content.shape
    assert "AdaIN with the weights" in description

"""What a student is trained and judged on is what the runtime paints."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from distill.framed import paint_framed
from distill.students import build_student
from runtime.framing import MARGIN, pad, to_tensor


@pytest.fixture(scope="module")
def student() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_student("haar_painter", width=0.125).eval().requires_grad_(False)


def neutral(student: torch.nn.Module) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.ones(1, s.channels, 1, 1), torch.zeros(1, s.channels, 1, 1)) for s in student.sites]


def test_the_frame_is_the_runtimes(student):
    photo = torch.randint(0, 256, (40, 52, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8).numpy()
    padded, inside = pad(photo, student.size_multiple, MARGIN, "reflect")
    as_runtime = student.paint(torch.from_numpy(to_tensor(padded)), neutral(student))[:, :, inside[0], inside[1]]
    painted = paint_framed(student, torch.from_numpy(to_tensor(photo)), neutral(student))
    assert painted.shape == (1, 3, 40, 52)
    torch.testing.assert_close(painted, as_runtime, atol=1e-5, rtol=0)


def test_a_flat_photo_has_flatter_borders_than_without_a_frame(student):
    """Zero padding darkens the border of a bare picture; inside the frame little of it is left."""
    torch.nn.init.normal_(student.head.weight, 0, 0.1)
    photo = torch.full((1, 3, 64, 64), 0.7)
    centre = student.paint(F.pad(photo, [64] * 4, mode="replicate"), neutral(student))[..., 96:97, 96:97]
    bare, framed = student.paint(photo, neutral(student)), paint_framed(student, photo, neutral(student))
    assert (framed - centre).abs()[..., 0, :].mean() < 0.5 * (bare - centre).abs()[..., 0, :].mean()


def test_the_frame_is_trained_too(student):
    photo = torch.rand(1, 3, 48, 48, requires_grad=True)
    paint_framed(student, photo, neutral(student))[..., :2, :2].sum().backward()
    assert photo.grad[..., 2:8, 2:8].abs().sum() > 0 and photo.grad.isfinite().all()


def test_what_is_trained_is_out_of_reach_of_the_frames_border(student):
    """With a frame as wide as the painter reaches, zeros beyond it change nothing inside."""
    photo = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    wide = paint_framed(student, photo, neutral(student), student.halo)
    further = F.pad(photo, [60] * 4, mode="reflect")
    away = student.paint(F.pad(further, [40] * 4, mode="replicate"), neutral(student))[..., 100:-100, 100:-100]
    torch.testing.assert_close(wide, away, atol=1e-5, rtol=0)
    near = paint_framed(student, photo, neutral(student))
    assert (near - away).abs()[..., :8, :].max() > 1e-3

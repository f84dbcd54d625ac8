"""The first channels of a student are a student, and a wider one can begin as a narrower one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.students import FrozenPainter, HaarPainter
from distill.students.haar_painter import Channels
from distill.students.widths import code_channels, cut, grained, narrowed, widened

WIDTHS = st.sampled_from([0.125, 0.1875, 0.25, 0.375])


def made(width: float, seed: int = 0) -> HaarPainter:
    torch.manual_seed(seed)
    student = HaarPainter(width)
    torch.nn.init.normal_(student.style.out.weight, 0, 0.3)  # styles matter from the start
    torch.nn.init.normal_(student.head.weight, 0, 0.1)
    return student.eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 1, 3, 32, 48)


@torch.no_grad()
def test_a_cut_student_has_the_channels_of_its_width_and_the_first_weights(pictures):
    whole = made(0.5)
    narrow = cut(whole, 0.25)
    assert narrow.channels == Channels.of_width(0.25, 3) and narrow.shape == HaarPainter(0.25).shape
    assert torch.equal(narrow.blocks[1].inner.weight, whole.blocks[1].inner.weight[:32, :32])
    assert torch.equal(narrow.stem.weight, whole.stem.weight[:16])  # its inputs are colours
    assert torch.equal(narrow.head.bias, whole.head.bias)
    assert narrow(*pictures).shape == pictures[0].shape
    assert not torch.allclose(narrow(*pictures), whole(*pictures), atol=1e-3)


@torch.no_grad()
def test_a_cut_code_has_the_first_channels_of_every_site(pictures):
    whole = made(0.5)
    narrow = cut(whole, 0.25)
    own, all_of_it = (
        student.style(pictures[1]).split([s.channels for s in student.sites], 2) for student in (narrow, whole)
    )
    for few, many in zip(own, all_of_it, strict=True):
        assert torch.equal(few, many[:, :, : few.shape[2]])
    assert narrow.style.measured.tolist() == HaarPainter(0.25).style.measured.tolist()
    assert code_channels(whole, narrow)[:17] == [*range(16), 32]


def test_a_cut_changes_nothing_in_the_whole_and_shares_no_memory():
    whole = made(0.25)
    before = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    narrow = cut(whole, 0.125)
    with torch.no_grad():
        for parameter in narrow.parameters():
            parameter.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in whole.state_dict().items())


def test_gradients_reach_the_front_of_the_whole_and_nothing_else():
    whole = made(0.25)
    found = narrowed(whole, HaarPainter(0.125))
    found["down.weight"].square().sum().backward()
    gradient = whole.down.weight.grad
    assert (gradient[:16, :8] != 0).all()
    assert gradient[16:].abs().sum() == gradient[:, 8:].abs().sum() == 0


@given(WIDTHS, st.integers(0, 100))
@torch.no_grad()
def test_a_widened_student_paints_the_same(width, seed):
    student = made(width, seed)
    wide = widened(student, 0.5).eval()
    content, style = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    assert wide.width == 0.5 and wide.channels == Channels.of_width(0.5, 3)
    assert torch.allclose(wide(content, style), student(content, style), atol=1e-4)
    assert torch.equal(cut(wide, width)(content, style), student(content, style))


def test_new_channels_learn_from_the_first_step():
    wide = widened(made(0.125), 0.25)
    wide(*torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))).square().mean().backward()
    assert wide.mix.weight.grad[:8, 8:].abs().sum() > 0, "what may read them"
    assert torch.count_nonzero(wide.mix.weight[:8, 8:]) == 0


@torch.no_grad()
def test_frozen_painters_too():
    torch.manual_seed(0)
    painter, photo = FrozenPainter(0.25), torch.rand(1, 3, 32, 32)
    assert torch.allclose(widened(painter, 0.5)(photo), painter(photo), atol=1e-5)
    assert cut(painter, 0.125)(photo).shape == photo.shape


def test_what_is_wider_somewhere_is_no_front():
    odd = HaarPainter(0.125, channels=Channels(8, 16, 64, (16, 16, 16), 8, 8))
    with pytest.raises(ValueError, match=r"encode.inner.weight is no part of a student of width 0.25"):
        widened(odd, 0.25)


@torch.no_grad()
def test_grain_is_added_without_a_change_and_goes_along(pictures):
    plain = made(0.25)
    student = grained(plain).eval()
    assert student.shape == {**plain.shape, "grain": True}
    assert torch.equal(student(*pictures), plain(*pictures))
    torch.nn.init.normal_(student.grain.weight, 0, 0.1)
    assert (student(*pictures) - plain(*pictures)).std() > 0.01
    assert torch.equal(cut(student, 0.125).grain.weight, student.grain.weight[:, :8])
    torch.testing.assert_close(widened(student, 0.5).eval()(*pictures), student(*pictures), atol=1e-5, rtol=0)
    assert type(student).of_weights(student.state_dict()).shape == student.shape


@torch.no_grad()
def test_grain_is_kept_when_a_style_is_folded_in(pictures):
    student = grained(made(0.125)).eval()
    torch.nn.init.normal_(student.grain.weight, 0, 0.1)
    affine = student.affine(student.style(pictures[1]), student.measure(pictures[0]))
    folded = FrozenPainter.folding(student, affine)
    torch.testing.assert_close(folded.paint(pictures[0]), student.paint(pictures[0], affine), atol=1e-4, rtol=1e-4)

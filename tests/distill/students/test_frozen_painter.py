"""Folding a style into the weights: the same pictures from a painter that takes no style."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.checkpoint import Trained, load_student, save_student
from distill.students import FrozenPainter, HaarPainter
from distill.students.haar_painter import Channels

UNEVEN = Channels(half=8, trunk=24, encode=16, blocks=(8, 32), up=16, mix=24)


def painter_of(seed: int, channels: Channels = UNEVEN) -> HaarPainter:
    torch.manual_seed(seed)
    painter = HaarPainter(channels.trunk / 128, len(channels.blocks), channels).eval()
    for name, parameter in painter.named_parameters():
        if name.endswith("bias") and not name.startswith(("style", "head")):
            torch.nn.init.normal_(parameter, 0, 0.2)
    return painter


@settings(max_examples=12)
@given(seed=st.integers(0, 999), blocks=st.integers(0, 2))
def test_pictures_are_those_of_the_adaptive_painter(seed, blocks):
    """With scales of any sign, but those of the trunk positive, as every code has them; borders included."""
    painter = painter_of(seed, Channels(8, 24, 16, (8, 32)[:blocks], 16, 24)).double()
    affine = []
    for site in painter.sites:
        scale = torch.randn(1, site.channels, 1, 1, dtype=torch.float64)
        scale = scale.exp() if site.name == "trunk" else scale
        affine.append((scale, torch.randn(1, site.channels, 1, 1, dtype=torch.float64)))
    photo = torch.rand(2, 3, 20, 28, dtype=torch.float64)
    with torch.no_grad():
        frozen, wanted = FrozenPainter.folding(painter, affine), painter.paint(photo, affine)
        assert torch.allclose(frozen(photo), wanted, rtol=1e-9, atol=1e-9)
        assert torch.equal(frozen.paint(photo, []), frozen(photo))


def test_a_style_and_a_photos_statistics_fold_in_single_precision():
    painter = painter_of(1)
    photo, painting = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        affine = painter.affine(painter.style(painting), painter.measure(photo))
        before = {key: value.clone() for key, value in painter.state_dict().items()}
        frozen = FrozenPainter.folding(painter, affine)
        assert torch.allclose(frozen(photo), painter.paint(photo, affine), atol=2e-5)
    assert all(torch.equal(value, before[key]) for key, value in painter.state_dict().items())


def test_every_code_has_positive_scales_at_the_trunk():
    """What folding the trunk rests on: extreme paintings, extreme photos."""
    painter = painter_of(2)
    extremes = [torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32), torch.rand(1, 3, 32, 32).round()]
    with torch.no_grad():
        painter.style.out.bias.fill_(-50)
        for painting in extremes:
            for photo in extremes:
                scale, _ = painter.affine(painter.style(painting), painter.measure(photo))[1]
                assert (scale > 0).all()


def test_other_scales_at_the_trunk_are_refused():
    painter = painter_of(0)
    affine = [(torch.ones(1, s.channels, 1, 1), torch.zeros(1, s.channels, 1, 1)) for s in painter.sites]
    for wrong in (0.0, -1.0, float("nan")):
        affine[1][0][0, 3] = wrong
        with pytest.raises(ValueError, match="scales of the trunk are above 0"):
            FrozenPainter.folding(painter, affine)


def test_a_frozen_painter_only_paints():
    frozen = FrozenPainter(0.125)
    assert frozen.sites == () and not hasattr(frozen, "style") and not hasattr(frozen, "measure")
    assert (frozen.size_multiple, frozen.halo) == (4, HaarPainter(0.125).halo)
    with pytest.raises(ValueError, match="takes no affine"):
        frozen.paint(torch.rand(1, 3, 8, 8), [(torch.ones(1), torch.ones(1))])


def test_it_is_saved_like_any_student(tmp_path):
    frozen = FrozenPainter(0.1875, 2, UNEVEN)
    save_student(tmp_path / "student.safetensors", Trained(frozen, {}, {"frozen": {"style": "x"}}, {}))
    trained = load_student(tmp_path)
    assert isinstance(trained.student, FrozenPainter) and trained.student.channels == UNEVEN
    photo = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(trained.student(photo), frozen(photo))

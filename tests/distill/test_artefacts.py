"""Artefact scores: what is drawn on purpose is found with its amplitude, and what is not there scores nothing."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from distill.artefacts import Artefacts, artefacts, mean_artefacts

SIZE = 192


def photo(seed: int = 0) -> torch.Tensor:
    """Soft spots of colour, as large as things in photos, with a little grain: (1, 3, SIZE, SIZE)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 12, 12, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0.2, 0.8)
    return smooth + 0.008 * torch.randn(smooth.shape, generator=generator)


def grid(amplitude: float, down: int, across: int) -> torch.Tensor:
    """A lattice of cosines in levels: periods in pixels, 0 for none."""
    place = torch.arange(SIZE, dtype=torch.float32)
    waves = [torch.cos(2 * math.pi * place / period) if period else torch.ones(SIZE) for period in (down, across)]
    return amplitude / 255 * waves[0][:, None] * waves[1]


@given(st.integers(0, 50), st.sampled_from([(4, 0), (0, 4), (2, 0), (0, 2), (2, 2)]), st.floats(1.0, 8.0))
def test_a_lattice_scores_its_amplitude(seed, periods, amplitude):
    own = photo(seed)
    assert artefacts(own + grid(amplitude, *periods), own).lattice == pytest.approx(amplitude, rel=0.25, abs=0.3)


@given(st.integers(0, 50))
def test_a_lattice_of_both_directions_is_found(seed):
    own = photo(seed)
    found = artefacts(own + grid(4, 4, 4), own).lattice
    assert 1 < found < 5  # its energy is spread over four frequencies


@given(st.integers(0, 50), st.floats(0.6, 1.4))
def test_no_lattice_no_score(seed, contrast):
    own = photo(seed)
    repainted = (own - 0.5).flip(1) * contrast + 0.5
    assert artefacts(own, own).lattice == 0
    assert artefacts(repainted, own).lattice < 0.15


def test_a_pattern_of_another_period_is_no_lattice():
    own = photo()
    assert artefacts(own + grid(6, 0, 7), own).lattice < 0.3


def test_a_lattice_that_the_photo_has_is_the_photos():
    own = photo() + grid(5, 4, 0)
    assert artefacts(own, own).lattice == 0
    assert artefacts(own + grid(3, 4, 0), own).lattice == pytest.approx(3, abs=0.3)


def test_a_lattice_whose_sign_changes_counts():
    own = photo()
    signs = torch.sign(torch.sin(torch.arange(SIZE) * math.pi / 96 + 0.01))
    assert artefacts(own + grid(5, 4, 0) * signs, own).lattice > 3


def test_a_line_along_the_border_scores_and_one_inside_does_not():
    own = photo()
    framed, inside = own.clone(), own.clone()
    framed[..., :2] = framed[..., -2:] = framed[..., :2, :] = framed[..., -2:, :] = 0
    inside[..., 60:62] = inside[..., 120:122] = inside[..., 60:62, :] = inside[..., 120:122, :] = 0
    assert artefacts(own, own).border == pytest.approx(1)
    assert artefacts(framed, own).border > 1.5
    assert artefacts(inside, own).border < 1


@given(st.floats(0.5, 20))
def test_noise_in_flat_areas_scores_its_deviation(deviation):
    own = torch.full((1, 3, SIZE, SIZE), 0.5)
    own[..., 96:] = photo()[..., 96:]
    noise = torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * deviation / 255
    assert artefacts(own + noise, own).flat == pytest.approx(deviation, rel=0.05)
    assert artefacts(own, own).flat == 0
    assert artefacts(1 - own, own).flat == pytest.approx(0, abs=1e-3)


def test_what_is_nowhere_flat_has_no_score():
    noise = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    assert artefacts(noise, noise).flat is None


def halves() -> torch.Tensor:
    own = torch.zeros(1, 3, SIZE, SIZE)
    own[:, 0, :, :96], own[:, 2, :, 96:] = 0.8, 0.8
    return own


def blurred(picture: torch.Tensor, radius: float) -> torch.Tensor:
    pixels = Image.fromarray(picture[0].permute(1, 2, 0).mul(255).byte().numpy())
    soft = torch.tensor(list(pixels.filter(ImageFilter.GaussianBlur(radius)).tobytes())).view(SIZE, SIZE, 3)
    return soft.permute(2, 0, 1)[None] / 255


def test_colours_that_bleed_score_by_how_far():
    own = halves()
    sharp, soft, softer = (artefacts(each, own).bleeding for each in (own, blurred(own, 3), blurred(own, 6)))
    assert sharp == 0 and 0.2 < soft < softer < 0.9
    assert artefacts(own.flip(1) * 0.5, own).bleeding == pytest.approx(0, abs=0.01), "other colours, at the same edge"


def test_a_photo_without_edges_of_colour_has_no_score():
    grey = photo().mean(1, keepdim=True).expand(1, 3, SIZE, SIZE)
    assert artefacts(grey, grey).bleeding is None


@pytest.mark.parametrize("sides", [(32, 32), (64, 40), (250, 130)])
def test_any_size(sides):
    picture = torch.rand(1, 3, *sides, generator=torch.Generator().manual_seed(0))
    found = artefacts(picture, picture)
    assert (found.lattice, found.border) == (0, pytest.approx(1))


def test_means_leave_out_what_is_not_there():
    found = mean_artefacts([Artefacts(1, 2, None, 0.5), Artefacts(3, 2, 4, None), Artefacts(5, 2, None, None)])
    assert found == {"lattice": 3, "border": 2, "flat": 4, "bleeding": 0.5}
    assert mean_artefacts([Artefacts(1, 2, None, None)])["flat"] is None

"""Efros & Leung: textures grown by the paper's rule, and photos put together from a painting's pixels."""

from __future__ import annotations

import pytest
import torch

from distill.teachers import load_teacher
from distill.teachers.efros_leung import EfrosLeungTeacher, Sampling, grow, next_pixels, transfer
from distill.teachers.example_matching import luminance
from runtime.errors import UserError


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stripes(height: int, width: int, period: int) -> torch.Tensor:
    """Columns of as many colours, again and again, each of another lightness."""
    colours = torch.linspace(0.1, 0.9, period)[:, None] * torch.tensor([1.0, 0.8, 0.6])
    return colours[torch.arange(width) % period].expand(height, width, 3)


def colours_of(picture: torch.Tensor) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in picture.mul(1000).round().int().reshape(-1, 3).tolist()}


def test_a_regular_texture_goes_on():
    """Its window holds more than a period, so that every pixel has one right colour (the paper's figure of bricks)."""
    texture = stripes(20, 24, 4)
    grown = grow(texture, 26, 30, Sampling(texture_window=9), random())
    assert torch.equal(grown, grown[:1].expand_as(grown)), "the same in all rows"
    first = next(shift for shift in range(4) if torch.equal(stripes(1, 34, 4)[:, shift : shift + 30], grown[:1]))
    assert 0 <= first < 4


def test_a_window_smaller_than_the_pattern_loses_it():
    """The one parameter of the method: the window has to hold the largest regular structure."""
    torch.manual_seed(3)
    texture = (torch.arange(48)[:, None] // 6 % 2 ^ torch.arange(48) // 6 % 2).float()[..., None].repeat(1, 1, 3)

    def runs(picture: torch.Tensor) -> list[int]:
        """Lengths of the runs of one colour along rows, without those at the border."""
        lengths = []
        for row in picture[..., 0].round().int():
            _, counts = row.unique_consecutive(return_counts=True)
            lengths += counts[1:-1].tolist()
        return lengths

    wide = runs(grow(texture, 40, 40, Sampling(texture_window=15), random()))
    narrow = runs(grow(texture, 40, 40, Sampling(texture_window=3), random()))
    assert sum(n == 6 for n in wide) / len(wide) > 0.9
    assert sum(n == 6 for n in narrow) / len(narrow) < 0.6


def test_pixels_are_samples():
    """Non-parametric: no colour that the sample lacks, and not just one of it."""
    torch.manual_seed(5)
    texture = torch.rand(16, 16, 3)
    grown = grow(texture, 20, 21, Sampling(texture_window=5), random())
    assert grown.shape == (20, 21, 3)
    assert colours_of(grown) <= colours_of(texture) and len(colours_of(grown)) > 20


def test_the_same_seed_grows_the_same():
    torch.manual_seed(5)
    texture = torch.rand(14, 14, 3).round()
    how = Sampling(texture_window=5)
    one, same, other = (grow(texture, 16, 16, how, random(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_pixels_with_more_painted_neighbours_come_first():
    """GetUnfilledNeighbors: in the notch of an L every other pixel of the edge has fewer."""
    painted = torch.zeros(9, 9, dtype=torch.bool)
    painted[2:6, 2:4] = painted[4:6, 2:8] = True
    rows, columns = next_pixels(painted, random())
    first = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert (3, 4) in first
    assert all(not painted[row, column] for row, column in first)
    edge = torch.nn.functional.max_pool2d(painted.float()[None, None], 3, 1, 1)[0, 0].bool()
    assert all(edge[row, column] for row, column in first)


def test_what_is_painted_together_has_two_pixels_between():
    painted = torch.zeros(30, 30, dtype=torch.bool)
    painted[:15] = True
    apart = []
    for seed in range(5):
        _, columns = next_pixels(painted, random(seed))
        apart += columns.sort().values.diff().tolist()
    assert min(apart) == 3


def test_a_photo_keeps_its_light_and_takes_the_paintings_pixels():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 32)[None, :, None].expand(24, 32, 3)
    noise = torch.rand(40, 40, 1) * torch.tensor([1.0, 0.6, 0.2])
    painted = transfer(ramp, noise, Sampling(window=5), random())
    assert colours_of(painted) <= colours_of(noise)
    columns = luminance(painted).mean((0, 2))
    order = columns.reshape(8, 4).mean(1)
    assert (order.diff() > 0).all(), "from dark to light as the photo"
    assert torch.corrcoef(torch.stack([columns, torch.linspace(0, 1, 32)]))[0, 1] > 0.95


def test_the_texture_counts_as_much_as_it_shall():
    """Stripes in the painting come out as stripes where the photo is flat, and not where only its light counts."""
    torch.manual_seed(0)
    striped = stripes(32, 33, 3)
    flat = 0.45 + 0.02 * torch.rand(20, 24, 3)

    def regularity(share: float) -> float:
        painted = luminance(transfer(flat, striped, Sampling(window=7, texture_share=share), random()))[..., 0]
        return (painted[:, 3:] - painted[:, :-3]).abs().lt(0.01).float().mean().item()

    assert regularity(0.95) > 0.9
    assert regularity(0.0) < 0.7


def test_what_is_too_small_is_said():
    with pytest.raises(UserError, match="a texture of 9x12 pixels is too small for a window of 9"):
        grow(torch.rand(12, 9, 3), 20, 20, Sampling(texture_window=9), random())
    with pytest.raises(UserError, match="at least 3 pixels on each side"):
        grow(torch.rand(12, 12, 3), 2, 20, Sampling(texture_window=9), random())


def test_options():
    teacher = load_teacher("efros-leung", None, {"window": "5", "texture_share": "0.25"})
    assert isinstance(teacher, EfrosLeungTeacher) and (teacher.how.window, teacher.how.texture_share) == (5, 0.25)
    for name, value in (("window", "6"), ("window", "1"), ("texture_share", "1.5")):
        with pytest.raises(UserError, match=f"{name} must"):
            load_teacher("efros-leung", None, {name: value})


def test_as_a_teacher():
    """Each picture for itself, the same whatever it comes with; and filed under the method's numbers."""
    torch.manual_seed(0)
    teacher = EfrosLeungTeacher(Sampling(window=5))
    content, style = torch.rand(2, 3, 12, 14), torch.rand(2, 3, 20, 20)
    both = teacher.stylize(content, style)
    assert both.shape == (2, 3, 12, 14)
    assert torch.equal(teacher.stylize(content[1:], style[1:]), both[1:])
    prints = {EfrosLeungTeacher(how).fingerprint() for how in (Sampling(5), Sampling(), Sampling(epsilon=0.2))}
    assert len(prints) == 3 and EfrosLeungTeacher(Sampling(5)).fingerprint() in prints

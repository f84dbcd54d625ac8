"""Image quilting: the cut, the choice of blocks, and the passes over a photo."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from distill.teachers import load_teacher
from distill.teachers.example_matching import luminance
from distill.teachers.quilting import (
    Guide,
    Planes,
    Quilting,
    QuiltingTeacher,
    alphas,
    block_sides,
    cut_and_lay,
    least_error_path,
    quilt,
    transfer,
)
from runtime.errors import UserError


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(5))
def test_the_cut_is_the_cheapest_of_all_paths(seed):
    torch.manual_seed(seed)
    errors = torch.rand(2, 5, 3)
    paths = least_error_path(errors)
    for surface, path in zip(errors, paths.tolist(), strict=True):
        assert all(abs(a - b) <= 1 for a, b in zip(path, path[1:], strict=False)), "from row to row at most one aside"
        costs = [
            sum(surface[row, column].item() for row, column in enumerate(columns))
            for columns in product(range(3), repeat=5)
            if all(abs(a - b) <= 1 for a, b in zip(columns, columns[1:], strict=False))
        ]
        assert sum(surface[row, column].item() for row, column in enumerate(path)) == pytest.approx(min(costs))


def test_what_lies_there_stays_on_its_side_of_the_cut():
    """Old is black, new white; they agree in column 1 and in row 2, which is where the cuts run."""
    under = torch.zeros(1, 6, 6, 3)
    chosen = torch.ones(1, 6, 6, 3)
    chosen[:, :, 1] = under[:, :, 1] = 0.5
    beside = cut_and_lay(under, chosen, 3, torch.tensor([False]), torch.tensor([True]))[0, :, :, 0]
    assert beside.tolist() == [[0, 0.5, 1, 1, 1, 1]] * 6
    below = cut_and_lay(under.transpose(1, 2), chosen.transpose(1, 2), 3, torch.tensor([True]), torch.tensor([False]))
    assert torch.equal(below[0, :, :, 0], beside.T)
    alone = cut_and_lay(under, chosen, 3, torch.tensor([False]), torch.tensor([False]))
    assert torch.equal(alone, chosen)


def test_errors_are_those_of_section_3():
    """alpha (overlap + what the pass before laid) + (1 - alpha) correspondence, per pixel of a block, everywhere."""
    torch.manual_seed(2)
    sample, under, before = torch.rand(7, 8, 3), torch.rand(1, 4, 4, 3), torch.rand(4, 4, 3)
    guide = Guide(0.3, torch.rand(4, 4, 1), torch.rand(7, 8, 1), before)
    overlapped = torch.zeros(1, 4, 4, dtype=torch.bool)
    overlapped[:, :2] = overlapped[:, :, 0] = True
    cells = torch.arange(4)[None]
    found = Planes(sample, 4, guide, (4, 4)).errors(under, overlapped, cells[:, :, None], cells[:, None])
    plain = Planes(sample, 4, None, (4, 4)).errors(under, overlapped, cells[:, :, None], cells[:, None])
    for number, (top, left) in enumerate(product(range(4), range(5))):
        block, map_there = sample[top : top + 4, left : left + 4], guide.sample[top : top + 4, left : left + 4]
        overlap = ((block - under[0]).square().mean(2) * overlapped[0]).sum()
        laid = (block - before).square().mean(2).sum()
        wanted = 0.3 * (overlap + laid) + 0.7 * (map_there - guide.photo).square().sum()
        assert found[0, number].item() == pytest.approx(wanted.item() / 16, abs=1e-5)
        assert plain[0, number].item() == pytest.approx(overlap.item() / 16, abs=1e-5)


def test_large_samples_are_searched_in_strides(monkeypatch):
    monkeypatch.setattr("distill.teachers.quilting.MOST_PLACES", 50)
    sample = torch.rand(20, 23, 3)
    planes = Planes(sample, 5, None, (5, 5))
    assert planes.stride == 3
    cells = torch.arange(5)[None]
    nothing = torch.zeros(1, 5, 5, dtype=torch.bool)
    errors = planes.errors(torch.zeros(1, 5, 5, 3), nothing, cells[:, :, None], cells[:, None])
    assert errors.shape == (1, 6 * 7)
    assert torch.equal(planes.blocks(torch.tensor([8]))[0], sample[3:8, 3:8]), "second row, second column"


def test_the_scheme_of_the_paper():
    assert alphas(3) == pytest.approx([0.1, 0.5, 0.9])
    assert alphas(5) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert block_sides(Quilting(block=27, passes=4)) == [27, 18, 12, 8]


def test_a_regular_texture_goes_on_without_seams():
    colours = torch.linspace(0.1, 0.9, 5)[:, None] * torch.tensor([1.0, 0.8, 0.6])
    sample = colours[(torch.arange(30)[:, None] + 2 * torch.arange(32)) % 5]
    laid = quilt(sample, 40, 43, 12, random())
    assert laid.shape == (40, 43, 3)
    assert torch.equal(laid[:, 5:], laid[:, :-5]) and torch.equal(laid[5:], laid[:-5])


def test_fronts_lay_what_raster_order_lays(monkeypatch):
    """The overlap's right end was laid by the block above to the right."""
    torch.manual_seed(4)
    sample = torch.rand(20, 22, 3)
    monkeypatch.setattr("distill.teachers.quilting.pick_within", lambda errors, *_: errors.argmin(1))
    together = quilt(sample, 50, 45, 8, random())
    monkeypatch.setattr(
        "distill.teachers.quilting.wavefronts",
        lambda rows, columns, reach: (
            (torch.tensor([row]), torch.tensor([column])) for row, column in product(range(rows), range(columns))
        ),
    )
    assert torch.equal(together, quilt(sample, 50, 45, 8, random()))


def test_every_pass_starts_from_the_one_before(monkeypatch):
    guides, laid = [], []

    def noted(sample, height, width, block, generator, guide):
        guides.append(guide)
        laid.append(quilt(sample, height, width, block, generator, guide))
        return laid[-1]

    monkeypatch.setattr("distill.teachers.quilting.quilt", noted)
    torch.manual_seed(0)
    painted = transfer(torch.rand(24, 24, 3), 0.2 * torch.rand(30, 30, 3), Quilting(12, 3), random())
    assert [guide.alpha for guide in guides] == pytest.approx([0.1, 0.5, 0.9])
    assert guides[0].before is None and guides[1].before is laid[0] and guides[2].before is laid[1]
    assert painted is laid[2]
    assert guides[0].sample.mean().item() == pytest.approx(guides[0].photo.mean().item(), abs=1e-4), "maps are matched"


def test_the_cut_makes_seams_less_visible(monkeypatch):
    """The paper's figure 2: blocks laid without the cut show straight edges."""
    torch.manual_seed(0)
    sample = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 12), scale_factor=4, mode="bicubic")[0]
    sample = sample.permute(1, 2, 0)

    def seams(picture: torch.Tensor) -> float:
        """Mean squared step where blocks of 12 pixels that overlap by 2 begin."""
        rows, columns = picture.diff(dim=0).square().mean((1, 2)), picture.diff(dim=1).square().mean((0, 2))
        return (rows[9::10].mean() + columns[9::10].mean()).item()

    cut = seams(quilt(sample, 62, 62, 12, random()))
    monkeypatch.setattr("distill.teachers.quilting.cut_and_lay", lambda under, chosen, *_: chosen)
    assert cut < 0.8 * seams(quilt(sample, 62, 62, 12, random()))


def test_neighbours_are_matched_in_the_overlap():
    """Among random blocks those that continue each other win: adjacent blocks come from adjacent places."""
    torch.manual_seed(1)
    sample = torch.rand(24, 40, 3)
    laid = quilt(sample, 12, 22, 12, random())
    places = {
        (y, x): (y, x)
        for y, x in product(range(13), range(29))
        if torch.equal(sample[y : y + 12, x : x + 12], laid[:, :12])
    }
    (top, left) = next(iter(places))
    if left + 22 <= 40:  # the continuation is in the sample, and has no error at all
        assert torch.equal(laid, sample[top : top + 12, left : left + 22])


def test_a_photo_keeps_its_light():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 48)[None, :, None].expand(40, 48, 3)
    fine = torch.nn.functional.interpolate(torch.rand(1, 1, 16, 16), scale_factor=4, mode="bilinear")[0, 0]
    painting = fine[..., None] * torch.tensor([1.0, 0.6, 0.2])
    painted = transfer(ramp, painting, Quilting(block=9), random())
    assert painted.shape == (40, 48, 3)
    means = luminance(painted).mean((0, 2)).reshape(6, 8).mean(1)
    assert (means.diff() > 0).all()
    one_pass = transfer(ramp, painting, Quilting(block=9, passes=1), random())
    light = luminance(ramp)
    light = (light - light.mean()) / light.std()

    def apart(picture: torch.Tensor) -> float:
        y = luminance(picture)
        return ((y - y.mean()) / y.std() - light).square().mean().item()

    assert apart(painted) < apart(one_pass), "smaller blocks follow the photo more closely"


def test_options_and_what_is_too_small():
    teacher = load_teacher("quilting", None, {"block": "15", "passes": "2"})
    assert teacher.how == Quilting(15, 2) and "15, 10 pixels" in teacher.description
    with pytest.raises(UserError, match="blocks of at least 5 pixels and at least 1 pass"):
        load_teacher("quilting", None, {"block": "4"})
    with pytest.raises(UserError, match="a sample of 10x30 pixels is too small for blocks of 12"):
        transfer(torch.rand(20, 20, 3), torch.rand(30, 10, 3), Quilting(), random())
    with pytest.raises(UserError, match="too small for blocks of 24"):
        QuiltingTeacher().synthesise(torch.rand(24, 40, 3), 50, 50)


def test_the_same_pictures_give_the_same():
    torch.manual_seed(0)
    teacher = QuiltingTeacher(Quilting(6, 2))
    content, style = torch.rand(2, 3, 20, 20), torch.rand(2, 3, 24, 24)
    both = teacher.stylize(content, style)
    assert torch.equal(teacher.stylize(content[1:], style[1:]), both[1:])

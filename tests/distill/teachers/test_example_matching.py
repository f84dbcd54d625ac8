"""Neighbourhood search: against loops over pixels, as the papers write it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.teachers.example_matching import (
    ROUNDING,
    Canvas,
    Example,
    blurred,
    causal_offsets,
    gaussian,
    luminance,
    pick_within,
    remapped,
    wavefronts,
    window_offsets,
    windows,
)


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_neighbours_come_in_raster_order():
    assert window_offsets(1).tolist() == [[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1]]
    assert causal_offsets(1).tolist() == [[-1, -1], [-1, 0], [-1, 1], [0, -1]]
    assert len(causal_offsets(2)) == 12, "of 5 x 5 pixels half of those that are not the middle"


def test_weights_are_a_gaussian_of_that_deviation():
    weights = gaussian(torch.tensor([[0, 2], [2, 0], [-3, 4], [0, 0]]), 2.0)
    assert weights.tolist() == pytest.approx([0.6065, 0.6065, 0.0439, 1], abs=1e-4)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 3))
def test_fronts_keep_raster_order(height, width, reach):
    """Every pixel once, after all that its causal neighbourhood holds."""
    front_of = np.full((height, width), -1)
    for number, (rows, columns) in enumerate(wavefronts(height, width, reach)):
        assert (front_of[rows, columns] == -1).all()
        front_of[rows, columns] = number
    assert (front_of >= 0).all()
    for row, column in np.ndindex(height, width):
        before = front_of[max(0, row - reach) : row, max(0, column - reach) : column + reach + 1]
        left = front_of[row, :column]
        assert (before < front_of[row, column]).all() and (left < front_of[row, column]).all()


def test_windows_repeat_the_border():
    picture = torch.arange(6.0).reshape(2, 3, 1)
    seen = windows(picture, torch.tensor([[-1, 0], [0, 2]]))
    assert seen[..., 0].tolist() == [[0, 2], [1, 2], [2, 2], [0, 5], [1, 5], [2, 5]]


@pytest.mark.parametrize("channels", [1, 3])
def test_distances_are_weighted_squared_differences(channels):
    """FindMatches of the authors' page: valid neighbours only, over their total weight, and what else is known."""
    torch.manual_seed(1)
    painted, known = torch.rand(9, 8, channels), torch.rand(9, 8, 2)
    offsets = causal_offsets(1)
    weights = gaussian(offsets, 0.8)
    example = Example(painted, known, offsets, 1000, random())
    canvas = Canvas(example, weights, 4, 5, share=0.7)
    places = torch.tensor([[10, 20, -1, 30], [-1, -1, -1, 40]])
    wanted = torch.rand(2, 2)
    query = canvas.query(places, wanted)
    found = example.search(query)
    for row, line in enumerate(places.tolist()):
        there = [k for k, place in enumerate(line) if place >= 0]
        for column, place in enumerate(example.searched.tolist()):
            y, x = divmod(place, 8)
            apart = 0.0
            for k in there:
                dy, dx = offsets[k].tolist()
                difference = painted.reshape(-1, channels)[line[k]] - painted[y + dy, x + dx]
                apart += (weights[k] * difference.square().mean()).item()
            apart *= 0.7 / weights[there].sum().item()
            apart += (wanted[row] - known[y, x]).square().sum().item()
            assert found[row, column].item() == pytest.approx(apart, abs=1e-5)
    at = example.searched[:3].expand(2, 3)
    assert torch.allclose(example.distances(query, at), found[:, :3], atol=1e-6)
    assert example.distances(query, torch.full((2, 1), -1)).isinf().all()


def test_places_whose_neighbours_lie_outside_are_never_taken():
    example = Example(torch.rand(6, 7, 3), torch.zeros(6, 7, 0), causal_offsets(2), 1000, random())
    rows, columns = example.searched // 7, example.searched % 7
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 5, 2, 4)
    assert len(example.searched) == 4 * 3
    whole = Example(torch.rand(6, 7, 3), torch.zeros(6, 7, 0), window_offsets(2), 1000, random())
    assert whole.searched.tolist() == [16, 17, 18, 23, 24, 25]
    assert len(Example(torch.rand(6, 7, 3), torch.zeros(6, 7, 0), causal_offsets(2), 5, random()).searched) == 5


def test_continuations_go_on_where_the_neighbour_is_from():
    """A neighbour one to the left that is from place p asks for p + 1, one above for the row below p."""
    example = Example(torch.rand(8, 10, 1), torch.zeros(8, 10, 0), causal_offsets(1), 1000, random())
    p = 3 * 10 + 4
    going_on = example.continued(torch.tensor([[p, p, p, p]]))
    assert going_on.tolist() == [[p + 11, p + 10, p + 9, p + 1]]
    last_row = 7 * 10 + 4
    assert example.continued(torch.tensor([[last_row, last_row, -1, last_row]])).tolist() == [[-1, -1, -1, 75]]
    assert example.continued(torch.tensor([[-1, -1, -1, 38]])).tolist() == [[-1, -1, -1, -1]], "beside the border"


def test_picks_are_even_among_those_within_the_tolerance():
    distances = torch.tensor([[0.2, 0.1, 0.109, 0.1101, 0.1]]).expand(3000, 5)
    picked = torch.bincount(pick_within(distances, 0.1, random()), minlength=5) / 3000
    assert picked[0] == 0 and picked[3] == pytest.approx(0, abs=0), "0.1101 is more than a tenth above 0.1"
    assert picked[[1, 2, 4]].tolist() == pytest.approx([1 / 3] * 3, abs=0.04)
    exact = torch.tensor([[ROUNDING / 2, 0.0, 1e-3]]).expand(500, 3)
    assert set(pick_within(exact, 0.1, random()).tolist()) == {0, 1}, "equal but for rounding"


def test_luminance_and_its_map():
    assert luminance(torch.tensor([1.0, 0.0, 0.0])).item() == pytest.approx(0.299)
    assert luminance(torch.ones(2, 2, 3)).flatten().tolist() == pytest.approx([1.0] * 4)
    torch.manual_seed(0)
    a, b = torch.rand(50, 1), 0.3 + 0.1 * torch.rand(50, 1)
    mapped = remapped(a, a, b)
    assert mapped.mean().item() == pytest.approx(b.mean().item(), abs=1e-5)
    assert mapped.std().item() == pytest.approx(b.std().item(), abs=1e-5)
    flat = torch.full((50, 1), 0.5)
    assert torch.allclose(remapped(flat, flat, b), b.mean().expand(50, 1)), "and nothing is divided by 0"


def test_blur_keeps_the_mean_and_has_its_deviation():
    dot = torch.zeros(31, 31, 1)
    dot[15, 15] = 1
    spread = blurred(dot, 2.0)
    assert spread.sum().item() == pytest.approx(1, abs=1e-5)
    variance = (spread[..., 0] * (torch.arange(31.0) - 15).square()).sum().item()
    assert variance == pytest.approx(4.0, rel=0.03)
    assert torch.allclose(blurred(torch.full((5, 7, 2), 0.3), 1.5), torch.full((5, 7, 2), 0.3))

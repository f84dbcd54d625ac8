"""How much a graph can be compressed before its pictures suffer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export.calibration import Pair
from export.coreml.app_graphs import app_graphs
from export.coreml.compress import compressible
from export.coreml.parity import app_inputs
from export.coreml.search import PALETTE_BITS, Int8Inputs, PaletteBits, Trials, first_passing
from export.fidelity import Gate


@pytest.fixture
def trials(student, draw):
    pairs = [Pair(draw(i, 32, 32), draw(10 + i, 64, 64), 1.0) for i in range(3)]
    inputs = app_inputs(student, pairs)
    return lambda psnr, shift=1.0: Trials({g.role: g for g in app_graphs(student)}, inputs, inputs, Gate(psnr, shift))


@given(st.integers(1, 40), st.integers(0, 45))
def test_the_first_that_passes_is_found(count, wanted):
    assert first_passing(count, lambda step: step >= wanted) == min(wanted, count - 1)


def test_an_unchanged_graph_passes_and_a_broken_one_does_not(trials):
    found = trials(60)
    for role, graph in found.graphs.items():
        assert found.psnr(role, graph) == 200 and found.passes(role, graph)
    broken = Int8Inputs(found).graph(0)
    broken.module.student.head.conv.bias.add_(0.5)
    assert found.psnr("paint", broken) < 20 and not found.passes("paint", broken)


def test_a_shift_of_the_colours_alone_fails(trials):
    found = trials(20, 1 / 255)
    shifted = Int8Inputs(trials(20)).graph(len(compressible(found.graphs["paint"])))
    assert found.passes("paint", shifted)
    with torch.no_grad():
        shifted.module.student.head.bias[:3].add_(2 / 255)
    assert not found.passes("paint", shifted)
    assert trials(20, 0.1).passes("paint", shifted)


def test_the_costliest_inputs_are_given_up_first(trials):
    search = Int8Inputs(trials(35))
    assert [entry.psnr for entry in search.ranking] == sorted(entry.psnr for entry in search.ranking)
    assert len(search.kept(0)) == len(search.ranking) and search.kept(len(search) - 1) == {}
    assert search.ranking[0].layer not in search.kept(1)


def test_more_is_given_up_for_a_stricter_gate(trials):
    loose, strict = (Int8Inputs(trials(psnr)).first() for psnr in (10, 47))
    assert loose == 0 < strict


def test_palettes_grow_step_by_step_the_most_sensitive_first(trials):
    search = PaletteBits(trials(35), "measure")
    assert set(search.bits(0).values()) == {PALETTE_BITS[0]}
    assert set(search.bits(len(search) - 1).values()) == {PALETTE_BITS[-1]}
    totals = [sum(search.bits(step).values()) for step in range(len(search))]
    assert totals == sorted(set(totals))
    assert search.bits(1)[search.ranking[0].layer] == PALETTE_BITS[1]


def test_better_pictures_take_more_bits(trials):
    few, many = (PaletteBits(trials(psnr), "paint").first() for psnr in (5, 38))
    assert few == 0 < many

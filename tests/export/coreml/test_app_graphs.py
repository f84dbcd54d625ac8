"""The graphs as an app calls them, in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from distill.students.layers import UpsampleConv
from export.coreml.app_graphs import DESCRIPTIONS, app_graphs, observing
from runtime.affine import affine_of, split_sites


@pytest.fixture(scope="module")
def graphs(student):
    return {graph.role: graph for graph in app_graphs(student)}


@settings(max_examples=20)
@given(st.floats(0, 1), st.integers(0, 99))
def test_the_painter_does_the_runtimes_arithmetic(student, graphs, strength, seed):
    rng = np.random.default_rng(seed)
    channels = sum(site.channels for site in student.sites)
    code = rng.normal(1, 0.3, (2, channels)).astype(np.float32)
    stats = np.abs(rng.normal(1, 0.3, (2, channels))).astype(np.float32) + 0.01
    stats[1, 0] = 0  # a constant channel: its deviation counts as the least that the runtime takes
    content = torch.from_numpy(rng.random((1, 3, 16, 24), np.float32))
    affine = split_sites(*affine_of(code, stats, strength), [site.channels for site in student.sites])
    with torch.no_grad():
        expected = student.paint(content, [tuple(map(torch.from_numpy, pair)) for pair in affine]).clamp(0, 1) * 255
    numbers = (torch.from_numpy(code)[None], torch.from_numpy(stats)[None], torch.tensor([strength]))
    found = graphs["paint"].run((content, *numbers))
    finite = expected.abs() < 1e6
    assert torch.allclose(found[finite], expected[finite], atol=0.5, rtol=1e-3)


def test_strength_zero_paints_what_the_student_paints_without_style(student, graphs):
    content = torch.rand(1, 3, 16, 16)
    channels = sum(site.channels for site in student.sites)
    ones = torch.ones(1, 2, channels)
    neutral = [(torch.ones(1, s.channels, 1, 1), torch.zeros(1, s.channels, 1, 1)) for s in student.sites]
    with torch.no_grad():
        expected = student.paint(content, neutral).clamp(0, 1) * 255
    found = graphs["paint"].run((content, 7 * ones, 3 * ones, torch.zeros(1)))
    assert torch.allclose(found, expected, atol=0.02)


def test_every_input_and_output_is_described(graphs):
    names = {name for g in graphs.values() for name in (g.picture, g.output, *g.arrays)}
    assert names == DESCRIPTIONS.keys()


def test_upsampling_is_folded_and_the_student_untouched(student, graphs):
    assert any(isinstance(layer, UpsampleConv) for layer in student.modules())
    assert not any(isinstance(layer, UpsampleConv) for layer in graphs["paint"].module.modules())


def test_layers_are_those_that_run(graphs):
    assert all("style" not in name for name in graphs["paint"].layers())
    assert set(graphs["measure"].layers()) == {f"student.{name}" for name in MEASURED}
    assert any(isinstance(layer, nn.Linear) for layer in graphs["style"].layers().values())


MEASURED = ("stem", "down", "encode.inner", "encode.outer")


def test_nothing_observes_after_the_block(graphs):
    seen = []
    with observing(graphs["measure"].module, lambda name, *rest: seen.append(name)):
        graphs["measure"].run(graphs["measure"].example(32, 32))
    count = len(seen)
    graphs["measure"].run(graphs["measure"].example(32, 32))
    assert count == len(seen) == len(MEASURED)

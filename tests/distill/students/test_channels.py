"""Painters whose channels are chosen layer by layer, and what hostile descriptions of them may not do."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.students import HaarPainter, build_student
from distill.students.haar_painter import Channels

UNEVEN = Channels(half=8, trunk=24, encode=16, blocks=(8, 32), up=16, mix=24)
EIGHTS = st.integers(1, 5).map(lambda n: 8 * n)


def test_every_layer_has_its_channels():
    painter = HaarPainter(0.25, 2, UNEVEN)
    sizes = {name: tuple(p.shape[:2]) for name, p in painter.named_parameters() if p.dim() == 4 and "style" not in name}
    assert sizes == {
        **{"stem.weight": (8, 3), "down.weight": (24, 8), "up.conv5.weight": (16, 24), "skip.weight": (16, 8)},
        **{"encode.inner.weight": (16, 24), "encode.outer.weight": (24, 16)},
        **{"blocks.0.inner.weight": (8, 24), "blocks.0.outer.weight": (24, 8)},
        **{"blocks.1.inner.weight": (32, 24), "blocks.1.outer.weight": (24, 32)},
        **{"mix.weight": (24, 16), "head.weight": (12, 24)},
    }
    assert [(site.name, site.channels) for site in painter.sites] == [
        *(("skip", 8), ("trunk", 24), ("block0", 8), ("block1", 32), ("up", 16), ("mix", 24))
    ]
    photo = torch.rand(1, 3, 16, 24)
    assert painter(photo, photo).shape == photo.shape


@settings(max_examples=8)
@given(channels=st.builds(Channels, EIGHTS, EIGHTS, EIGHTS, st.lists(EIGHTS, max_size=2), EIGHTS, EIGHTS))
def test_weights_and_records_describe_the_painter(channels):
    painter = HaarPainter(0.25, len(channels.blocks), channels)
    again = HaarPainter.of_weights(painter.state_dict())
    assert again.channels == channels and again.width == channels.trunk / 128
    assert build_student("haar_painter", **painter.shape).channels == channels
    for layer, site in zip(painter.site_layers, painter.sites, strict=True):
        assert painter.get_submodule(layer).out_channels == site.channels


def test_plain_widths_are_recorded_as_before():
    """So that their files can be read by versions that know no channels."""
    assert HaarPainter(0.25, 2).shape == {"width": 0.25, "blocks": 2}
    assert "channels" in HaarPainter(0.25, 2, UNEVEN).shape


GOOD = {"half": 8, "trunk": 8, "encode": 8, "blocks": [8], "up": 8, "mix": 8}


@pytest.mark.parametrize(
    "wrong",
    [0, -8, 7, 12, 520, 10**12, 8.0, 2.0**70, float("nan"), True, None, "8", [8]],
)
@pytest.mark.parametrize("name", ["half", "encode", "mix"])
def test_channels_are_multiples_of_eight_within_bounds(name, wrong):
    with pytest.raises(ValueError, match="channels are multiples of 8 from 8 to 512"):
        HaarPainter(0.25, 1, {**GOOD, name: wrong})


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({**GOOD, "blocks": [8] * 17}, "0 to 16 blocks"),
        ({**GOOD, "blocks": []}, "of 1 blocks cannot have channels for 0"),
        ({**GOOD, "blocks": [8, 8]}, "of 1 blocks cannot have channels for 2"),
        ({**GOOD, "blocks": [9]}, "multiples of 8"),
        ({**GOOD, "blocks": 8}, "not iterable"),
        ({**GOOD, "more": 8}, "more"),
        ({"half": 8}, "missing"),
        ([8, 8], "mapping"),
    ],
)
def test_other_channels_are_refused(wrong, reason):
    with pytest.raises((TypeError, ValueError), match=reason):
        HaarPainter(0.25, 1, wrong)

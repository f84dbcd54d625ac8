"""`runtime.regions`: masks become shares that sum to 1, at any stride and in any window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runtime import Regions, Stylizer, UserError
from runtime.painter import Window
from runtime.regions import split_labels
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    styles = {
        "warm": np.array([[0.7, 0.5, 0.3, 0.05], [0.2, 0.1, 0.1, 1.0]]),
        "cold": np.array([[0.2, 0.3, 0.7, -0.05], [0.1, 0.2, 0.2, 1.0]]),
    }
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"), styles=styles)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def left_half(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return mask


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 4), st.floats(0, 0.5), st.sampled_from([1, 2, 4]))
def test_shares_sum_to_1_and_windows_agree(height: int, width: int, count: int, feather: float, stride: int):
    masks = [noise(height, width, seed)[:, :, 0] for seed in range(count)]
    placed = Regions(masks, ["x"] * count, feather=feather).on((height, width))
    whole = placed.weights(Window(-8, -8, 80, 80), stride)
    assert whole.shape == (count + 1, 80 // stride, 80 // stride) and whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(0), 1, atol=1e-5)
    assert whole.min() >= -1e-6
    part = placed.weights(Window(8, 0, 16, 24), stride)
    rows, columns = slice(16 // stride, 32 // stride), slice(8 // stride, 32 // stride)
    np.testing.assert_allclose(part, whole[:, rows, columns], atol=1e-6)


def test_each_region_has_its_style(tiny: Path):
    content = noise(32, 64)
    with Stylizer.load(tiny, margin=0) as stylizer:
        warm, cold = stylizer(content, "warm"), stylizer(content, "cold")
        out = stylizer(content, Regions([left_half(32, 64)], ["warm"], "cold", feather=0))
    assert (out[:, :28] == warm[:, :28]).all() and (out[:, 36:] == cold[:, 36:]).all()


def test_what_no_mask_covers_stays(tiny: Path):
    content = noise(32, 64)
    with Stylizer.load(tiny) as stylizer:
        out = stylizer(content, Regions([left_half(32, 64)], ["warm"], feather=0), exact=True)
    assert (out[:, 36:] == content[:, 36:]).all() and (out[:, :28] != content[:, :28]).any()


def test_regions_are_the_same_in_tiles(tiny: Path):
    content = noise(150, 90)
    regions = Regions([left_half(50, 30), noise(50, 30)[:, :, 0]], ["warm", "cold"], None, 0.05)
    with Stylizer.load(tiny) as whole, Stylizer.load(tiny, tile=48) as tiled:
        for controls in ({}, {"exact": True}, {"strength": 0.5, "exact": True, "preserve_color": "luminance"}):
            apart = np.abs(whole(content, regions, **controls).astype(int) - tiled(content, regions, **controls))
            assert apart.max() <= 1


def test_feather_softens_the_edge():
    hard, soft = (
        Regions([left_half(100, 200)], ["x"], feather=feather).on((100, 200)).weights(Window(0, 0, 100, 200), 1)[0, 50]
        for feather in (0, 0.1)
    )
    assert ((hard > 0.01) & (hard < 0.99)).sum() <= 2
    assert 15 <= ((soft > 0.05) & (soft < 0.95)).sum() <= 60 and (np.diff(soft) <= 1e-6).all()


def test_labels_take_styles_from_dark_to_light():
    labels = np.zeros((20, 30, 3), np.uint8)
    labels[:, 10:20] = (0, 128, 0)
    labels[:, 20:] = (200, 0, 0)
    labels[0, 10] = (3, 120, 2)  # the smoothed edge of the green part
    masks = split_labels(labels)
    assert len(masks) == 3
    for index, mask in enumerate(masks):
        assert (mask[:, 10 * index : 10 * index + 10] == 255).all() and mask.sum() == 255 * 200
    assert len(Regions.of_labels(labels, ["a", "b"]).masks) == 2
    with pytest.raises(UserError, match="has 3 regions, too few for 4 styles"):
        Regions.of_labels(labels, list("abcd"))


def test_a_photo_is_no_label_picture():
    with pytest.raises(UserError, match="no label picture"):
        split_labels(noise(64, 64))


@pytest.mark.parametrize(
    ("match", "make"),
    [
        ("1 to 16 regions, not 0", lambda: Regions([], [])),
        ("1 to 16 regions, not 17", lambda: Regions([left_half(4, 4)] * 17, ["x"] * 17)),
        ("2 regions need as many styles, not 1", lambda: Regions([left_half(4, 4)] * 2, ["x"])),
        ("feather must be from 0 to 0.5", lambda: Regions([left_half(4, 4)], ["x"], feather=0.6)),
        ("a mask is a grey picture", lambda: Regions([noise(4, 4)], ["x"])),
        ("mask of 4x8 pixels does not fit a picture of 80x40", lambda: Regions([left_half(8, 4)], ["x"]).on((40, 80))),
    ],
)
def test_regions_that_make_no_sense(match: str, make):
    with pytest.raises(UserError, match=match):
        make()


def test_the_masks_of_the_pairs(shared_data: Path):
    """Label pictures as they come: palettes and smoothed edges; each gives a few regions that cover the photo."""
    for labels in sorted((shared_data / "content" / "pairs" / "content_segment").glob("*.png")):
        masks = split_labels(np.asarray(Image.open(labels).convert("RGB")))
        assert 2 <= len(masks) <= 12, labels.name
        assert (sum(mask.astype(int) for mask in masks) == 255).all()

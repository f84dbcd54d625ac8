"""`runtime.controls` and `runtime.colour_transfer`: what each control promises."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runtime import Stylizer, UserError
from runtime.colour_transfer import LUMA, keep_luminance, match_colours
from runtime.controls import Controls
from tests.smooth_picture import smooth_picture
from tests.tiny_bundle import make_tiny_bundle

SHIPPED = "adain-w025"


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory):
    with Stylizer.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle")), threads=1) as stylizer:
        yield stylizer


@pytest.fixture(scope="module")
def shipped():
    with Stylizer.load(SHIPPED, threads=1) as stylizer:
        yield stylizer


def test_exact_gives_the_photo_back_at_strength_0(shipped: Stylizer):
    content, style = smooth_picture(96, 0), shipped.style(smooth_picture(256, 1))
    assert (shipped(content, style, 0, exact=True) == content).all()
    assert (shipped(content, style, 0) != content).any()
    assert (shipped(content, style, 1, exact=True) == shipped(content, style, 1)).all()


def test_exact_lies_between_at_other_strengths(shipped: Stylizer):
    content, style = smooth_picture(96, 0), shipped.style(smooth_picture(256, 1))
    plain, exact = (shipped(content, style, 0.5, exact=exact).astype(int) for exact in (False, True))
    lost = content - shipped(content, style, 0).astype(int)
    inside = (exact > 0) & (exact < 255)
    assert np.abs(exact - plain - 0.5 * lost)[inside].max() <= 1


def test_luminance_keeps_the_colours_of_the_photo():
    content, painted = (np.random.default_rng(seed).integers(90, 160, (16, 16, 3), dtype=np.uint8) for seed in (0, 1))
    out = keep_luminance(content, painted)
    np.testing.assert_allclose(out @ LUMA, painted @ LUMA, atol=1)
    differences = [picture[..., 0].astype(int) - picture[..., 2] for picture in (out, content)]
    assert np.abs(differences[0] - differences[1]).max() <= 1
    assert (keep_luminance(content, content) == content).all()


def test_histogram_moves_mean_and_covariance():
    rng = np.random.default_rng(0)
    mix = np.array([[30, 0, 0], [12, 20, 0], [5, -8, 15]])
    content = np.clip(rng.normal(size=(64, 64, 3)) @ mix.T + [120, 140, 100], 0, 255).astype(np.uint8)
    painted = np.clip(rng.normal(size=(64, 64, 3)) * [20, 30, 25] + [150, 100, 90], 0, 255).astype(np.uint8)
    out = match_colours(content, painted)(content, painted)
    np.testing.assert_allclose(out.mean((0, 1)), content.mean((0, 1)), atol=1)
    wanted, found = (np.cov(picture.reshape(-1, 3).T.astype(float)) for picture in (content, out))
    np.testing.assert_allclose(found, wanted, atol=0.05 * wanted.max())


def test_histogram_of_a_painting_of_one_colour_is_not_all_noise():
    flat = np.full((8, 8, 3), 90, np.uint8)
    content = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    out = match_colours(content, flat)(content, flat)
    assert np.ptp(out) <= 255 and np.abs(out.mean((0, 1)) - content.mean((0, 1))).max() <= 1


@pytest.mark.parametrize("mode", ["luminance", "histogram"])
def test_colours_are_the_photos_in_tiles_too(shipped: Stylizer, mode: str):
    content, style = smooth_picture(300, 0), shipped.style(smooth_picture(256, 1))
    plain, kept = shipped(content, style), shipped(content, style, preserve_color=mode)
    means = [np.abs(picture.mean((0, 1)) - content.mean((0, 1))).max() for picture in (plain, kept)]
    assert means[1] < 0.5 * means[0] or mode == "luminance"
    with Stylizer.load(SHIPPED, threads=1, tile=224) as tiled:
        assert np.abs(tiled(content, style, preserve_color=mode).astype(int) - kept).max() <= 1


def test_a_larger_stroke_paints_coarser(shipped: Stylizer):
    """What painting adds at a stroke of 2 is what it adds to a picture of half the size, enlarged."""
    content, style = smooth_picture(128, 0), shipped.style(smooth_picture(256, 1))
    large = shipped(content, style, stroke=2.0)
    small = shipped(np.asarray(Image.fromarray(content).resize((64, 64), Image.Resampling.LANCZOS)), style)
    enlarged = np.asarray(Image.fromarray(small).resize((128, 128), Image.Resampling.LANCZOS))
    assert large.shape == content.shape
    assert np.abs(large.astype(int) - enlarged).mean() < np.abs(shipped(content, style).astype(int) - enlarged).mean()
    assert (shipped(content, style, 0, exact=True, stroke=2.0) == content).all()
    assert shipped(content, style, stroke=0.5).shape == content.shape


@pytest.mark.parametrize(
    ("match", "controls"),
    [
        ("strength must be", {"strength": 1.01}),
        ("strength must be", {"strength": float("nan")}),
        ("stroke must be from 0.25 to 8", {"stroke": 0.1}),
        ("stroke must be", {"stroke": float("nan")}),
        ("preserve_color must be luminance or histogram", {"preserve_color": "yes"}),
    ],
)
def test_controls_outside_their_range(stylizer: Stylizer, match: str, controls: dict):
    with pytest.raises(UserError, match=match):
        Controls(**controls)
    with pytest.raises(UserError, match=match):
        stylizer(smooth_picture(8, 0), "warm", **controls)


def test_fine_strokes_of_a_large_picture_are_refused_before_memory_is_taken(stylizer: Stylizer):
    with pytest.raises(UserError, match="stroke 0.25 paints 16000x16000 pixels"):
        stylizer(np.zeros((4000, 4000, 3), np.uint8), "warm", stroke=0.25)

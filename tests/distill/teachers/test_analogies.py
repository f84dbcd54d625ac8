"""Image analogies: what a pair of pictures teaches, and what of a painting is carried over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from distill.teachers import load_teacher
from distill.teachers.analogies import (
    AnalogiesTeacher,
    Level,
    Matching,
    depth,
    neighbourhoods,
    paint_level,
    pyramid,
    smoothed,
)
from distill.teachers.example_matching import Example, blurred, luminance
from runtime.errors import UserError
from runtime.image_files import write_picture
from tests.distill import tiny


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def picture(seed: int, height: int = 48, width: int = 52) -> torch.Tensor:
    """Soft coloured spots (height, width, 3)."""
    return torch.from_numpy(tiny.draw(seed, 80)[:height, :width] / 255.0).float()


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return -10 * (one - other).square().mean().log10().item()


def painted_by(source: torch.Tensor, filtered: torch.Tensor, photo: torch.Tensor, **how) -> torch.Tensor:
    teacher = AnalogiesTeacher(Matching(**how), source, "before.png")
    return teacher.transfer(photo, filtered)


def test_the_identity_is_learned_from_a_pair_of_equals():
    """A' = A, and B = A: each pixel is found where it is, and B' = B."""
    a = picture(1)
    assert psnr(painted_by(a, a, a, kappa=0.0), a) > 30


@pytest.mark.parametrize(
    ("change", "roughness"),
    [
        (lambda rgb: 1 - rgb, 0.3),
        (lambda rgb: blurred(rgb, 2.0), 0.7),
        (lambda rgb: (0.5 + 2 * (rgb - rgb.roll(1, 1))).clamp(0, 1), 0.0),
    ],
    ids=["negative", "blur", "emboss"],
)
def test_filters_are_learned_from_one_pair(change, roughness):
    """The paper's figures of traditional filters: what was done to A is done to B, which looks otherwise."""
    torch.manual_seed(0)
    grain = [roughness * (torch.rand(80, 80, 1) - 0.5) for _ in range(2)]
    a, b = ((picture(seed, 80, 80) + noise).clamp(0, 1) for seed, noise in enumerate(grain, 1))
    learned, wanted = painted_by(a, change(a), b, kappa=1.0), change(b)
    assert psnr(learned, wanted) > psnr(b, wanted) + 4


def test_a_painting_gives_its_texture_and_the_photo_its_colours():
    torch.manual_seed(0)
    strokes = torch.nn.functional.interpolate(torch.rand(1, 1, 60, 30), (60, 60), mode="nearest")[0, 0]
    painting = (0.5 * blurred(strokes[..., None], 6.0) + 0.3 * strokes[..., None]).expand(60, 60, 3)
    photo = picture(3)
    painted = AnalogiesTeacher().transfer(photo, painting)
    assert painted.shape == photo.shape and painted.min() >= 0 and painted.max() <= 1
    inside = ((painted > 0) & (painted < 1)).all(2)
    change = (painted - photo)[inside]
    assert (change - change.mean(1, keepdim=True)).abs().max() < 1e-5, "I and Q are B's: all channels move alike"
    rough = [y.diff(dim=1).square().mean() for y in (luminance(photo), luminance(painted))]
    assert rough[1] > 2 * rough[0], "the painting's strokes are there"
    coarse = [blurred(luminance(rgb), 5.0).flatten() for rgb in (photo, painted)]
    assert torch.corrcoef(torch.stack(coarse))[0, 1] > 0.8, "and the photo's light"


def test_luminances_are_mapped_to_the_photos(monkeypatch):
    """Section 3.4: A gets B's mean and deviation, A' the same map; and what is painted replaces B's luminance."""
    seen = {}

    def paint(self, source, filtered, target):
        seen.update(source=source, filtered=filtered, target=target)
        return target + 0.05

    monkeypatch.setattr(AnalogiesTeacher, "paint", paint)
    photo, painting = 0.2 + 0.1 * picture(3), picture(4)
    painted = AnalogiesTeacher().transfer(photo, painting)
    assert torch.allclose(painted, photo + 0.05, atol=1e-6)
    y, unmapped = luminance(photo), smoothed(luminance(painting), Matching())
    assert torch.allclose(seen["target"], y)
    assert seen["source"].mean().item() == pytest.approx(y.mean().item(), abs=1e-4)
    assert seen["source"].std().item() == pytest.approx(y.std().item(), abs=1e-4)
    scale = y.std() / unmapped.std()
    strokes = (luminance(painting) - unmapped) * scale
    assert torch.allclose(seen["filtered"] - seen["source"], strokes, atol=1e-5)


def test_neighbourhoods_are_those_of_figure_2(monkeypatch):
    """25 pixels of A and 9 of the coarser A and A' each; of A' the 12 that are painted."""
    seen = []

    class Noted(Example):
        def __init__(self, painted, known, offsets, most, generator):
            seen.append((tuple(known.shape[2:]), len(offsets)))
            super().__init__(painted, known, offsets, most, generator)

    monkeypatch.setattr("distill.teachers.analogies.Example", Noted)
    AnalogiesTeacher(Matching(levels=2)).transfer(picture(1), picture(2))
    assert seen == [((25,), 12), ((25 + 9 + 9,), 12)]


def test_fronts_paint_what_raster_order_paints(monkeypatch):
    torch.manual_seed(0)
    level = Level(torch.rand(16, 16, 1), torch.rand(16, 16, 1), torch.rand(12, 14, 1))
    together = paint_level(level, None, 1.0, 999, random())
    monkeypatch.setattr(
        "distill.teachers.analogies.wavefronts",
        lambda height, width, reach: (
            (torch.tensor([row]), torch.tensor([column])) for row in range(height) for column in range(width)
        ),
    )
    assert torch.equal(together, paint_level(level, None, 1.0, 999, random()))


def test_coherence_copies_pieces():
    """With a large kappa neighbours in B' come from neighbours in A' more often (section 3.2)."""
    torch.manual_seed(0)
    a, b = torch.rand(40, 40, 1), torch.rand(30, 30, 1)
    numbers = torch.arange(1600.0).reshape(40, 40, 1) / 1600  # A' tells where a pixel is from

    def copied(kappa: float) -> float:
        places = (paint_level(Level(a, numbers, b), None, kappa, 9999, random()) * 1600).round()[..., 0]
        return (places.diff(dim=1) == 1).float().mean().item()

    assert copied(0.0) < 0.3 and copied(25.0) > copied(0.0) + 0.3


def test_kappa_halves_with_every_coarser_level(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "distill.teachers.analogies.paint_level",
        lambda level, below, kappa, most, generator: seen.append(kappa) or level.target,
    )
    AnalogiesTeacher(Matching(kappa=8.0, levels=3)).transfer(torch.rand(64, 64, 3), torch.rand(64, 64, 3))
    assert seen == [2.0, 4.0, 8.0], "2 ** (l - L) kappa"


def test_each_neighbourhood_counts_the_same():
    white, grey = torch.ones(9, 9, 3), torch.full((9, 9, 3), 0.5)
    for radius in (1, 2):
        apart = (neighbourhoods(white, radius) - neighbourhoods(grey, radius)).square().sum(2)
        assert torch.allclose(apart, torch.full((9, 9), 0.25), atol=1e-5)


def test_pyramids():
    levels = pyramid(torch.full((33, 20, 1), 0.4), 3)
    assert [tuple(level.shape) for level in levels] == [(9, 5, 1), (17, 10, 1), (33, 20, 1)]
    assert all(torch.allclose(level, torch.tensor(0.4)) for level in levels)
    assert depth(Matching(), torch.Size((128, 300)), torch.Size((200, 64))) == 3, "the coarsest has 16 pixels"
    assert depth(Matching(levels=2), torch.Size((512, 512)), torch.Size((512, 512))) == 2
    assert depth(Matching(), torch.Size((20, 20)), torch.Size((20, 20))) == 1


def test_smoothing_takes_strokes_and_leaves_edges():
    torch.manual_seed(0)
    step = (torch.arange(40) >= 20).float()[None, :, None].expand(30, 40, 1) * 0.6 + 0.2
    rough = step + 0.05 * torch.randn(30, 40, 1)
    smooth = smoothed(rough, Matching())
    assert (smooth - step)[:, :15].std() < 0.4 * (rough - step)[:, :15].std()
    assert (smooth[:, 21] - smooth[:, 18]).mean() > 0.5


def test_a_source_comes_from_a_file(tmp_path: Path):
    write_picture(tmp_path / "before.png", tiny.draw(1, 60))
    teacher = load_teacher("analogies", None, {"source": str(tmp_path / "before.png"), "kappa": "2"})
    assert teacher.how.kappa == 2 and "with before.png as the picture before" in teacher.description
    half = torch.nn.functional.interpolate(teacher.source.permute(2, 0, 1)[None], (40, 40), mode="area")
    photo = torch.rand(1, 3, 40, 40)
    assert psnr(teacher.stylize(half, 1 - half), 1 - half) > 20, "the source is brought to the style's size"
    with pytest.raises(UserError, match="the source has 60x60 pixels and the style picture 40x30"):
        teacher.stylize(photo, torch.rand(1, 3, 30, 40))
    assert teacher.fingerprint() != AnalogiesTeacher(Matching(2.0)).fingerprint()
    with pytest.raises(UserError, match="there is no file"):
        load_teacher("analogies", None, {"source": str(tmp_path / "nowhere.png")})
    with pytest.raises(UserError, match="kappa must be at least 0, got -1"):
        load_teacher("analogies", None, {"kappa": "-1"})

"""The painter: its widths, its affine arithmetic, its statistics and how far a pixel reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from distill.students import STUDENTS, build_student
from distill.students.haar_painter import MIN_DEVIATION, STATS_EPS, HaarPainter, StyleEncoder, rounded
from runtime.affine import affine_of, split_sites


@pytest.fixture(scope="module")
def student() -> HaarPainter:
    torch.manual_seed(0)
    return HaarPainter(0.125).eval().requires_grad_(False)


def random_affine(student: HaarPainter, rows: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    shapes = [(rows, site.channels, 1, 1) for site in student.sites]
    return [(torch.rand(shape) + 0.5, torch.randn(shape) * 0.2) for shape in shapes]


def neutral(student: HaarPainter, rows: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.ones(rows, s.channels, 1, 1), torch.zeros(rows, s.channels, 1, 1)) for s in student.sites]


@pytest.mark.parametrize(
    ("width", "trunk", "half"),
    [(0.01, 8, 8), (0.125, 16, 8), (0.25, 32, 16), (0.3, 40, 16), (0.5, 64, 32), (1.0, 128, 64), (2, 256, 128)],
)
def test_widths_are_rounded_to_8(width, trunk, half):
    sites = HaarPainter(width).sites
    assert [(s.name, s.channels, s.stride, s.measured) for s in sites] == [
        ("skip", half, 2, True),
        ("trunk", trunk, 4, True),
        *((f"block{i}", trunk, 4, False) for i in range(3)),
        ("up", half, 2, False),
        ("mix", half, 2, False),
    ]


@given(st.floats(0.01, 1000))
def test_rounding(channels):
    assert rounded(channels) % 8 == 0
    assert rounded(channels) == 8 or abs(rounded(channels) - channels) <= 4


@pytest.mark.parametrize(
    "shape",
    [{"width": 0}, {"width": -1}, {"width": float("nan")}, {"width": 4.1}, {"blocks": -1}, {"blocks": 10**9}],
)
def test_impossible_shapes(shape):
    with pytest.raises(ValueError, match="width must be above 0|0 to 16 blocks"):
        build_student("haar_painter", **shape)


def test_unknown_architectures_are_named():
    with pytest.raises(ValueError, match="unknown architecture 'johnson', known: haar_painter"):
        build_student("johnson")
    assert STUDENTS[HaarPainter.architecture] is HaarPainter


def test_the_student_of_the_readme_is_under_a_megabyte():
    assert sum(2 * p.numel() for p in HaarPainter(0.25).state_dict().values()) < 1e6


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 60), (64, 64), (100, 36)])
def test_any_multiple_of_4_is_painted_at_its_size(student, height, width):
    picture = torch.rand(2, 3, height, width)
    assert student.paint(picture, random_affine(student)).shape == picture.shape
    assert student.size_multiple == 4


def test_measure_gives_the_moments_of_measured_sites(student):
    thumbnail = torch.rand(2, 3, 36, 52)
    stats = student.measure(thumbnail)
    assert stats.shape == (2, 2, sum(s.channels for s in student.sites))
    first = 0
    features = dict(zip(("skip", "trunk"), student.content_features(thumbnail), strict=True))
    for site in student.sites:
        mean, deviation = stats[:, 0, first : first + site.channels], stats[:, 1, first : first + site.channels]
        if site.measured:
            values = features[site.name].numpy().astype(np.float64)
            assert values.shape[1:] == (site.channels, 36 // site.stride, 52 // site.stride)
            assert np.allclose(mean, values.mean((2, 3)), atol=1e-5)
            assert np.allclose(deviation, np.sqrt(values.var((2, 3)) + STATS_EPS), atol=1e-5)
        else:
            assert (mean == 0).all() and (deviation == 1).all()
        first += site.channels


def test_the_affine_is_the_runtimes(student):
    total = sum(s.channels for s in student.sites)
    code, stats = torch.rand(1, 2, total) + 0.1, torch.rand(1, 2, total) + 0.1
    mine = student.affine(code, stats)
    theirs = split_sites(*affine_of(code[0].numpy(), stats[0].numpy()), [s.channels for s in student.sites])
    for (scale, shift), (a, b), site in zip(mine, theirs, student.sites, strict=True):
        assert scale.shape == shift.shape == (1, site.channels, 1, 1)
        assert np.allclose(scale, a, rtol=1e-5) and np.allclose(shift, b, rtol=1e-4, atol=1e-5)


def test_modulated_features_get_the_codes_statistics(student):
    """AdaIN, equation 8: what the content's own statistics normalise, the code's replace."""
    picture = torch.rand(1, 3, 64, 64)
    code = student.style(torch.rand(1, 3, 32, 32))
    scale, shift = student.affine(code, student.measure(picture))[1]
    skip = student.sites[0].channels
    trunk = slice(skip, skip + student.sites[1].channels)
    modulated = student.content_features(picture)[1] * scale + shift
    features = student.content_features(picture)[1].var((2, 3), correction=0)
    alive = features[0] > 100 * STATS_EPS
    assert alive.sum() >= 4
    assert torch.allclose(modulated.mean((2, 3)), code[:, 0, trunk], atol=1e-4)
    deviation = modulated.std((2, 3), correction=0)
    assert torch.allclose(deviation[:, alive], code[:, 1, trunk][:, alive], rtol=0.01)


def test_a_scale_and_shift_of_one_and_zero_change_nothing(student):
    """Strength 0: the affine's strength formula gives the plain network."""
    picture = torch.rand(1, 3, 32, 32)
    stats = student.measure(picture)
    code = student.style(torch.rand(1, 3, 32, 32))
    off = split_sites(*affine_of(code[0].numpy(), stats[0].numpy(), 0.0), [s.channels for s in student.sites])
    affine = [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in off]
    assert torch.equal(student.paint(picture, affine), student.paint(picture, neutral(student)))


def test_affines_may_be_maps(student):
    """A region with one style and a region with another: constant maps are the scalar affine."""
    picture, affine = torch.rand(1, 3, 32, 32), random_affine(student)
    maps = [
        tuple(t.expand(1, site.channels, 32 // site.stride, 32 // site.stride) for t in pair)
        for pair, site in zip(affine, student.sites, strict=True)
    ]
    assert torch.allclose(student.paint(picture, maps), student.paint(picture, affine), atol=1e-5)


def test_rows_do_not_meet(student):
    photos, paintings, affine = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), random_affine(student, rows=2)
    rows = [slice(0, 1), slice(1, 2)]
    alone = [student.paint(photos[row], [(a[row], b[row]) for a, b in affine]) for row in rows]
    together = student.paint(photos, affine)
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert (together - student.paint(photos, [(a.flip(0), b.flip(0)) for a, b in affine])).abs().max() > 0.01
    codes = student.style(paintings)
    assert torch.allclose(codes, torch.cat([student.style(paintings[row]) for row in rows]), atol=1e-5)


def test_the_thumbnail_replaces_the_contents_own_statistics(student):
    photo, other, painting = torch.rand(3, 1, 3, 32, 32)
    affine = student.affine(student.style(painting), student.measure(other))
    assert torch.equal(student(photo, painting, other), student.paint(photo, affine))
    assert torch.equal(student(photo, painting), student(photo, painting, photo))


@pytest.mark.parametrize("blocks", [0, 3])
def test_the_halo_is_the_reach_of_a_pixel(blocks):
    """With statistics fixed and positive weights, so that nothing hides: the picture changes up to halo - 1 away."""
    painter = HaarPainter(0.01, blocks).double().requires_grad_(False)
    for weight in painter.parameters():
        weight.uniform_(0.01, 0.1)
    affine = [tuple(t.double() for t in pair) for pair in neutral(painter)]
    side = 2 * painter.halo + 24
    picture = torch.rand(1, 3, side, side, dtype=torch.float64)
    before, reach = painter.paint(picture, affine), 0
    for at in range(side // 2, side // 2 + painter.size_multiple):
        changed = picture.clone()
        changed[..., at, at] += 1
        rows, columns = ((painter.paint(changed, affine) - before).abs().amax((0, 1)) > 0).nonzero().T
        reach = max(reach, (rows - at).abs().max().item(), (columns - at).abs().max().item())
    assert reach == painter.halo - 1


def test_tiles_with_a_halo_have_no_seams(student):
    picture, affine, halo = torch.rand(1, 3, 256, 160), random_affine(student), student.halo
    whole = student.paint(picture, affine)
    tile = student.paint(picture[..., 96 - halo : 160 + halo, :], affine)
    assert torch.allclose(tile[..., halo:-halo, :], whole[..., 96:160, :], atol=1e-5)


class Recorder(TorchDispatchMode):
    """Notes every operation that torch runs."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.operations.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


def test_the_paint_graph_is_made_of_operations_that_every_engine_has(student, monkeypatch):
    """No reduction, no normalisation, no transposed convolution; convolutions pad with zeros and have one group."""
    for module in student.modules():
        if isinstance(module, nn.Conv2d):
            assert module.padding_mode == "zeros" and module.groups == 1
    weights = student.up.folded()  # made once by the export
    monkeypatch.setattr(student.up, "folded", lambda: weights)
    picture, affine = torch.rand(1, 3, 32, 32), random_affine(student)
    with Recorder() as recorder:
        student.paint(picture, affine)
    assert recorder.operations == {"convolution", "relu", "add", "mul", "pixel_shuffle"}


def test_the_style_code(student):
    """Deviations of measured sites are positive whatever the style; the encoder itself is frozen."""
    code = student.style(torch.rand(3, 3, 40, 24))
    measured = student.style.measured
    assert code.shape == (3, 2, len(measured))
    assert measured.sum() == sum(s.channels for s in student.sites if s.measured)
    assert (code[:, 1, measured] > MIN_DEVIATION).all()
    fresh = HaarPainter(0.125)
    assert not any(p.requires_grad for p in fresh.style.features.parameters())
    assert fresh.style.hidden.weight.requires_grad


def test_extreme_styles_give_finite_codes(student):
    code = student.style.code_of(torch.tensor([[1e30], [-1e30]]).expand(2, 480))
    assert code.isfinite().all()
    assert (code[:, 1, student.style.measured] >= MIN_DEVIATION).all()


def test_calibration_centres_the_perceptrons_inputs():
    encoder = StyleEncoder([True] * 4)
    sample = torch.randn(64, 480) * torch.linspace(0.01, 5, 480) + 3
    encoder.calibrate(sample)
    normal = (sample - encoder.centre) / encoder.spread
    assert normal.mean(0).abs().max() < 1e-3
    assert torch.allclose(normal.std(0), torch.ones(480), atol=1e-3)
    encoder.calibrate(torch.ones(8, 480))
    assert encoder.spread.min() == pytest.approx(1e-3)


@settings(max_examples=10)
@given(height=st.integers(2, 8), width=st.integers(2, 8))
def test_statistics_have_one_mean_and_deviation_per_channel(student, height, width):
    picture = torch.rand(1, 3, 8 * height, 8 * width)
    statistics, first = student.style.statistics(picture), 0
    for tap in student.style.features(picture):
        mean, deviation = statistics[0, first:].split([tap.shape[1]] * 2 + [480 - first - 2 * tap.shape[1]])[:2]
        assert torch.allclose(mean, tap.mean((0, 2, 3)), atol=1e-5)
        assert torch.allclose(deviation, tap.std((0, 2, 3), correction=0), atol=5e-3)
        first += 2 * tap.shape[1]
    assert first == 480

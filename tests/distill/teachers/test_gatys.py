"""Gatys' optimisation: its losses and gradients are the paper's equations, and a picture comes nearer by them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from distill import vgg_layers
from distill.teachers import gatys, load_teacher
from distill.teachers.gatys import GatysTeacher, content_loss, style_loss
from distill.teachers.keep_colour import YIQ
from distill.vgg_layers import gram, open_layers
from distill.weights import ENVIRONMENT
from runtime.errors import UserError
from tests.distill import tiny
from tests.distill.test_vgg_layers import community


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(vgg_layers, "compact_perception", tiny.perception)


def picture(seed: int, size: int = 48) -> Tensor:
    return torch.from_numpy(tiny.draw(seed, size)).permute(2, 0, 1)[None] / 255


def teacher(**options: object) -> GatysTeacher:
    given = {"steps": 15, "style_weight": 10, **options}
    return load_teacher("gatys", "compact", {name: str(value) for name, value in given.items()})


def losses(of: GatysTeacher, painted: Tensor, photo: Tensor, painting: Tensor) -> tuple[float, float]:
    """Content and style loss of a painted picture."""
    with torch.no_grad():
        seen = of.network(painted, {*of.content_layers, *of.style_layers})
        content = [(seen[name], x) for name, x in of.network(photo, of.content_layers).items()]
        style = [(seen[name], gram(x)) for name, x in of.network(painting, of.style_layers).items()]
        return content_loss(content).item(), style_loss(style).item()


def test_the_losses_are_equations_1_3_4_and_5():
    """N filters of M positions each, by their indices."""
    torch.manual_seed(0)
    features, painting = torch.randn(1, 3, 2, 5), torch.randn(1, 3, 4, 4)
    f, p, (n, m), (_, m_painting) = features[0].flatten(1), painting[0].flatten(1), (3, 10), (3, 16)
    total = 0.0
    for i in range(n):
        for j in range(n):
            g = sum(f[i, k] * f[j, k] for k in range(m)) / m
            a = sum(p[i, k] * p[j, k] for k in range(m_painting)) / m_painting
            total += (g - a) ** 2 / (4 * n**2)
    assert style_loss([(features, gram(painting))]).item() == pytest.approx(total.item(), rel=1e-5)
    other = torch.randn(1, 3, 2, 5)
    wanted = 0.5 * ((features - other) ** 2).sum() / features.numel()
    assert content_loss([(features, other)]).item() == pytest.approx(wanted.item(), rel=1e-5)
    pair = (features, gram(painting))
    assert style_loss([pair, (features, gram(features))]).item() == pytest.approx(total.item() / 2, rel=1e-4), "w_l"


def test_gradients_are_equations_2_and_6():
    torch.manual_seed(0)
    features, painting, content = (torch.randn(1, 3, 2, 5) for _ in range(3))
    features.requires_grad_()
    style_loss([(features, gram(painting))]).backward()
    f, n, m = features[0].detach().flatten(1), 3, 10
    g, a = f @ f.T, painting[0].flatten(1) @ painting[0].flatten(1).T
    assert torch.allclose(features.grad[0].flatten(1), (g - a) @ f / (n**2 * m**2), atol=1e-6)
    features.grad = None
    content_loss([(features, content)]).backward()
    assert torch.allclose(features.grad, (features - content).detach() / (n * m), atol=1e-6)


def test_the_style_does_not_know_places():
    torch.manual_seed(0)
    features = torch.randn(1, 4, 6, 6)
    moved = features.flatten(2)[..., torch.randperm(36)].view_as(features)
    assert style_loss([(moved, gram(features))]).item() < 1e-10
    assert content_loss([(moved, features)]).item() > 0.5


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_the_picture_comes_nearer_to_the_painting_and_stays_near_the_photo(optimiser):
    photo, painting = picture(1), picture(2, 64)
    of = teacher(optimiser=optimiser, steps=30)
    painted = of.stylize(photo, painting)
    content, style = losses(of, painted, photo, painting)
    before = losses(of, photo, photo, painting)[1]
    other = losses(of, painting[..., :48, :48], photo, painting)[0]
    assert painted.shape == photo.shape and style < 0.2 * before and content < other
    few = losses(of, teacher(optimiser=optimiser, steps=3).stylize(photo, painting), photo, painting)
    assert content + 10 * style < few[0] + 10 * few[1], "more steps, less loss"


def test_more_weight_of_the_style_is_more_style():
    photo, painting = picture(1), picture(2)
    weak, strong = (teacher(style_weight=w, steps=30) for w in (1, 100))
    mild = losses(weak, weak.stylize(photo, painting), photo, painting)
    bold = losses(strong, strong.stylize(photo, painting), photo, painting)
    assert bold[1] < mild[1] and bold[0] > mild[0]


def test_without_style_noise_becomes_the_photo_to_the_network():
    """Content reconstruction, figure 1 of the paper."""
    photo, painting = picture(1), picture(2)
    of = teacher(style_weight=0, start="noise", steps=60)
    begun, done = (losses(of, x, photo, painting)[0] for x in (of.start(photo), of.stylize(photo, painting)))
    assert done < 0.1 * begun
    assert torch.equal(of.start(photo), of.start(picture(5))) and not torch.equal(
        of.start(photo), teacher(start="noise", seed=1).start(photo)
    )


@pytest.mark.parametrize("options", [{}, {"optimiser": "adam"}, {"start": "noise", "colour": "histogram"}])
def test_each_picture_is_its_own(options):
    """The same alone and in a batch, again, and whoever calls."""
    of = teacher(steps=4, **options)
    photos, paintings = (torch.cat([picture(s), picture(s + 1)]) for s in (1, 7))
    both = of.stylize(photos, paintings)
    assert torch.equal(both[1:], of.stylize(photos[1:], paintings[1:]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(both, of.stylize(photos, paintings))


def test_colours_of_the_photo():
    photo, painting = picture(1), picture(2)
    painting = painting * torch.tensor([1.0, 0.5, 0.1])[:, None, None]  # orange
    plain, histogram, luminance = (
        teacher(colour=colour, steps=25).stylize(photo, painting) for colour in ("", "histogram", "luminance")
    )
    mean = partial(torch.mean, dim=(2, 3))
    assert (mean(plain) - mean(photo)).abs().max() > 0.1
    assert (mean(histogram) - mean(photo)).abs().max() < 0.3 * (mean(plain) - mean(photo)).abs().max()
    inside = ((luminance > 0) & (luminance < 1)).all(1, keepdim=True).expand(-1, 2, -1, -1)
    differences = [torch.einsum("ij,njhw->nihw", YIQ[1:], x) for x in (luminance, photo)]
    assert inside.float().mean() > 0.5
    assert torch.allclose(differences[0][inside], differences[1][inside], atol=2e-3)
    assert (luminance - photo).abs().mean() > 0.002


def test_it_says_which_layers_were_used(tmp_path):
    torch.save(community(), tmp_path / "whole.pth")
    torch.save(community(9), tmp_path / "short.pth")
    whole, short = (load_teacher("gatys", tmp_path / name) for name in ("whole.pth", "short.pth"))
    assert whole.content_layers == ("relu4_2",)
    assert whole.style_layers == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    assert "up to relu4_1 (short.pth, average pooling), content at relu4_1, style at relu1_1, relu2_1, relu3_1, " in (
        short.description
    )
    assert "relu5_1" in whole.description and "relu5_1" not in short.description
    assert short.stylize(picture(1), picture(2)).shape == (1, 3, 48, 48)


def test_pictures_are_filed_under_all_that_they_depend_on(tmp_path):
    torch.save(community(9), tmp_path / "short.pth")
    load = partial(load_teacher, "gatys", tmp_path / "short.pth")
    chosen = [
        {},
        {"steps": "9"},
        {"colour": "luminance"},
        {"pooling": "max"},
        {"style_weight": "1"},
        {"start": "noise"},
    ]
    prints = [load(options).fingerprint() for options in chosen]
    assert len({*prints, teacher().fingerprint()}) == len(chosen) + 1
    assert load().fingerprint() == prints[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"optimiser": "sgd"}, "the option optimiser of gatys is lbfgs or adam, not 'sgd'"),
        ({"start": "style"}, "the option start of gatys is content or noise, not 'style'"),
        ({"colour": "grey"}, "the option colour of gatys is histogram or luminance, not 'grey'"),
        ({"steps": 0}, "the steps of gatys are 1 to 10000, not 0"),
        ({"style_weight": -1}, "the style_weight of gatys is a number of at least 0, not -1"),
        ({"style_weight": "nan"}, "the style_weight of gatys is a number of at least 0, not nan"),
        ({"pooling": "median"}, "pooling is average or max, not 'median'"),
    ],
)
def test_options_out_of_range(options, reason):
    with pytest.raises(UserError, match=reason):
        teacher(**options)


def test_a_photo_that_is_the_painting_stays():
    photo = picture(1)
    assert torch.allclose(teacher(steps=5).stylize(photo, photo), photo, atol=1e-6)


def test_the_real_network_paints(shared_data: Path):
    of = load_teacher("gatys", shared_data / "weights", {"steps": "3", "style_weight": "30"})
    assert "VGG-19 up to relu4_1" in of.description and of.licence == "VGG-19 CC BY 4.0"
    photo, painting = picture(1, 32), picture(2, 32)
    before, after = (losses(of, x, photo, painting)[1] for x in (photo, of.stylize(photo, painting)))
    assert after < before and gatys.open_layers is open_layers

"""MicroAST: dual modulation, and which weights make the teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distill import weights
from distill.losses import style_loss
from distill.perceptual import compact_perception
from distill.samples import to_tensor
from distill.teachers import load_teacher, microast
from distill.teachers.microast import FILES, MicroAstTeacher, unbiased_moments
from runtime.errors import UserError
from runtime.image_files import read_picture
from tests.benchmarks.peers.tiny_weights import microast as tiny_shapes
from tests.benchmarks.peers.tiny_weights import random_weights


def tiny_states() -> dict[str, dict[str, Tensor]]:
    return {part: random_weights(shapes, seed) for seed, (part, shapes) in enumerate(tiny_shapes().items())}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The four files of a small MicroAST, as its authors name them, below a folder."""
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)
    (tmp_path / "below").mkdir()
    for part, state in tiny_states().items():
        torch.save(state, tmp_path / "below" / f"{part}_iter_160000.pth.tar")
    return tmp_path


@pytest.fixture
def modulated(monkeypatch: pytest.MonkeyPatch) -> MicroAstTeacher:
    """A teacher that gives back what its modulated blocks give, with 3x3 convolutions that change nothing."""
    states = tiny_states()
    for name, value in states["decoder"].items():
        if name.startswith(("dec1", "dec2")):
            value.zero_()
            if value.dim() == 4:
                value[:, :, 1, 1] = torch.eye(len(value))
    monkeypatch.setattr(microast, "DECODER", ())
    return MicroAstTeacher(states, "", "")


def code(mean: float, deviation: float, weight: float, bias: float) -> list[Tensor]:
    return [torch.full((1, 16, 1, 1), value) for value in (mean, deviation, weight, bias)]


def test_features_take_the_styles_moments(modulated):
    """With weight and bias 0 a block adds nothing: what stays is the AdaIN of the shallow depth, which comes last."""
    picture = torch.rand(1, 3, 32, 48)
    mean, deviation = unbiased_moments(modulated.paint(picture, *code(2, 3, 0, 0), *code(5, 0.5, 0, 0)))
    assert torch.allclose(mean, torch.full_like(mean, 2), atol=1e-4)
    assert torch.allclose(deviation, torch.full_like(deviation, 3), atol=1e-2)


def test_a_block_is_modulated_twice(modulated):
    """With convolutions that change nothing, weight w and bias b make of x: x + (w + b) relu((w + b) x)."""
    picture = torch.rand(1, 3, 32, 32)
    shallow, deep = code(0.3, 1.5, 0.7, 0.4), code(-0.2, 0.8, -0.5, 0.2)
    x = microast.encode(modulated.content_encoder, picture)[-1]
    for gain, (mean, deviation, *_) in ((-0.3, deep), (1.1, shallow)):
        own = x.mean((2, 3), keepdim=True), (x.var((2, 3), keepdim=True) + 1e-5).sqrt()
        x = (x - own[0]) / own[1] * deviation + mean
        x = x + gain * F.relu(gain * x)
    assert torch.allclose(modulated.paint(picture, *shallow, *deep), x, atol=1e-4)


def test_codes_are_moments_and_pooled_convolutions_of_both_depths(folder):
    teacher, style = load_teacher("microast", folder), torch.rand(1, 3, 40, 32)
    codes, state = teacher.style_codes(style), tiny_states()["modulator"]
    for depth, features in enumerate(microast.encode(teacher.style_encoder, style)):
        mean, deviation, weight, bias = codes[4 * depth : 4 * depth + 4]
        assert torch.allclose(mean, features.mean((2, 3), keepdim=True), atol=1e-5)
        assert torch.allclose(deviation, features.std((2, 3), keepdim=True), atol=1e-3)
        padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
        for kind, found in (("weight", weight), ("bias", bias)):
            layer = f"{kind}{depth + 1}.0.conv_layer"
            wanted = F.conv2d(padded, state[f"{layer}.weight"], state[f"{layer}.bias"], groups=16).mean((2, 3))
            assert torch.allclose(found[..., 0, 0], wanted, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (16, 50)])
def test_pictures_of_any_size_keep_it(folder, height, width):
    teacher = load_teacher("microast", folder)
    content, styles = torch.rand(2, 3, height, width), torch.rand(2, 3, 41, 40)
    painted = teacher.stylize(content, styles)
    assert painted.shape == content.shape and painted.min() >= 0 and painted.max() <= 1
    alone = teacher.stylize(content[1:], styles[1:])
    assert torch.allclose(painted[1:], alone, atol=1e-4), "pictures of a batch are painted by themselves"
    assert teacher.takes_style and not any(p.requires_grad for p in teacher.parameters())


def test_the_environments_folder_serves_too(folder, monkeypatch):
    monkeypatch.setenv(weights.ENVIRONMENT, str(folder))
    teacher = load_teacher("microast", None)
    assert "MicroAST with the weights of decoder_iter_160000.pth.tar" in teacher.description
    assert teacher.fingerprint() == load_teacher("microast", folder).fingerprint()
    (folder / "below" / "decoder_iter_160000.pth.tar").unlink()
    with pytest.raises(UserError, match=r"there is no decoder_iter_\*.pth.tar in .* or below, which microast needs"):
        load_teacher("microast", None)


def test_two_decoders_are_one_too_many(folder):
    torch.save(tiny_states()["decoder"], folder / "decoder_iter_9.pth.tar")
    with pytest.raises(UserError, match="holds several weights for microast .*decoder_iter_160000.pth.tar"):
        load_teacher("microast", folder)


@pytest.mark.parametrize("choice", ["compact", "download", None])
def test_without_weights_it_says_which(folder, choice):
    with pytest.raises(UserError, match=r"microast needs its weights \(content_encoder_iter_.*--weights"):
        load_teacher("microast", choice)


@pytest.mark.parametrize("part", FILES)
def test_parts_of_something_else_are_refused(folder, part):
    place = folder / "below" / f"{part}_iter_160000.pth.tar"
    state = tiny_states()[part]
    torch.save(state | {"extra.weight": torch.zeros(3)}, place)
    with pytest.raises(UserError, match="not the network of microast .it has no use for 'extra.weight'"):
        load_teacher("microast", folder)
    torch.save({name: value for name, value in list(state.items())[1:]}, place)
    with pytest.raises(UserError, match="not the network of microast .there is no '"):
        load_teacher("microast", folder)
    first = next(iter(state))
    torch.save(state | {first: torch.zeros(5, 7, 3, 3)}, place)
    with pytest.raises(UserError, match="not the network of microast") as caught:
        load_teacher("microast", folder)
    assert "\n" not in str(caught.value)


def test_the_real_weights_bring_the_style_in(shared_data):
    """Style loss falls to less than half of the photo's, judged by the compact network; the drawing stays."""
    teacher = load_teacher("microast", shared_data / "weights" / "microast")
    photos = sorted((shared_data / "content" / "kodak").glob("*.png"))[:2]
    paintings = sorted((shared_data / "style" / "paintings").glob("*.jpg"))[5:25:10]
    judge = compact_perception()
    for photo, painting in zip(photos, paintings, strict=True):
        content, style = (to_tensor([read_picture(p).resized(160, 160).rgb]) for p in (photo, painting))
        painted = teacher.stylize(content, style)
        wanted = judge(style)
        assert style_loss(judge(painted), wanted) < 0.5 * style_loss(judge(content), wanted)
        edges = [(p.mean(1)[..., 1:] - p.mean(1)[..., :-1]).abs().flatten() for p in (content, painted)]
        assert torch.corrcoef(torch.stack(edges))[0, 1] > 0.3

"""Training a StyleSwin stylizer: its losses are what they are called, it learns, and it can be stopped."""

from __future__ import annotations

import copy
import io
import json
import signal
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner

import brushlet
from distill import teach_styleswin as command
from distill.data import open_pictures
from distill.losses import content_loss, range_loss, style_loss, variation_loss
from distill.perceptual import compact_perception
from distill.teach_styleswin import teach_styleswin
from distill.teachers import load_teacher
from distill.teachers.styleswin.attention import EqualLinear
from distill.teachers.styleswin.stylizer import read_generator
from distill.teachers.styleswin.training import StyleSwinLessons, StyleSwinSettings, groups
from runtime.errors import UserError
from tests.distill.teachers.test_styleswin import official_state

CPU = torch.device("cpu")


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "JUDGED_PAIRS", 2)
    monkeypatch.setattr(command, "EVALUATION_SIZE", 64)


@pytest.fixture
def settings(pictures) -> StyleSwinSettings:
    where = {"content": str(pictures / "photos"), "style": str(pictures / "paintings")}
    return StyleSwinSettings(**where, width=0.25, size=64, batch=2, steps=4, judge_channels=8, seed=3)


def lessons_of(settings: StyleSwinSettings) -> StyleSwinLessons:
    sets = (open_pictures(source, "content", 80, "train") for source in (settings.content, settings.style))
    return StyleSwinLessons(settings, *sets, CPU)


def test_each_loss_is_its_formula(settings):
    lessons = lessons_of(replace(settings, adversarial=0.7, content_weight=2, style_weight=3, identity=5))
    torch.manual_seed(1)
    painted, content, style = torch.rand(3, 2, 3, 64, 64) * 1.5
    losses = lessons.losses(painted, content, style, torch.tensor([True, False]))
    see = compact_perception()
    wanted = {
        "content": 2 * content_loss(see(painted), see(content)),
        "style": 3 * style_loss(see(painted), see(style)),
        "identity": 5 * (painted - content)[0].abs().mean() / 2,
        "smooth": 0.05 * variation_loss(painted) + 0.5 * range_loss(painted),
        "adversarial": 0.7 * nn.functional.softplus(-lessons.judge(painted)).mean(),
    }
    assert losses.keys() == wanted.keys()
    for name in wanted:
        assert losses[name].item() == pytest.approx(wanted[name].item(), rel=1e-4), name


def test_the_discriminator_is_for_paintings(settings):
    """A few of its steps, and it scores them above what was painted; the stylizer is not touched by them."""
    lessons = lessons_of(settings)
    kept = copy.deepcopy(lessons.stylizer.state_dict())
    torch.manual_seed(1)
    painted, paintings = torch.rand(2, 4, 3, 64, 64) * torch.tensor([0.3, 1.0])[:, None, None, None, None]
    for number in range(1, 9):
        lessons.judge_step(number, painted, paintings)
    assert lessons.judge(paintings).mean() > lessons.judge(painted).mean()
    assert all(torch.equal(value, kept[name]) for name, value in lessons.stylizer.state_dict().items())


def test_equalised_layers_learn_as_if_they_were_not(settings):
    layer = EqualLinear(16, 4)
    (rest, weight, bias) = groups(layer, 1e-3)
    assert rest["params"] == [] and weight["lr"] * layer.scale == pytest.approx(1e-3) and bias["lr"] == 1e-3
    every = [p for group in groups(lessons_of(settings).stylizer, 1e-3) for p in group["params"]]
    trained = [name for name, p in lessons_of(settings).stylizer.named_parameters() if p.requires_grad]
    assert len(every) == len(set(every)) == len(trained)
    assert not any("encoder" in name or "alpha" in name for name in trained)


def test_it_learns(settings, tmp_path):
    """Held-back pairs: nearer to the painting in style, and to the photo in content, than before the first step."""
    longer, out = replace(settings, steps=40), tmp_path / "a_styleswin.safetensors"
    scores = teach_styleswin(longer, out, None, "cpu", console=quiet())
    print(scores)
    assert scores["after"]["style"] < 0.7 * scores["before"]["style"]
    assert scores["after"]["content"] < scores["before"]["content"]
    assert scores["photo"]["content"] == pytest.approx(0, abs=1e-6)
    assert (tmp_path / "a_styleswin-training" / "sheets" / "final.png").is_file()
    teacher = load_teacher("styleswin", tmp_path)
    photos = [torch.full((1, 3, 64, 64), value) for value in (0.2, 0.8)]
    assert teacher.stylize(*photos).mean() != teacher.stylize(*photos[::-1]).mean()


def test_after_an_interrupt_it_goes_on_to_the_same_stylizer(settings, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    teach_styleswin(settings, whole, None, "cpu", console=quiet())
    step = StyleSwinLessons.step

    def interrupted(lessons: StyleSwinLessons, number: int) -> dict[str, float]:
        if number == 1:
            signal.raise_signal(signal.SIGINT)
        return step(lessons, number)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StyleSwinLessons, "step", interrupted)
        teach_styleswin(settings, parts, None, "cpu", console=quiet())
    assert not parts.exists()
    teach_styleswin(settings, parts, None, "cpu", resume=True, console=quiet())
    one, other = load_file(whole), load_file(parts)
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_official_weights_are_a_start(settings, tmp_path):
    """The last four layers paint; the constant, the first layers and their channels stay as they came."""
    state = official_state((16, 16, 16, 8, 8))
    save_file(state, tmp_path / "official.safetensors")
    lessons = lessons_of(replace(settings, generator=str(tmp_path / "official.safetensors")))
    lessons.step(0)
    assert lessons.stylizer.first == 1
    after = lessons.stylizer.generator.state_dict()
    assert torch.equal(after["input.input"], state["input.input"])
    assert torch.equal(after["layers.0.blocks.0.qkv.weight"], state["layers.0.blocks.0.qkv.weight"])
    assert not torch.equal(after["layers.1.blocks.0.qkv.weight"], state["layers.1.blocks.0.qkv.weight"])
    assert torch.equal(after["layers.1.upsample.alpha"], state["layers.1.upsample.alpha"])


def test_generators_that_cannot_be_a_start(settings, tmp_path):
    save_file(official_state((16, 16, 8)), tmp_path / "short.safetensors")
    with pytest.raises(UserError, match="short.safetensors cannot be a stylizer: .* at least 4 layers"):
        lessons_of(replace(settings, generator=str(tmp_path / "short.safetensors")))
    save_file({"0.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="other.safetensors: not a generator of StyleSwin"):
        lessons_of(replace(settings, generator=str(tmp_path / "other.safetensors")))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"size": 96}, "--size must be 64, 128, 256 or 512"),
        ({"width": 0.1}, "--width goes from 0.25 to 2"),
        ({"steps": 0}, "--steps must be at least 1"),
        ({"adversarial": -1.0}, "weights of losses must be at least 0"),
    ],
)
def test_impossible_settings_are_refused(wrong, reason):
    with pytest.raises(UserError, match=reason):
        StyleSwinSettings(**wrong)


def test_the_command(settings, tmp_path):
    out = tmp_path / "styleswin.safetensors"
    small = ["--width", "0.25", "--size", "64", "--batch", "2", "--steps", "1", "--judge-channels", "8"]
    where = ["--content", settings.content, "--style", settings.style, "-o", str(out), "--device", "cpu", "--json"]
    result = CliRunner().invoke(brushlet.app, ["teach-styleswin", *where, *small])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["out"] == str(out) and set(record["scores"]) == {"photo", "before", "after"}
    assert read_generator(out).shape.style == 256

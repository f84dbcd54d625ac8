"""Training a Johnson network: the paper's losses, a network that learns, and runs that go on after a stop."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor
from typer.testing import CliRunner

import brushlet
from distill import perceptual, vgg_layers
from distill.checkpoint import load_student
from distill.distil import distil
from distill.losses import variation_loss
from distill.progress import read_metrics
from distill.run import Request, settings_of
from distill.teachers import johnson_training, lessons, load_teacher
from distill.teachers.johnson_from_painting import teacher_of, train_johnson
from distill.teachers.johnson_training import (
    JohnsonLoss,
    JohnsonSettings,
    initial_weights,
    per_channel_gram,
    style_loss,
)
from distill.vgg_layers import open_layers
from distill.weights import ENVIRONMENT
from runtime.errors import UserError
from tests.distill import tiny
from tests.distill.test_vgg_layers import community

#: Two channels, crops of 32 pixels.
SMALL = JohnsonSettings(width=1 / 16, steps=6, batch=2, size=32, style_size=48)


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(vgg_layers, "compact_perception", tiny.perception)


@pytest.fixture
def painting(pictures: Path) -> Path:
    return pictures / "paintings" / "painting1.png"


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


def train(out: Path, painting: Path, pictures: Path, how: JohnsonSettings = SMALL, resume: bool = False) -> None:
    train_johnson(how, painting, out, str(pictures / "photos"), "compact", resume)


def test_gram_matrices_are_equation_3_and_the_loss_equation_4():
    torch.manual_seed(0)
    features, painting = torch.randn(2, 3, 2, 5), torch.randn(1, 3, 4, 4)
    (c, h, w), total = (3, 2, 5), 0.0
    wanted = torch.stack([per_channel_gram(painting)[0]])
    assert wanted[0, 0, 1].item() == pytest.approx((painting[0, 0] * painting[0, 1]).sum().item() / (3 * 16), abs=1e-6)
    for n, i, j in itertools.product(range(2), range(c), range(c)):
        g = (features[n, i] * features[n, j]).sum() / (c * h * w)
        total += (g - wanted[0, i, j]) ** 2 / 2  # the mean over the batch
    assert style_loss([(features, wanted)]).item() == pytest.approx(total.item(), rel=1e-5)


def test_the_losses_are_weighted_and_of_the_papers_layers(painting, tmp_path):
    torch.save(community(11), tmp_path / "vgg.pth")  # as deep as relu4_3
    network = open_layers(tmp_path / "vgg.pth", "max")
    how = JohnsonSettings(content_weight=2, style_weight=3, variation_weight=5)
    loss = JohnsonLoss(network, johnson_training.painting_of(painting, 48), how)
    assert loss.content_layers == ("relu2_2",)
    assert loss.style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    assert "content at relu2_2, style at relu1_2, relu2_2, relu3_3, relu4_3" in loss.description
    painted, photo = torch.rand(2, 2, 3, 32, 32)
    found = loss(painted, photo)
    mine, theirs = (network(x, ["relu2_2"])["relu2_2"] for x in (painted, photo))
    assert found["content"].item() == pytest.approx(2 * (mine - theirs).square().mean().item(), rel=1e-5)
    assert found["variation"].item() == pytest.approx(5 * variation_loss(painted).item(), rel=1e-5)
    assert found["style"].item() > 0 and loss(photo, photo)["content"].item() == 0
    itself = johnson_training.painting_of(painting, 48)
    assert loss(itself, itself)["style"].item() < 1e-9, "the painting has its own style"


def test_weights_start_as_torch_starts_them_and_are_a_teacher(tmp_path):
    weights = initial_weights(8, seed=3)
    bound = 1 / (3 * 81) ** 0.5
    first = weights["conv1.conv2d.weight"]
    assert first.shape == (8, 3, 9, 9) and 0.95 * bound < first.abs().max().item() <= bound
    assert (weights["in3.weight"] == 1).all() and (weights["in3.bias"] == 0).all()
    assert torch.equal(first, initial_weights(8, seed=3)["conv1.conv2d.weight"])
    assert not torch.equal(first, initial_weights(8, seed=4)["conv1.conv2d.weight"])
    torch.save({name: value.detach() for name, value in weights.items()}, tmp_path / "x.model")
    painted = load_teacher("johnson", tmp_path / "x.model")(torch.rand(1, 3, 32, 32))
    assert (painted.mean() - 0.5).abs() < 0.2, "grey, not black"


def test_a_network_learns_the_style_and_keeps_the_content(tmp_path, painting, pictures, monkeypatch):
    """By the network that ships, against one that was trained for two steps."""
    monkeypatch.setattr(vgg_layers, "compact_perception", perceptual.compact_perception)
    how = replace(SMALL, width=1 / 8, steps=60)
    scores = []
    for steps in (2, 60):
        out = tmp_path / f"{steps}.safetensors"
        train(out, painting, pictures, replace(how, steps=steps))
        loss = JohnsonLoss(open_layers("compact", "max"), johnson_training.painting_of(painting, 48), how)
        photo = torch.from_numpy(tiny.draw(2, 64)).permute(2, 0, 1)[None] / 255  # held back
        with torch.no_grad():
            scores.append({k: v.item() for k, v in loss(load_teacher("johnson", out).stylize(photo), photo).items()})
    assert scores[1]["style"] < 0.85 * scores[0]["style"]
    assert sum(scores[1].values()) < 0.85 * sum(scores[0].values())
    assert load_teacher("johnson", tmp_path / "60.safetensors").style_name == "60"


@contextlib.contextmanager
def stopping_after(steps: int) -> Iterator[Callable[[], bool]]:
    """As if Ctrl-C came in a step."""
    asked = itertools.count(1)
    yield lambda: next(asked) == steps


def test_a_stopped_training_goes_on_to_the_same_network(tmp_path, painting, pictures, monkeypatch, capsys):
    whole, out = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    train(whole, painting, pictures)
    with monkeypatch.context() as patch:
        patch.setattr(lessons, "interrupt_between_steps", lambda: stopping_after(4))
        with pytest.raises(KeyboardInterrupt):
            train(out, painting, pictures)
    assert "Go on with the same command and --resume" in capsys.readouterr().err
    assert (tmp_path / "stopped-training" / "checkpoint.pt").exists() and not out.exists()
    for change in ({"seed": 1}, {"style_weight": 4}):
        with pytest.raises(UserError, match=f"started with another {next(iter(change))}: repeat it"):
            train(out, painting, pictures, replace(SMALL, **change), resume=True)
    with pytest.raises(UserError, match="started with another painting"):
        train(out, pictures / "paintings" / "painting2.png", pictures, resume=True)
    train(out, painting, pictures, resume=True)
    first, second = load_file(whole), load_file(out)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_finished_training_can_be_longer(tmp_path, painting, pictures):
    out = tmp_path / "x.safetensors"
    train(out, painting, pictures, replace(SMALL, steps=2))
    first = load_file(out)
    train(out, painting, pictures, replace(SMALL, steps=3), resume=True)
    assert not torch.equal(first["conv1.conv2d.weight"], load_file(out)["conv1.conv2d.weight"])
    assert [row["step"] for row in read_metrics(tmp_path / "x-training" / "metrics.jsonl")] == [1, 2, 3]


def test_after_a_divergence_it_goes_on_at_a_lower_rate(tmp_path, painting, pictures, monkeypatch):
    out, two = tmp_path / "x.safetensors", replace(SMALL, steps=2)
    train(out, painting, pictures, two)
    checkpoint = (tmp_path / "x-training" / "checkpoint.pt").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(johnson_training, "variation_loss", lambda picture: picture.mean() * float("nan"))
        with pytest.raises(UserError, match="at step 3, .*: try a lower learning rate, with --resume$"):
            train(out, painting, pictures, replace(SMALL, steps=3), resume=True)
    after_two, moved = load_file(out), []
    for rate in (SMALL.learning_rate, SMALL.learning_rate / 8):
        (tmp_path / "x-training" / "checkpoint.pt").write_bytes(checkpoint)
        train(out, painting, pictures, replace(SMALL, steps=3, learning_rate=rate), resume=True)
        moved.append((load_file(out)["conv1.conv2d.weight"] - after_two["conv1.conv2d.weight"]).abs().mean().item())
    assert moved[1] == pytest.approx(moved[0] / 8, rel=0.01)


def test_places_that_cannot_be_used(tmp_path, painting, pictures):
    (tmp_path / "there.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="there.safetensors is there already: choose another name with --output"):
        train(tmp_path / "there.safetensors", painting, pictures)
    with pytest.raises(UserError, match="the folder does not exist"):
        train(tmp_path / "nowhere" / "x.safetensors", painting, pictures)
    out = tmp_path / "x.safetensors"
    with pytest.raises(UserError, match="there is no training in .*x-training to resume"):
        train(out, painting, pictures, resume=True)
    train(out, painting, pictures, replace(SMALL, steps=1))
    out.unlink()
    with pytest.raises(UserError, match="already holds a training: continue it with --resume"):
        train(out, painting, pictures)
    (tmp_path / "x-training" / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match="the checkpoint .* cannot be read"):
        train(out, painting, pictures, replace(SMALL, steps=1), resume=True)
    with pytest.raises(UserError, match="there is no file"):
        train(tmp_path / "y.safetensors", tmp_path / "no.jpg", pictures)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": 0}, "the width of a Johnson network"),
        ({"width": 5}, "the width of a Johnson network"),
        ({"width": float("nan")}, "the width of a Johnson network"),
        ({"steps": 0}, "the steps of training"),
        ({"batch": 0}, "the steps of training"),
        ({"size": 30}, "sizes in training"),
        ({"size": 66}, "sizes in training"),
        ({"style_size": 8}, "sizes in training"),
        ({"style_weight": -1}, "the weights of losses"),
        ({"content_weight": float("inf")}, "the weights of losses"),
        ({"seed": -1}, "the seed is at least 0"),
        ({"learning_rate": 0}, "the learning rate lies between 0 and 1"),
    ],
)
def test_settings_that_are_impossible(changes, reason):
    with pytest.raises(UserError, match=reason):
        JohnsonSettings(**changes)


def test_a_loss_that_is_no_number_stops_it(tmp_path, painting, pictures, monkeypatch):
    monkeypatch.setattr(johnson_training, "variation_loss", lambda picture: picture.mean() * float("nan"))
    with pytest.raises(
        UserError, match="variation stopped being a finite number at step 1, .*: try a lower learning rate, from"
    ):
        train(tmp_path / "x.safetensors", painting, pictures)
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob("checkpoint.pt"))


def test_a_trained_teacher_is_found_again(small, painting, pictures, monkeypatch):
    def teacher(**options: object):
        given = {"width": 1 / 16, "steps": 3, "batch": 2, "size": 32, **options}
        return teacher_of(painting, str(pictures / "photos"), 5, **given)

    first = teacher()
    assert first.style_name == "painting1" and "trained for painting1.png by the compact VGG" in first.description
    with monkeypatch.context() as patch:
        patch.setattr(johnson_training.JohnsonLessons, "step", None)
        assert teacher().fingerprint() == first.fingerprint()
    assert teacher(steps=4).fingerprint() != first.fingerprint()
    kept = sorted(path.suffix for path in (small.parent / "cache" / "trained-teachers").iterdir())
    assert kept == [".lock", ".lock", ".safetensors", ".safetensors"], "no checkpoints"


def test_a_trained_teacher_that_was_stopped_goes_on(small, painting, pictures, monkeypatch):
    given = {"width": 1 / 16, "steps": 4, "batch": 2, "size": 32}
    with monkeypatch.context() as patch:
        patch.setattr(lessons, "interrupt_between_steps", lambda: stopping_after(3))
        with pytest.raises(KeyboardInterrupt):
            teacher_of(painting, str(pictures / "photos"), 5, **given)
    step, steps = johnson_training.JohnsonLessons.step, []

    def counted(self: johnson_training.JohnsonLessons, number: int) -> dict[str, float]:
        steps.append(number)
        return step(self, number)

    monkeypatch.setattr(johnson_training.JohnsonLessons, "step", counted)
    teacher_of(painting, str(pictures / "photos"), 5, **given)
    assert steps == [3]


def test_distil_trains_the_teacher_first(small, painting, pictures, tmp_path):
    options = [f"{name}={value}" for name, value in {"width": 1 / 16, "steps": 3, "batch": 2, "size": 32}.items()]
    settings = settings_of(
        Request(teacher_options=options),
        **{"teacher": "johnson", "preset": "tiny", "style": str(painting), "content": str(pictures / "photos")},
    )
    assert settings.student == "frozen_painter"
    console = quiet()
    distil(settings, tmp_path / "run", "cpu", console=console)
    assert "trained for painting1.png" in console.file.getvalue()
    assert load_student(tmp_path / "run").provenance["frozen"] == {"style": "painting1"}
    with pytest.raises(UserError, match="johnson has no option 'depth': it has width, steps"):
        distil(replace(settings, teacher_options={"depth": "3"}), tmp_path / "other", "cpu", console=quiet())


def test_the_command(tmp_path, painting, pictures):
    out = tmp_path / "mine.safetensors"
    numbers = ["--width", "0.0625", "--steps", "2", "--size", "32", "--style-size", "48", "--batch", "2"]
    arguments = ["--style", painting, "--content", pictures / "photos", "-o", out, "--device", "cpu", *numbers]
    result = CliRunner().invoke(brushlet.app, ["teach-johnson", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert f"distill --teacher johnson --weights {out}" in result.stdout
    painted: Tensor = load_teacher("johnson", out).stylize(torch.rand(1, 3, 40, 32))
    assert painted.shape == (1, 3, 40, 32)
    again = CliRunner().invoke(brushlet.app, ["teach-johnson", *map(str, arguments)])
    assert again.exit_code == 1 and again.stderr.startswith(f"error: {out} is there already")

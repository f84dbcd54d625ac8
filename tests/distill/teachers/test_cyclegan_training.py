"""CycleGAN's training: its losses are the paper's, its memory forgets as it should, and it learns."""

from __future__ import annotations

import io
import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

import brushlet
from distill.data import open_pictures
from distill.teach_cyclegan import teach_cyclegan
from distill.teachers import load_teacher
from distill.teachers.cyclegan import beside, initial_weights
from distill.teachers.cyclegan_training import CycleGanLessons, CycleGanSettings, Pool
from runtime.errors import UserError
from tests.distill import tiny
from tests.distill.teachers.test_cyclegan import ResnetGenerator

CPU = torch.device("cpu")


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[str, str]:
    """Pictures of spots, and other spots by the light of a red lamp."""
    folder = tmp_path_factory.mktemp("kinds")
    tiny.draw_folder(folder / "day", "photo", 6)
    (folder / "red").mkdir()
    for i in range(6):
        red = tiny.draw(50 + i) * np.array([1.0, 0.3, 0.2])
        Image.fromarray(red.astype(np.uint8)).save(folder / "red" / f"photo{i}.png")
    return str(folder / "day"), str(folder / "red")


@pytest.fixture(scope="module")
def settings(folders) -> CycleGanSettings:
    small = {"channels": 4, "blocks": 1, "judge_channels": 4, "size": 32, "batch": 2}
    return CycleGanSettings(*folders, **small, steps=6, learning_rate=2e-3, seed=3)


def lessons_of(settings: CycleGanSettings) -> CycleGanLessons:
    return CycleGanLessons(settings, *(open_pictures(f, "content", 36, "train") for f in (settings.a, settings.b)), CPU)


@pytest.mark.parametrize("blocks", [6, 9])
def test_one_to_train_has_the_official_names_and_shapes(blocks):
    fresh = initial_weights(4, blocks).tensors()
    wanted = ResnetGenerator(blocks).state_dict()
    assert {name: value.shape for name, value in fresh.items()} == {n: v.shape for n, v in wanted.items()}
    assert fresh["model.7.weight"].std() == pytest.approx(0.02, rel=0.1), "the authors' start"


def test_each_loss_is_its_formula(settings):
    lessons = lessons_of(replace(settings, cycle=7.0, identity=0.3))
    a, b = lessons.batch(0)
    g, f, d_a, d_b = lessons.g, lessons.f, lessons.d_a, lessons.d_b
    l1 = lambda x, y: 2 * (x - y).abs().mean().item()  # noqa: E731 - pictures from -1 to 1
    with torch.no_grad():
        wanted = {
            "adversarial": ((d_b(g(a)) - 1) ** 2).mean().item() + ((d_a(f(b)) - 1) ** 2).mean().item(),
            "cycle": 7 * (l1(f(g(a)), a) + l1(g(f(b)), b)),
            "identity": 7 * 0.3 * (l1(g(b), b) + l1(f(a), a)),
            "judges": sum(
                ((d(real) - 1) ** 2).mean().item() / 2 + (d(made) ** 2).mean().item() / 2
                for d, real, made in ((d_a, a, f(b)), (d_b, b, g(a)))
            ),
        }
    assert lessons.step(0) == pytest.approx(wanted, rel=1e-4)


def test_each_side_trains_on_its_own_loss(settings):
    """Generators leave the discriminators be, whose own step leaves the generators be; the rate falls to nothing."""
    lessons = lessons_of(settings)
    before = {name: [p.clone() for p in lessons.parts[name].parameters()] for name in ("g", "f", "d_a", "d_b")}
    lessons.step(0)
    assert all(
        any(not torch.equal(p, q) for p, q in zip(lessons.parts[name].parameters(), old, strict=True))
        for name, old in before.items()
    )
    rates = [rate_after(lessons, step) / settings.learning_rate for step in (0, 3, 4, 5)]
    assert rates == pytest.approx([1, 1, 2 / 3, 1 / 3])


def rate_after(lessons: CycleGanLessons, step: int) -> float:
    lessons.step(step)
    assert lessons.generators.param_groups[0]["lr"] == lessons.judges.param_groups[0]["lr"]
    return lessons.generators.param_groups[0]["lr"]


def test_the_memory_gives_half_of_its_own_back():
    pool, rng = Pool(50), np.random.default_rng(0)
    numbered = lambda first, count: torch.arange(first, first + count).float()[:, None, None, None]  # noqa: E731
    assert torch.equal(pool.exchange(numbered(0, 50), rng), numbered(0, 50)), "as long as there is room"
    shown = pool.exchange(numbered(50, 400), rng).flatten()
    older = shown != torch.arange(50, 450)
    assert 0.42 < older.float().mean() < 0.58 and len(pool.pictures) == 50
    assert len(set(shown[older].tolist())) == older.sum(), "what was given back is gone"
    again = Pool(50)
    again.load_state_dict(pool.state_dict())
    assert torch.equal(torch.stack(again.pictures), torch.stack(pool.pictures))


def test_it_learns_what_the_other_kind_looks_like(settings, tmp_path):
    """Held-back pictures: they come back from there and back again, and are lit by the red lamp in between."""
    longer = replace(settings, steps=120, learning_rate=5e-3)
    scores = teach_cyclegan(longer, tmp_path / "net_G.safetensors", "cpu", console=quiet())
    before, after = scores["before"], scores["after"]
    assert after["gap"] < 0.25 * after["gap_photo"]
    assert after["cycle_a"] < 0.85 * before["cycle_a"] and after["cycle_b"] < 0.5 * before["cycle_b"]
    assert after["identity_b"] < 0.5 * before["identity_b"]
    content = open_pictures(settings.a, "content", 64, "held-back")[0]
    photo = torch.from_numpy(content.copy()).permute(2, 0, 1)[None] / 255
    painted = load_teacher("cyclegan", tmp_path / "net_G.safetensors").stylize(photo)
    assert painted[0, 0].mean() > 1.5 * painted[0, 1].mean() > 0 and photo[0, 0].mean() < 1.2 * photo[0, 1].mean()


def test_it_writes_both_ways_and_the_discriminator(settings, tmp_path):
    out = tmp_path / "red_net_G.safetensors"
    teach_cyclegan(settings, out, "cpu", console=quiet())
    assert {p.name for p in tmp_path.glob("*.safetensors")} == {f"red_net_{x}.safetensors" for x in "GFD"}
    assert (tmp_path / "red_net_G-training" / "sheets" / "step-000006.png").is_file()
    teacher = load_teacher("cyclegan", out)
    assert teacher.style_name == "red" and teacher.blocks == 1
    picture = torch.rand(1, 3, 32, 32)
    kept = load_file(tmp_path / "red_net_D.safetensors")
    assert all(torch.equal(value, kept[name]) for name, value in teacher.discriminator().weights.tensors().items())
    assert not torch.equal(teacher(picture), load_teacher("cyclegan", beside(out, "F"))(picture))


def test_after_an_interrupt_it_goes_on_to_the_same_networks(settings, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole_net_G.safetensors", tmp_path / "parts_net_G.safetensors"
    teach_cyclegan(settings, whole, "cpu", console=quiet())
    step = CycleGanLessons.step

    def interrupted(lessons: CycleGanLessons, number: int) -> dict[str, float]:
        if number == 3:
            signal.raise_signal(signal.SIGINT)
        return step(lessons, number)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CycleGanLessons, "step", interrupted)
        teach_cyclegan(settings, parts, "cpu", console=quiet())
    assert not parts.exists()
    with pytest.raises(UserError, match="already holds a training: continue it with --resume"):
        teach_cyclegan(settings, parts, "cpu", console=quiet())
    with pytest.raises(UserError, match="was started with another seed"):
        teach_cyclegan(replace(settings, seed=4), parts, "cpu", resume=True, console=quiet())
    teach_cyclegan(settings, parts, "cpu", resume=True, console=quiet())
    for letter in "GFD":
        one, other = (load_file(beside(path, letter)) for path in (whole, parts))
        assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_there_must_be_a_training_to_resume(settings, tmp_path):
    with pytest.raises(UserError, match="there is no training in .* to resume"):
        teach_cyclegan(settings, tmp_path / "net_G.safetensors", "cpu", resume=True, console=quiet())
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_stops_it(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(CycleGanLessons, "step", lambda lessons, number: {"cycle": float("nan")})
    with pytest.raises(UserError, match="cycle stopped being a finite number at step 1"):
        teach_cyclegan(settings, tmp_path / "net_G.safetensors", "cpu", console=quiet())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"size": 30}, "--size must be a multiple of 4"),
        ({"blocks": 0}, "--blocks from 1 to 16"),
        ({"steps": 0}, "--steps must be at least 1"),
        ({"learning_rate": float("nan")}, "--learning-rate must lie between 0 and 1"),
    ],
)
def test_impossible_settings_are_refused(wrong, reason):
    with pytest.raises(UserError, match=reason):
        CycleGanSettings("a", "b", **wrong)


def test_the_command(settings, tmp_path):
    out = tmp_path / "net_G.safetensors"
    small = ["--channels", "4", "--blocks", "1", "--judge-channels", "4", "--size", "32", "--steps", "2"]
    where = ["--a", settings.a, "--b", settings.b, "-o", str(out), "--device", "cpu", "--json"]
    result = CliRunner().invoke(brushlet.app, ["teach-cyclegan", *where, *small])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["out"] == str(out) and set(record["scores"]) == {"before", "after"}
    nowhere = CliRunner().invoke(brushlet.app, ["teach-cyclegan", "--a", "nowhere", "--b", settings.b, *small])
    assert nowhere.exit_code == 1 and "nowhere does not exist" in nowhere.stderr
    assert not Path("net_G-training").exists()

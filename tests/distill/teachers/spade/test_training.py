"""Training a SPADE: it learns, goes on as if it had not been stopped, and its teacher's student paints label maps."""

from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

import brushlet
from distill.data.landscapes import LANDSCAPE, draw_map
from distill.teachers import load_teacher
from distill.teachers.spade import train as training
from distill.teachers.spade.held_back import colour_error
from distill.teachers.spade.map_pairs import open_map_pairs
from distill.teachers.spade.train import SpadeLessons, SpadeSettings, train
from runtime.bundle import open_bundle
from runtime.errors import UserError
from runtime.image_files import read_picture
from runtime.label_maps import Label, Palette
from tests.distill import tiny

PALETTE = Palette([Label("wall", "#000000"), Label("door", "#ff0000"), Label("roof", "#0000ff")])
COLOURS = np.array([[200, 180, 120], [60, 120, 60], [150, 60, 40]], np.uint8)
SMALL = SpadeSettings(channels=3, hidden=6, latent=0, steps=8, batch=2, size=64, check_every=4, learning_rate=8e-3)


@pytest.fixture(scope="module")
def houses(tmp_path_factory) -> Path:
    """Twelve label maps of bands and boxes, and photos of them in flat colours with a little noise."""
    folder = tmp_path_factory.mktemp("houses")
    for name in ("labels", "photos", "instances"):
        (folder / name).mkdir()
    for i in range(12):
        rng = np.random.default_rng(i)
        numbers = np.zeros((72, 80), np.uint8)
        numbers[: rng.integers(10, 30)] = 2
        top, left = rng.integers(30, 50), rng.integers(5, 60)
        numbers[top:, left : left + 15] = 1
        photo = np.clip(COLOURS[numbers] + rng.normal(0, 6, (72, 80, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(numbers).save(folder / "labels" / f"house{i}.png")
        Image.fromarray(photo).save(folder / "photos" / f"house{i}.jpg", quality=95)
        Image.fromarray(numbers * 50).save(folder / "instances" / f"house{i}.png")
    (folder / "labels.json").write_text(json.dumps({"labels": PALETTE.to_json()}))
    return folder


@pytest.fixture(autouse=True)
def small_perception(monkeypatch):
    monkeypatch.setattr(training, "compact_perception", tiny.small_perception)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(brushlet.app, [*map(str, arguments)])


def test_it_learns_the_colours_of_labels(houses, tmp_path):
    """On maps that it never saw; a constant grey would stay more than thirty levels away."""
    settings = replace(SMALL, pairs=str(houses), steps=60, check_every=60)
    first, last = train(settings, tmp_path / "run", console=quiet())
    assert (first.step, last.step) == (0, 60)
    assert last.colour < 12 < 30 < first.colour
    assert last.psnr > first.psnr + 6 and last.perceptual < 0.6 * first.perceptual
    saved = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert [found["step"] for found in saved] == [0, 60]
    teacher = load_teacher("spade", tmp_path / "run" / "spade.safetensors")
    assert teacher.palette == PALETTE and teacher.encoder is None
    numbers = np.repeat(np.arange(3, dtype=np.uint8), 32)[None].repeat(64, axis=0)
    content = torch.from_numpy(PALETTE.draw(numbers)).permute(2, 0, 1)[None].float() / 255
    painted = 255 * teacher.stylize(content)[0].permute(1, 2, 0).numpy()
    middles = [painted[24:40, 32 * i + 12 : 32 * i + 20].mean((0, 1)) for i in range(3)]
    assert np.abs(np.array(middles) - COLOURS).mean() < 25


def test_a_finished_run_can_be_trained_further(houses, tmp_path):
    settings = replace(SMALL, pairs=str(houses), steps=2, check_every=2)
    train(settings, tmp_path / "run", console=quiet())
    checks = train(replace(settings, steps=4), tmp_path / "run", resume=True, console=quiet())
    assert [found.step for found in checks] == [0, 2, 4]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(houses, tmp_path, monkeypatch):
    """With an encoder, whose noise is drawn by step."""
    settings = replace(SMALL, pairs=str(houses), latent=4)
    train(settings, tmp_path / "whole", console=quiet())
    step = SpadeLessons.step

    def stopped_in_the_third(self, number: int) -> dict[str, float]:
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, number)

    monkeypatch.setattr(SpadeLessons, "step", stopped_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "run", console=quiet())
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 3
    monkeypatch.setattr(SpadeLessons, "step", step)
    train(settings, tmp_path / "run", resume=True, console=quiet())
    whole, again = (load_teacher("spade", tmp_path / name / "spade.safetensors") for name in ("whole", "run"))
    assert whole.fingerprint() == again.fingerprint()


def test_other_settings_and_other_folders_are_refused(houses, tmp_path):
    settings = replace(SMALL, pairs=str(houses), steps=1)
    train(settings, tmp_path / "run", console=quiet())
    with pytest.raises(UserError, match="already holds a training: continue it with --resume"):
        train(settings, tmp_path / "run", console=quiet())
    with pytest.raises(UserError, match="started with another hidden, size: repeat it"):
        train(replace(settings, hidden=4, size=96), tmp_path / "run", resume=True, console=quiet())
    with pytest.raises(UserError, match="there is no training in .*none to resume"):
        train(settings, tmp_path / "none", resume=True, console=quiet())
    with pytest.raises(UserError, match="labels is not a folder: --pairs DIR holds"):
        train(replace(settings, pairs=str(tmp_path)), tmp_path / "other", console=quiet())
    for wrong in ({"size": 80}, {"channels": 1}, {"learning_rate": 0.0}, {"steps": 0}, {"norm": "layer"}):
        with pytest.raises(UserError, match="--"):
            replace(settings, **wrong)


def test_pairs_show_one_place_and_instances_their_edges(houses, tmp_path):
    pairs = open_map_pairs(houses, 64, "train")
    semantics, photos = pairs.batch(0, 0, 3, 64)
    assert semantics.shape == (3, 3, 64, 64) and photos.shape == (3, 3, 64, 64)
    wanted = torch.einsum("nkhw,kc->nchw", semantics, torch.from_numpy(COLOURS).float() / 255)
    assert (wanted - photos).abs().mean() < 0.03
    assert torch.equal(pairs.batch(0, 0, 3, 64)[1], photos) and not torch.equal(pairs.batch(0, 1, 3, 64)[1], photos)
    for name in ("labels", "photos", "instances"):
        (tmp_path / name).symlink_to(houses / name)
    (tmp_path / "labels.json").write_text(json.dumps({"labels": PALETTE.to_json(), "instances": True}))
    semantics, _ = open_map_pairs(tmp_path, 64, "train").batch(0, 0, 1, 64)
    assert semantics.shape == (1, 4, 64, 64) and 0 < semantics[:, 3].mean() < 0.2


def test_colour_errors_are_means_over_labels():
    """One label of a hundred pixels and one of four count the same."""
    labels = torch.zeros(1, 3, 4, 26)
    labels[:, 0, :, :25], labels[:, 2, :, 25:] = 1, 1
    painted, photo = torch.zeros(1, 3, 4, 26), torch.zeros(1, 3, 4, 26)
    painted[..., 25:] = 0.2
    assert colour_error(labels, painted, photo) == pytest.approx(255 * 0.1)


def test_from_pairs_to_a_student_that_paints_label_maps(houses, small, tmp_path):
    """Teach, see the teacher, distil, export, stylize: each by its command, with numbers and with colours."""
    taught = run("teach-spade", "--pairs", houses, "--out", tmp_path / "teacher", "--channels", 2, "--hidden", 4,
                 "--latent", 4, "--steps", 2, "--batch", 2, "--size", 64, "--json")  # fmt: skip
    assert taught.exit_code == 0, taught.output
    weights = tmp_path / "teacher" / "spade.safetensors"
    assert json.loads(taught.stdout)["weights"] == str(weights)
    labels, look = houses / "labels" / "house0.png", houses / "photos" / "house1.jpg"
    shown = run("teach-demo", "spade", labels, "--weights", weights, "--teacher-option", f"look={look}", "-o",
                tmp_path / "teacher.png")  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert read_picture(tmp_path / "teacher.png").rgb.shape == (72, 80, 3)
    distilled = run("distill", "--teacher", "spade", "--weights", weights, "--content", houses / "labels", "--preset",
                    "tiny", "--out", tmp_path / "run", "--device", "cpu", "--json")  # fmt: skip
    assert distilled.exit_code == 0, distilled.output
    exported = run("export", tmp_path / "run", "-o", tmp_path / "bundle")
    assert exported.exit_code == 0, exported.output
    assert open_bundle(tmp_path / "bundle").manifest.palette == PALETTE
    assert "paints any label map" in (tmp_path / "bundle" / "card.md").read_text()
    Image.fromarray(PALETTE.draw(np.asarray(Image.open(labels)))).save(tmp_path / "drawn.png")
    pictures = []
    for content in (labels, tmp_path / "drawn.png"):
        out = tmp_path / f"{content.stem}-out.png"
        painted = run("stylize", content, "--model", tmp_path / "bundle", "-o", out)
        assert painted.exit_code == 0, painted.output
        pictures.append(read_picture(out).rgb)
    assert np.array_equal(*pictures) and pictures[0].shape == (72, 80, 3)


def test_landscapes_are_drawn_where_there_are_no_pairs():
    pairs, held = (open_map_pairs(None, 64, part) for part in ("train", "held-back"))
    assert len(pairs) + len(held) == 240 and len(held) > 30 and pairs.described.palette == LANDSCAPE
    semantics, photos = held.batch(0, 0, 2, 64)
    assert semantics.shape == (2, 8, 64, 64) and (semantics.sum(1) == 1).all() and photos.std() > 0.05
    seen = np.unique(np.stack([draw_map(scene) for scene in range(12)]))
    assert len(seen) == len(LANDSCAPE) and not np.array_equal(draw_map(0), draw_map(1))

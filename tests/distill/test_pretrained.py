"""What ships: whole, small, and doing what its card says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from distill import checkpoint, pretrained
from distill.checkpoint import Trained, load_student, save_student
from distill.data import open_pictures
from distill.evaluate import evaluate
from distill.perceptual import compact_perception
from distill.pretrained import FOLDER, load_weights, save_weights
from distill.pretrained.__main__ import ship
from distill.students import build_student
from distill.teachers.adain import compact_adain


def test_weights_come_back_in_half_precision(tmp_path):
    net = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    save_weights(tmp_path / "net.safetensors", net, {"steps": "3"})
    loaded = load_weights(tmp_path / "net.safetensors")
    for key, value in net.state_dict().items():
        assert loaded[key].dtype == torch.float32
        assert torch.equal(loaded[key], value.half().float())
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_the_compact_teacher_fits_the_promise_and_counts_right():
    teacher = compact_adain()
    assert (FOLDER / "compact_vgg.safetensors").stat().st_size < 1e6
    assert (FOLDER / "compact_adain_decoder.safetensors").stat().st_size < 2e6
    millions = sum(p.numel() for p in teacher.parameters()) / 1e6
    assert f"({millions:.2f} M parameters)" in teacher.description


def test_the_compact_teacher_paints_in_the_style():
    """On sample photographs and drawn swatches that it never saw, in the eyes of the compact VGG."""
    held = [open_pictures(None, kind, 128, "held-back") for kind in ("content", "style")]
    teacher = compact_adain()
    record, rows = evaluate({"photo": lambda c, s: c, "teacher": teacher.stylize}, compact_perception(), *held, 6, 128)
    photo, painted = record["scores"]["photo"], record["scores"]["teacher"]
    assert painted["style"] < 0.25 * photo["style"]
    assert painted["ssim"] > 0.15
    assert all(row[-1].std() > 0.05 for row in rows)


def test_every_student_that_ships_loads():
    for name in checkpoint.shipped_students():
        trained = load_student(name)
        assert trained.provenance["teacher"]["name"] == name.split("-")[0]
        assert (FOLDER / f"{name}.safetensors").stat().st_size < 1e6 * max(1, 4 * trained.student.width)


def test_shipping_a_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "pretrained").mkdir()
    for module in (pretrained, checkpoint):
        monkeypatch.setattr(module, "FOLDER", tmp_path / "pretrained")
    run = tmp_path / "runs" / "adain-w0125"
    run.mkdir(parents=True)
    student = build_student("haar_painter", width=0.125)
    save_student(run / "student.safetensors", Trained(student, {"steps": 1}, {}, {}))
    ship(run)
    shipped = tmp_path / "pretrained" / "adain-w0125.safetensors"
    assert capsys.readouterr().out.startswith(str(shipped))
    assert shipped.stat().st_size < 0.55 * (run / "student.safetensors").stat().st_size
    monkeypatch.chdir(tmp_path)
    assert load_student("adain-w0125").config == {"steps": 1}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.safetensors")), ids=lambda path: path.stem)
def test_files_that_ship_are_readable_by_all_and_finite(path: Path):
    assert all(value.isfinite().all() for value in load_weights(path).values())

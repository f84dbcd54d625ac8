"""One style for good: which statistics serve all photos, what they cost, and what fine-tuning wins back."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill import freeze as freeze_module
from distill.checkpoint import Trained, load_student, save_student
from distill.data import open_pictures
from distill.framed import paint_framed
from distill.freeze import average_statistics, difference, fine_tune, freeze, freeze_style, likeness, squares
from distill.provenance import command_line
from distill.students import FrozenPainter, HaarPainter
from runtime.errors import UserError
from tests.distill import tiny


@pytest.fixture(scope="module")
def student() -> HaarPainter:
    torch.manual_seed(4)
    student = HaarPainter(0.125, 1).eval().requires_grad_(False)
    torch.nn.init.normal_(student.head.weight, 0, 0.1)
    return student


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return tiny.draw_folder(tmp_path_factory.mktemp("freeze") / "photos", "photo", 8)


@pytest.fixture(autouse=True)
def small(monkeypatch) -> None:
    monkeypatch.setattr(freeze_module, "EVALUATION_SIZE", 64)
    monkeypatch.setattr(freeze_module, "CROP", 48)
    monkeypatch.setattr("distill.run_pictures.EVALUATION_SIZE", 64)


def crops(count: int, seed: int = 0) -> list[Tensor]:
    """Photos of different brightness and contrast."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.rand(count, 2, generator=generator)
    drawn = [torch.from_numpy(tiny.draw(seed + i, 32)).permute(2, 0, 1)[None].float() / 255 for i in range(count)]
    return [(a * photo + (1 - a) * b).clamp(0, 1) for photo, (a, b) in zip(drawn, levels, strict=True)]


def code_of(student: HaarPainter) -> Tensor:
    return student.style(torch.from_numpy(tiny.draw(50, 64)).permute(2, 0, 1)[None].float() / 255)


def features_error(student: HaarPainter, code: Tensor, photos: list[Tensor], stats: Tensor) -> float:
    """Squared error of the modulated features at the measured sites, over all photos."""
    total = 0.0
    for photo in photos:
        fixed, own = (student.affine(code, s)[:2] for s in (stats, student.measure(photo)))
        for feature, (a, b), (c, d) in zip(student.content_features(photo), fixed, own, strict=True):
            total += (feature * (a - c) + b - d).square().sum().item()
    return total


def test_average_statistics_are_the_best_there_are(student):
    """No change of any of them by a quarter lessens the features' error, and arithmetic means are worse."""
    photos, code = crops(5), code_of(student)
    stats = average_statistics(student, photos)
    best = features_error(student, code, photos, stats)
    own = torch.cat([student.measure(photo) for photo in photos])
    assert features_error(student, code, photos, own.mean(0, keepdim=True)) > 1.02 * best
    measured = sum(site.channels for site in student.sites if site.measured)
    errors = []
    for row in range(2):
        for channel in range(0, measured, 5):
            for factor in (0.8, 1.25):
                other = stats.clone()
                other[0, row, channel] *= factor
                errors.append(features_error(student, code, photos, other))
    assert min(errors) >= best * (1 - 1e-3)  # the statistics' epsilon counts in channels that hardly vary
    assert max(errors) > 1.002 * best


def test_average_statistics_leave_the_other_sites_alone(student):
    stats = average_statistics(student, crops(3))
    measured = sum(site.channels for site in student.sites if site.measured)
    assert stats.shape == (1, 2, sum(site.channels for site in student.sites))
    assert torch.equal(stats[:, 0, measured:], torch.zeros_like(stats[:, 0, measured:]))
    assert torch.equal(stats[:, 1, measured:], torch.ones_like(stats[:, 1, measured:]))


def test_of_one_photo_they_are_its_own(student):
    (photo,) = crops(1)
    stats = average_statistics(student, [photo])
    assert torch.allclose(stats, student.measure(photo), atol=1e-6)
    code = code_of(student)
    frozen = freeze_style(student, code, stats)
    found = likeness(frozen, student, code, [photo])
    assert found.psnr > 80 and found.style_gap < 1e-3


def test_likeness_is_the_psnr_of_clipped_pictures(student):
    photos, code = crops(3, seed=9), code_of(student)
    frozen = freeze_style(student, code, average_statistics(student, photos))
    values = []
    for photo in photos:
        wanted = paint_framed(student, photo, student.affine(code, student.measure(photo))).clamp(0, 1)
        painted = paint_framed(frozen, photo, ()).clamp(0, 1)
        values.append(-10 * np.log10((painted - wanted).square().mean().item()))
    assert likeness(frozen, student, code, photos).psnr == pytest.approx(np.mean(values), abs=1e-3)


def test_fine_tuning_comes_nearer_to_the_adaptive_student(student, photos):
    """From statistics that are wrong by a third; neither painter that goes in is changed."""
    code, pictures = code_of(student), open_pictures(photos, "content", 64, "train")
    stats = average_statistics(student, squares(pictures, 4)) * torch.tensor([1.0, 1.3])[None, :, None]
    frozen = freeze_style(student, code, stats)
    before, weights = copy.deepcopy(frozen.state_dict()), copy.deepcopy(student.state_dict())
    held = list(squares(open_pictures(photos, "content", 64, "held-back"), 4))
    tuned = fine_tune(frozen, student, code, pictures, 20, seed=1)
    assert likeness(tuned, student, code, held).psnr > likeness(frozen, student, code, held).psnr + 0.5
    assert all(torch.equal(value, before[key]) for key, value in frozen.state_dict().items())
    assert all(torch.equal(value, weights[key]) for key, value in student.state_dict().items())
    again = fine_tune(frozen, student, code, pictures, 20, seed=1)
    assert torch.equal(again.head.weight, tuned.head.weight)


def test_a_dull_picture_differs_by_its_statistics_too(student):
    """Two pictures as far from the wanted one in pixels: half as strong, and as strong with noise."""
    (wanted,) = crops(1)
    dull = 0.5 * wanted + 0.5 * wanted.mean((2, 3), keepdim=True)
    noise = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0))
    noisy = wanted + noise * (dull - wanted).square().mean().sqrt() / noise.square().mean().sqrt()
    spread = student.style.spread
    by_pixels = [float((each - wanted).square().mean()) for each in (dull, noisy)]
    assert by_pixels[0] == pytest.approx(by_pixels[1], rel=1e-3)
    for each, pixels in zip((dull, noisy), by_pixels, strict=True):
        apart = (student.style.statistics(each) - student.style.statistics(wanted)) / spread
        assert float(difference(student, each, wanted)) >= pixels + 0.2 * float(apart.square().mean()) > pixels
    assert float(difference(student, wanted, wanted)) == 0


@pytest.mark.parametrize("steps", [0, 2])
def test_a_frozen_student_knows_its_history(student, photos, tmp_path, steps):
    lines: list[str] = []
    trained = Trained(student, {"steps": 3}, {"teacher": {"name": "negative"}}, {"pairs": 2})
    frozen = freeze(trained, code_of(student), "wave", str(photos), steps=steps, seed=7, say=lines.append)
    save_student(tmp_path / "student.safetensors", frozen)
    loaded = load_student(tmp_path)
    assert isinstance(loaded.student, FrozenPainter) and loaded.config == {"steps": 3}
    assert loaded.provenance["teacher"] == {"name": "negative"}
    assert loaded.provenance["frozen"] == {
        **{"style": "wave", "content": str(photos), "seed": 7, "adaptive": {"pairs": 2}, "command": command_line()}
    }
    record = loaded.quality["frozen"]
    assert (record["steps"], record["photos"]) == (steps, 3) and 5 < record["psnr"] < 80
    assert 0 < record["style_gap"] < 5
    assert ("psnr_fine_tuned" in record) == ("style_gap_fine_tuned" in record) == (steps > 0) == (len(lines) == 2)
    assert f"{record['psnr']:.1f} dB" in lines[0]


def test_what_ships_serves_where_there_are_no_photos(student, monkeypatch):
    monkeypatch.setattr(freeze_module, "AVERAGED_PHOTOS", 2)
    monkeypatch.setattr(freeze_module, "JUDGED_PHOTOS", 1)
    assert freeze(Trained(student, {}, {}, {}), code_of(student), "wave").quality["frozen"]["photos"] == 1


def test_errors_are_one_line(student, photos):
    code = code_of(student)
    trained = Trained(student, {}, {}, {})
    negative = code.clone()
    negative[0, 1] = -1
    for broken, arguments, reason in (
        (Trained(FrozenPainter(0.125), {}, {}, {}), (code, "x"), "has its style folded in already"),
        (trained, (negative, "x"), "this style code cannot be frozen"),
        (trained, (code, "x", "nowhere"), "nowhere does not exist"),
        (trained, (code, "x", str(photos), -1), "must be at least 0, got -1"),
    ):
        with pytest.raises(UserError, match=reason) as caught:
            freeze(broken, *arguments)
        assert "\n" not in str(caught.value)

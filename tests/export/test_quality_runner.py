"""`export.quality_runner`: what judges say of pictures whose scores are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distill.data import is_held_back
from export.quality_runner import judge_pictures
from runtime import UserError


def test_scores_of_the_photo_the_painting_and_noise(monkeypatch):
    monkeypatch.delenv("BRUSHLET_WEIGHTS", raising=False)
    monkeypatch.setattr("export.quality_runner.EVALUATION_SIZE", 64)
    monkeypatch.setattr("distill.weights.cache_directory", lambda: Path("/nonexistent"))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stylizers = [lambda photo, painting: photo, lambda photo, painting: painting, lambda photo, painting: noise]
    judgement = judge_pictures(stylizers, pairs=2)
    assert (judgement.judge, judgement.pairs, judgement.size) == ("compact", 2, 64)
    photo, painting, other = judgement.scores
    assert photo.content == pytest.approx(0, abs=1e-3)
    assert photo.style == pytest.approx(judgement.photo.style, rel=0.01)
    assert photo.ssim == pytest.approx(1, abs=1e-3)
    assert painting.style == pytest.approx(0, abs=1e-3)
    assert painting.content > 0.1
    assert other.content > photo.content
    assert other.ssim < 0.2
    assert judgement.photo.content == 0


def test_no_pairs_no_judgement():
    with pytest.raises(UserError, match="at least one pair, not 0"):
        judge_pictures([], pairs=0)


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="gone does not exist"):
        judge_pictures([], content=str(tmp_path / "gone"), pairs=1)


def test_a_folder_that_holds_nothing_back_is_not_replaced_by_another(tmp_path):
    name = next(name for name in map(str, range(100)) if not is_held_back(name))
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(UserError, match="--style: .* holds back no picture"):
        judge_pictures([], style=str(tmp_path), pairs=1)

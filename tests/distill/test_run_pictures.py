"""Which pictures a run trains on and which it is judged on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from distill.data import is_held_back
from distill.run_pictures import open_all
from distill.settings import Settings
from tests.distill import tiny


@pytest.fixture
def settings(small, pictures: Path) -> Settings:
    return Settings(size=64, content=str(pictures / "photos"), style=str(pictures / "paintings"))


def test_pictures_are_kept_larger_than_the_crops(settings):
    """So that a crop is a part of the scene; those that are judged are as large as the judge wants."""
    sets = open_all(settings, lambda line: None)
    assert min(sets.content[0].shape[:2]) == min(sets.style[0].shape[:2]) == 102
    assert min(sets.held_content[0].shape[:2]) == min(sets.held_style[0].shape[:2]) == 64


def test_unreadable_pictures_are_skipped_and_reported(settings, tmp_path):
    """Each once, of both parts."""
    photos = tmp_path / "photos"
    tiny.draw_folder(photos, "photo", 4)
    broken = [f"broken[{i}].jpg" for i in range(9)]
    assert len({is_held_back(name) for name in broken}) == 2
    for name in broken:
        (photos / name).write_bytes(b"\xff\xd8\xff")
    lines: list[str] = []
    sets = open_all(replace(settings, content=str(photos)), lines.append)
    assert len(sets.content) == 2 and len(sets.held_content) == 2
    skipped = sorted(line for line in lines if line.startswith("skipped"))
    assert [line.split(":")[0] for line in skipped] == [f"skipped {name}" for name in broken]
    assert any(line.startswith("content: 2 pictures from") and line.endswith("2 held back") for line in lines)


def test_a_source_too_small_to_hold_any_back_is_judged_on_what_ships(settings, tmp_path):
    tiny.draw_folder(tmp_path / "photos", "photo", 2)
    sets = open_all(replace(settings, content=str(tmp_path / "photos")), lambda line: None)
    assert len(sets.content) == 2
    assert sets.held_content.names == ["chelsea.png", "coffee.png"]


def test_held_back_pictures_that_cannot_be_read_are_no_reason_not_to_train(settings, tmp_path):
    tiny.draw_folder(tmp_path / "photos", "photo", 3)
    (tmp_path / "photos" / "photo2.png").write_bytes(b"\x89PNG")
    lines: list[str] = []
    sets = open_all(replace(settings, content=str(tmp_path / "photos")), lines.append)
    assert len(sets.content) == 2 and sets.held_content.names == ["chelsea.png", "coffee.png"]
    assert any(line.startswith("skipped what ") and "photo2.png" in line for line in lines)


def test_training_sees_nothing_that_is_held_back(settings):
    sets = open_all(settings, lambda line: None)
    assert not set(sets.content.names) & set(sets.held_content.names)
    assert not set(sets.style.names) & set(sets.held_style.names)

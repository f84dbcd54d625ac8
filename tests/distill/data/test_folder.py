"""Folders of pictures: found, split, kept in bounded memory, and forgiving of bad files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distill.data import is_held_back, open_pictures
from distill.data.folder import Folder
from distill.data.picture_set import PictureSet
from runtime.errors import UserError


def save(path: Path, size: tuple[int, int] = (60, 40), colour: tuple[int, int, int] = (200, 30, 90)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def photos(tmp_path) -> Path:
    """Thirty pictures of different colours in nested directories."""
    for i in range(30):
        save(tmp_path / "photos" / "abc"[i % 3] / f"{i:02d}.png", colour=(i, 2 * i, 3 * i))
    return tmp_path / "photos"


def test_a_folder_is_searched_in_order_and_resized(photos):
    pictures = open_pictures(photos, "content", 32)
    assert len(pictures) == 30
    assert pictures.names == sorted(pictures.names)
    assert pictures.names[0] == "a/00.png"
    assert all(picture.shape == (32, 48, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert tuple(pictures[-1][5, 5]) == (29, 58, 87)
    assert pictures.skipped == []


@pytest.mark.parametrize(
    ("size", "shape"), [((20, 10), (32, 64, 3)), ((10, 900), (2880, 32, 3)), ((32, 32), (32, 32, 3))]
)
def test_short_sides_are_enlarged_and_reduced(tmp_path, size, shape):
    save(tmp_path / "x.png", size)
    assert open_pictures(tmp_path, "style", 32)[0].shape == shape


def test_large_photos_are_read_small_and_look_the_same(tmp_path):
    coarse = np.random.default_rng(0).integers(0, 255, (15, 20, 3), np.uint8)
    photo = Image.fromarray(coarse).resize((2000, 1500), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "large.jpg", quality=95)
    picture = open_pictures(tmp_path, "content", 96)[0].astype(int)
    whole = np.asarray(photo.resize((128, 96), Image.Resampling.LANCZOS)).astype(int)
    assert picture.shape == (96, 128, 3)
    assert np.abs(picture - whole).mean() < 2
    assert Folder(tmp_path, 96).read(0).shape == (288, 384, 3)


def test_positions_outside_are_refused(photos):
    pictures = open_pictures(photos, "content", 32)
    for position in (30, -31):
        with pytest.raises(IndexError):
            pictures[position]


def test_parts_are_the_common_split(photos):
    train, held_back = (open_pictures(photos, "content", 32, part) for part in ("train", "held-back"))
    assert sorted(train.names + held_back.names) == open_pictures(photos, "content", 32).names
    assert all(is_held_back(name) for name in held_back.names)
    assert not any(is_held_back(name) for name in train.names)
    assert len(held_back) > 0


def test_training_is_never_left_empty(tmp_path):
    stem = next(str(i) for i in range(100) if is_held_back(str(i)))
    save(tmp_path / f"{stem}.png")
    assert len(open_pictures(tmp_path, "style", 32, "train")) == 1
    assert len(open_pictures(tmp_path, "style", 32, "held-back")) == 0


def test_bad_files_are_reported_and_skipped(photos):
    (photos / "broken.jpg").write_bytes(b"not a picture")
    (photos / "empty.png").write_bytes(b"")
    cut = save(photos / "cut.png", (300, 300))
    cut.write_bytes(cut.read_bytes()[:80])
    (photos / "notes.txt").write_text("no picture, and not looked at")
    pictures = open_pictures(photos, "content", 32)
    assert len(pictures) == 30
    assert sorted(name for name, _ in pictures.skipped) == ["broken.jpg", "cut.png", "empty.png"]
    assert all(reason for _, reason in pictures.skipped)


def test_only_bad_files(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match="none of the pictures .* for example broken.jpg"):
        open_pictures(tmp_path, "content", 32)


def test_a_folder_without_pictures_says_what_is_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"holds no pictures .*\.jpg, \.jpeg, \.png, \.webp"):
        open_pictures(tmp_path, "content", 32)


def test_places_that_are_not_folders(tmp_path):
    with pytest.raises(UserError, match="does not exist .--style takes a directory, one picture or shards"):
        open_pictures(tmp_path / "nowhere", "style", 32)
    with pytest.raises(UserError, match="neither a directory of pictures nor a .tar shard"):
        open_pictures(save(tmp_path / "x.png"), "style", 32)


def test_wrong_arguments_are_errors_of_the_caller(photos):
    with pytest.raises(ValueError, match="kind"):
        open_pictures(photos, "paintings", 32)
    with pytest.raises(ValueError, match="part"):
        open_pictures(photos, "style", 32, "test")


def test_beyond_the_budget_pictures_are_read_again(photos, monkeypatch):
    room = 5 * 32 * 48 * 3
    few = PictureSet(Folder(photos, 32), "all", 32, kept_bytes=room)
    reads = []
    monkeypatch.setattr(few._source, "read", lambda i, read=few._source.read: reads.append(i) or read(i))
    for picture, again in zip(open_pictures(photos, "content", 32), few, strict=True):
        assert np.array_equal(picture, again)
    assert reads == list(range(5, 30))
    list(few)
    assert len(reads) == 50


def test_a_file_that_breaks_later_is_replaced_and_reported(photos):
    pictures = PictureSet(Folder(photos, 32), "all", 32, kept_bytes=0)
    (photos / pictures.names[7]).write_bytes(b"broken")
    (photos / pictures.names[8]).unlink()
    assert np.array_equal(pictures[7], pictures[9])
    assert [name for name, _ in pictures.skipped] == pictures.names[7:9]
    assert len(pictures) == 30
    shutil.rmtree(photos)
    with pytest.raises(UserError, match="can be read any more"):
        pictures[0]


def test_kept_pictures_cannot_be_written(photos):
    with pytest.raises(ValueError, match="read-only"):
        open_pictures(photos, "content", 32)[0][:] = 0


def test_the_fingerprint_follows_the_data(photos, tmp_path):
    first = open_pictures(photos, "content", 32).fingerprint
    assert open_pictures(photos, "content", 32).fingerprint == first
    shutil.copytree(photos, tmp_path / "copy")
    assert open_pictures(tmp_path / "copy", "content", 32).fingerprint == first
    seen = {
        first,
        open_pictures(photos, "content", 40).fingerprint,
        open_pictures(photos, "content", 32, "train").fingerprint,
    }
    save(photos / "a" / "00.png", colour=(9, 9, 9))
    seen.add(open_pictures(photos, "content", 32).fingerprint)
    (photos / "a" / "00.png").unlink()
    seen.add(open_pictures(photos, "content", 32).fingerprint)
    assert len(seen) == 5

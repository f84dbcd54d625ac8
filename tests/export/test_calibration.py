"""Calibration pictures: disjoint from those that judge, the same every time, and fed as the runtime feeds them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.data import is_held_back
from distill.data.landscapes import LANDSCAPE
from export.calibration import (
    CROP_SIDES,
    FEWEST_CROPS,
    MARGIN,
    STRENGTHS,
    Calibration,
    codes_of,
    open_calibration,
    student_feeds,
)
from export.to_bundle import Exported
from runtime.errors import UserError
from runtime.image_files import write_picture
from runtime.stylizer import Stylizer

COUNT = 40


def draw(folder: Path, names: list[str], value: int) -> Path:
    """Plain pictures, each of its own grey level from ``value`` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        write_picture(folder / f"{name}.png", np.full((260, 300, 3), value + index, np.uint8))
    return folder


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Of pictures of which some are held back and some are not."""
    return [f"picture{i}" for i in range(12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> Path:
    root = tmp_path_factory.mktemp("calibration")
    draw(root / "content", names, 10)
    draw(root / "style", names, 110)
    return root


@pytest.fixture(scope="module")
def calibration(folder: Path) -> Calibration:
    return open_calibration(folder, COUNT)


@pytest.fixture
def quick_swatches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing what ships takes seconds."""
    monkeypatch.setattr("distill.data.swatches.draw_swatch", lambda *plan: np.full((320, 320, 3), 7, np.uint8))


def levels(pictures) -> set[int]:
    return {int(np.median(picture)) for picture in pictures}


def test_what_is_judged_on_is_never_calibrated_with(calibration, names):
    held = [is_held_back(name) for name in names]
    assert 0 < sum(held) < len(names)
    trained = {10 + i for i in range(12) if not held[i]}
    judged = {10 + i for i in range(12) if held[i]}
    for pairs, allowed in (
        (calibration.pairs, trained),
        (calibration.tuning, trained),
        (calibration.held_back, judged),
    ):
        assert levels(pair.content for pair in pairs) <= allowed
        assert levels(pair.style for pair in pairs) <= {level + 100 for level in allowed}
    assert levels(pair.content for pair in calibration.pairs) == trained
    assert levels(pair.content for pair in calibration.held_back) == judged


def test_sizes_and_strengths_vary(calibration):
    sides = Counter(pair.content.shape[0] for pair in calibration.pairs)
    assert set(sides) == set(CROP_SIDES)
    assert {(p.content.shape[0], p.strength) for p in calibration.pairs} == {
        (a, b) for a in CROP_SIDES for b in STRENGTHS
    }
    assert sum(pair.strength == 1 for pair in calibration.held_back) > len(calibration.held_back) / 2


def test_the_same_pictures_have_the_same_key(folder, calibration):
    assert open_calibration(folder, COUNT).key == calibration.key
    assert open_calibration(folder, COUNT - 1).key != calibration.key


def test_a_picture_that_changed_changes_the_key(folder, calibration, names, tmp_path):
    draw(tmp_path / "content", names, 10)
    draw(tmp_path / "style", names, 110)
    trained = next(name for name in names if not is_held_back(name))
    write_picture(tmp_path / "content" / f"{trained}.png", np.full((260, 300, 3), 200, np.uint8))
    assert open_calibration(tmp_path, COUNT).key != calibration.key


def test_photos_alone_are_painted_in_the_styles_that_ship(folder, quick_swatches):
    calibration = open_calibration(folder / "content", FEWEST_CROPS)
    assert "drawn style swatches" in calibration.source
    assert levels(pair.content for pair in calibration.pairs) <= {10 + i for i in range(12)}
    assert levels(pair.style for pair in calibration.pairs) == {7}


def test_codes_of_paintings_stand_for_the_styles_that_ship(folder, names, quick_swatches):
    codes = {name: np.full((2, 3), index, np.float32) for index, name in enumerate(names)}
    plain, calibration = (open_calibration(folder / "content", COUNT, codes=given) for given in (None, codes))
    assert "style codes of 12 paintings" in calibration.source
    held_back = {float(index) for index, name in enumerate(names) if is_held_back(name)}
    painted_in = {name: {pair.code.flat[0] for pair in getattr(calibration, name)} for name in ("pairs", "held_back")}
    assert painted_in == {"pairs": {float(i) for i in range(12)} - held_back, "held_back": held_back}
    assert {pair.code.flat[0] for pair in calibration.tuning} <= painted_in["pairs"]
    assert calibration.key != plain.key
    assert all(pair.code is None for pair in open_calibration(folder, FEWEST_CROPS, codes=codes).pairs)


def test_a_code_is_fed_as_its_painting_is(calibration, student):
    pairs = calibration.pairs[:4]
    codes = codes_of(pairs, lambda picture: student.style(torch.from_numpy(picture)).detach()[0].numpy())
    white = np.full((64, 64, 3), 255, np.uint8)
    coded = [replace(pair, style=white, code=code) for pair, code in zip(pairs, codes, strict=True)]
    for ours, theirs in zip(
        student_feeds(student, pairs)["paint"], student_feeds(student, coded)["paint"], strict=True
    ):
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_folder_with_one_of_two_is_refused(folder, tmp_path):
    (tmp_path / "content").symlink_to(folder / "content")
    with pytest.raises(UserError, match="has no folder style/"):
        open_calibration(tmp_path)


def test_too_few_crops_are_refused():
    with pytest.raises(UserError, match="too few to calibrate with"):
        open_calibration(None, FEWEST_CROPS - 1)


def test_an_unreadable_picture_is_told(folder, tmp_path, names, quick_swatches):
    draw(tmp_path, names, 10)
    broken = next(name for name in names if not is_held_back(name))
    (tmp_path / f"{broken}.png").write_bytes(b"no picture")
    lines: list[str] = []
    open_calibration(tmp_path, FEWEST_CROPS, log=lines.append)
    assert any(f"{broken}.png" in line and line.startswith("skipped") for line in lines)


def test_feeds_are_what_the_runtime_feeds(calibration, student, exported: Exported, monkeypatch):
    """The runtime's own arithmetic on the same pictures, recorded as its engines get it."""
    pairs = calibration.pairs[:3]
    feeds = student_feeds(student, pairs)
    with Stylizer.load(exported.directory, threads=1) as stylizer:
        given: dict[str, list[dict[str, np.ndarray]]] = {"style": [], "measure": [], "paint": []}
        for role in given:
            engine = stylizer.engine(role)
            run = engine.run
            monkeypatch.setattr(engine, "run", lambda f, run=run, role=role: (given[role].append(dict(f)), run(f))[1])
        for pair in pairs:
            stylizer(pair.content, pair.style, pair.strength)
    assert len(feeds["paint"]) == len(given["paint"]) == 3
    for role in given:
        for ours, theirs in zip(feeds[role], given[role], strict=True):
            assert list(ours) == list(theirs)
            for name, array in ours.items():
                assert array.dtype == np.float32
                np.testing.assert_allclose(array, theirs[name], rtol=2e-3, atol=2e-3)
    assert feeds["paint"][0]["content"].shape[2] == pairs[0].content.shape[0] + 2 * MARGIN


def test_a_student_of_one_style_is_fed_photos_only(calibration, student):
    from distill.students.frozen_painter import FrozenPainter

    with torch.no_grad():
        affine = student.affine(student.style(torch.rand(1, 3, 64, 64)), student.measure(torch.rand(1, 3, 64, 64)))
    feeds = student_feeds(FrozenPainter.folding(student, affine), calibration.pairs[:2])
    assert list(feeds) == ["paint"]
    assert [list(feed) for feed in feeds["paint"]] == [["content"], ["content"]]


def test_label_maps_are_calibrated_with_label_maps(quick_swatches):
    """Drawn ones, or those of a folder, and never a colour between two labels."""
    calibration = open_calibration(None, FEWEST_CROPS, palette=LANDSCAPE)
    assert "drawn landscapes" in calibration.source
    for pair in (*calibration.pairs, *calibration.held_back):
        numbers = LANDSCAPE.numbers(pair.content, strict=False)
        assert np.array_equal(LANDSCAPE.draw(numbers), pair.content)

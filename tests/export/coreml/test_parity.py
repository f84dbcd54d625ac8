"""Whether packages paint the checkpoint's pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export.calibration import Pair
from export.coreml import parity
from export.coreml.parity import (
    Likeness,
    app_inputs,
    fitted,
    held_back_pairs,
    likeness,
    measure_packages,
    picture_psnr,
)
from export.fidelity import Gate
from runtime.image_files import write_picture


@pytest.fixture
def pairs(draw):
    return [Pair(draw(i, 70, 50), draw(10 + i, 80, 90), (1.0, 0.5)[i]) for i in range(2)]


def test_fp16_packages_are_near_the_checkpoint_at_every_size_and_as_a_chain(student, fp16_packages, pairs):
    pytest.importorskip("coremltools")
    found = measure_packages(student, fp16_packages, [(48, 32), (64, 40)], pairs, "fp16", Gate(40, 1 / 255))
    assert [(record.sizes, record.numbers_from) for record in found] == [
        (((32, 48),), "checkpoint"),
        (((40, 64),), "checkpoint"),
        (((32, 48),), "packages"),
    ]
    for record in found:
        assert 50 < record.likeness.worst_psnr <= record.likeness.psnr < 60 and record.likeness.shift < 1e-3
        assert record.judge == "reference evaluator" and record.pairs == 2
        data = json.loads(json.dumps(record.to_json()))
        assert {"role", "format", "precision", "psnr", "worst_psnr", "shift", "gate"} <= data.keys() and data[
            "sizes"
        ] == [list(record.sizes[0])]


class Judge:
    """Paints what the checkpoint paints, changed."""

    name = "a judge of the tests"

    def __init__(self, path: Path) -> None:
        self.role = path.name

    def predict(self, feeds):
        if self.role == "paint":
            return {"picture": np.clip(feeds["content"].astype(int) + 3, 0, 255).astype(np.uint8)}
        rows = np.ones((1, 2, 4), np.float32)
        return {"style_code": rows, "content_stats": rows}


class Copies(torch.nn.Module):
    """A student that paints the content."""

    size_multiple = 4
    sites = (type("Site", (), {"channels": 4})(),)

    def style(self, picture):
        return torch.ones(1, 2, 4)

    measure = style

    def paint(self, content, affine):
        return content


def test_a_shift_of_three_levels_is_seen(monkeypatch, draw):
    monkeypatch.setattr(parity, "open_judge", Judge)
    grey = np.full((16, 16, 3), 100, np.uint8)
    files = {role: Path(role) for role in ("style", "measure", "paint")}
    record, chain = measure_packages(Copies(), files, [(16, 16)], [Pair(grey, grey, 1.0)], "int8", Gate(30, 1 / 255))
    found = record.likeness
    assert found.psnr == found.worst_psnr == pytest.approx(20 * np.log10(255 / 3), abs=1e-3)
    assert found.shift == pytest.approx(3 / 255, rel=1e-4)
    assert chain.numbers_from == "packages" and chain.judge == "a judge of the tests"
    assert [found.passes(gate) for gate in (Gate(30, 1 / 255), Gate(30, 0.02), Gate(40, 0.02))] == [False, True, False]


def test_pictures_cover_the_size_and_keep_their_shape(draw):
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 40:60] = 255
    found = fitted(wide, (32, 32))
    assert found.shape == (32, 32, 3)
    assert found[16, 16].tolist() == [255] * 3 and found[16, 4].tolist() == [0] * 3
    assert fitted(draw(0, 20, 30), (60, 40)).shape == (40, 60, 3)


def test_inputs_are_one_per_pair_with_the_students_numbers(student, pairs):
    inputs = app_inputs(student, pairs)
    assert {role: len(found) for role, found in inputs.items()} == {"style": 2, "measure": 2, "paint": 2}
    content, code, stats, strength = inputs["paint"][1]
    assert content.shape == (1, 3, 48, 68) and strength.tolist() == [0.5]
    with torch.no_grad():
        assert torch.equal(code, student.style(inputs["style"][1][0]))
        assert torch.equal(stats, student.measure(inputs["measure"][1][0]))


def test_psnr_and_shift():
    a = np.zeros((2, 2, 3))
    assert picture_psnr(a, a) == 200
    assert picture_psnr(a, a + 255) == pytest.approx(0)
    assert picture_psnr(a, a * np.nan) == -np.inf
    b = a.copy()
    b[..., 1] = [[2, 0], [0, 0]]
    found = likeness([(a, b), (b, a), (a, a)])
    assert found.worst_psnr == pytest.approx(10 * np.log10(255**2 / (4 / 12)))
    assert found.psnr == pytest.approx(found.worst_psnr + 10 * np.log10(3 / 2))
    assert found.shift == pytest.approx(0) and found.worst_shift == pytest.approx(0.5 / 255)


def test_one_spoiled_pair_fails_however_good_the_others_are():
    assert Likeness(40, 30, 0.001, 0.1).passes(Gate(40, 0.01))
    assert not Likeness(40, 29.9, 0.001, 0.1).passes(Gate(40, 0.01))


def folder_of(path: Path, kind: str, names: list[str]) -> None:
    (path / kind).mkdir(parents=True)
    for index, name in enumerate(names):
        colour = 2 * index + (0 if kind == "content" else 100)
        write_picture(path / kind / name, np.full((24, 24, 3), colour, np.uint8))


def test_pairs_are_held_back_pictures_of_the_folder(tmp_path):
    from distill.data import is_held_back

    names = [f"{n}.png" for n in range(40)]
    folder_of(tmp_path, "content", names)
    folder_of(tmp_path, "style", names)
    held = [index for index, name in enumerate(names) if is_held_back(name)]
    pairs = held_back_pairs(tmp_path, 6)
    assert len(pairs) == 6 and held
    assert {int(pair.content[0, 0, 0]) // 2 for pair in pairs} <= set(held)
    assert {(int(pair.style[0, 0, 0]) - 100) // 2 for pair in pairs} <= set(held)


def test_what_ships_serves_without_a_folder():
    pairs = held_back_pairs(None, 3)
    assert [pair.strength for pair in pairs] == [1.0, 1.0, 1.0]
    assert all(min(pair.content.shape[:2]) == 512 for pair in pairs)


def test_a_folder_that_holds_nothing_back_is_no_obstacle(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "only.png")
    assert len(held_back_pairs(tmp_path, 2)) == 2

"""The card: everything a person asks of a bundle, from whatever was recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from export.card import MAX_PICTURE_BYTES, card_text, write_card_picture
from runtime.image_files import write_picture


def test_it_answers_what_people_ask(exported):
    card = (exported.directory / "card.md").read_text()
    assert card.startswith("# adain-w0125\n")
    for fact in (
        "width 0.125",
        "AdaIN of the tests",
        "distill --teacher adain --width 0.125",
        "fingerprint: c0ffee",
        "whose terms apply: MIT",
        "judged by vgg19",
        "| teacher | 2 | 1 |",
        "| student | 2.5 | 1.5 |",
        "| student / teacher | 1.25x | 1.50x |",
        "![photo, style, teacher and student](pictures/final.jpg)",
        "brushlet stylize photo.jpg --style painting.jpg --model adain-w0125 -o out.png",
        'Stylizer.load("adain-w0125")',
        "`dots`",
        "`paint.onnx`",
    ):
        assert fact in card, fact


def test_a_student_without_a_history_has_a_card(exported):
    card = card_text(replace(exported.manifest, provenance={}, quality={}, styles=(), parity=()))
    assert "not recorded" in card
    assert "![" not in card
    assert "None" not in card


def test_odd_records_do_not_break_it(exported):
    odd = replace(
        exported.manifest,
        provenance={"teacher": "johnson", "data": [1], "command": "a\nb|c", "seed": None, "versions": "x|y"},
        quality={"scores": {"student": {"content": "high", "style": None}}},
    )
    card = card_text(odd)
    assert "Its teacher: johnson." in card
    assert "```sh\na b|c\n```" in card
    assert "x\\|y" in card


def test_the_runs_it_started_from_are_told_in_order(exported):
    earlier = [{"command": "distill --width 0.125", "steps": 3}, "not a run"]
    provenance = {**exported.manifest.provenance, "command": "distill --warm-start", "started_from": earlier}
    card = card_text(replace(exported.manifest, provenance=provenance))
    assert "Commands, each starting from the student of the one before:" in card
    assert "```sh\ndistill --width 0.125\ndistill --warm-start\n```" in card


def test_its_picture_is_bounded(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 900, 3), dtype=np.uint8)
    write_picture(tmp_path / "sheet.png", noise)
    assert write_card_picture(tmp_path / "sheet.png", tmp_path / "pictures" / "final.jpg")
    assert 10_000 < (tmp_path / "pictures" / "final.jpg").stat().st_size <= MAX_PICTURE_BYTES
    with Image.open(tmp_path / "pictures" / "final.jpg") as image:
        assert image.format == "JPEG"
        assert max(image.size) >= 256


def test_a_picture_that_cannot_be_small_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("export.card.MAX_PICTURE_BYTES", 100)
    write_picture(tmp_path / "sheet.png", np.zeros((64, 64, 3), np.uint8))
    assert not write_card_picture(tmp_path / "sheet.png", tmp_path / "pictures" / "final.jpg")
    assert not (tmp_path / "pictures").exists()

"""Contact sheets: where each picture lies."""

from __future__ import annotations

import torch

from distill.contact_sheet import GAP, TITLE, contact_sheet, write_sheet
from runtime.image_files import read_picture


def test_rows_and_columns():
    levels = [[0.0, 0.2, 0.4], [0.6, 0.8, 1.7]]
    sheet = contact_sheet([[torch.full((3, 20, 30), v) for v in row] for row in levels], ["a", "b", "c"])
    assert sheet.shape == (TITLE + 2 * (20 + GAP), 3 * 30 + 2 * GAP, 3)
    for line, row in enumerate(levels):
        for column, level in enumerate(row):
            top, left = TITLE + line * (20 + GAP), column * (30 + GAP)
            assert (sheet[top : top + 20, left : left + 30] == round(min(level, 1) * 255)).all()
    assert (sheet[TITLE:, 30 : 30 + GAP] == 255).all()
    assert sheet[:TITLE, :30].min() < 128  # the title


def test_a_sheet_is_a_png(tmp_path):
    picture = torch.rand(3, 16, 16)
    write_sheet(tmp_path / "sheets" / "final.png", [[picture, picture]], ["content", "student"])
    rgb = read_picture(tmp_path / "sheets" / "final.png").rgb
    wanted = picture.mul(255).round().byte().permute(1, 2, 0).numpy()
    assert (rgb[TITLE : TITLE + 16, :16] == wanted).all()

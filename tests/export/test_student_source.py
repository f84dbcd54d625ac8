"""Where students are read from, and what belongs to them."""

from __future__ import annotations

import shutil

from export.student_source import find_source, library_of


def test_where_a_student_comes_from(run, tmp_path, monkeypatch):
    assert find_source(run).name == find_source(run / "student.safetensors").name == "adain-w0125"
    assert find_source(run).sheet == (run / "sheets" / "final.png").resolve()
    copied = shutil.copy(run / "student.safetensors", tmp_path / "my student.safetensors")
    assert (find_source(copied).name, find_source(copied).sheet) == ("my-student", None)
    monkeypatch.chdir(run)
    assert find_source(".").name == "adain-w0125"


def test_a_style_library_belongs_to_the_student_that_ships_alone(tmp_path):
    shipped = find_source("adain-w025")
    assert len(library_of(shipped).entries) > 80
    assert library_of(find_source(shutil.copy(shipped.file, tmp_path))) is None
    assert library_of(shipped.cut(0.125)) is None

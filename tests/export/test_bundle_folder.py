"""What may be replaced, and that a replacement is whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from export.bundle_folder import new_bundle_folder
from runtime.errors import UserError
from tests.tiny_bundle import make_tiny_bundle

OURS, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle that was exported from the student OURS."""
    folder = make_tiny_bundle(tmp_path / "place" / "bundle")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["provenance"]["export"] = {"student_sha256": OURS}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def replace_it(target: Path, student: str = OURS, force: bool = False) -> None:
    with new_bundle_folder(target, student, force) as folder:
        (folder / "new").write_text("new")


def was_replaced(target: Path) -> bool:
    return [path.name for path in target.iterdir()] == ["new"]


def refuses(target: Path, message: str, student: str = OURS, force: bool = True) -> None:
    before = sorted(target.parent.rglob("*"))
    with pytest.raises(UserError, match=message):
        replace_it(target, student, force)
    assert sorted(target.parent.rglob("*")) == before


def test_a_new_folder_appears_whole(tmp_path):
    with new_bundle_folder(tmp_path / "a" / "b", OURS, False) as folder:
        assert not (tmp_path / "a" / "b").exists()
        assert folder.parent == tmp_path / "a"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "empty").mkdir()
    replace_it(tmp_path / "empty")
    assert was_replaced(tmp_path / "empty")


def test_the_same_students_bundle_is_replaced(bundle):
    replace_it(bundle)
    assert was_replaced(bundle)
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_another_students_bundle_is_replaced_by_force_only(bundle):
    refuses(bundle, r"another student's bundle \(tiny\): replace it with --force", OTHER, force=False)
    replace_it(bundle, OTHER, force=True)
    assert was_replaced(bundle)


def test_the_bundle_behind_a_link_is_replaced_and_the_link_stays(bundle, tmp_path):
    (tmp_path / "link").symlink_to(bundle)
    replace_it(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert was_replaced(bundle)


def test_a_folder_of_other_things_is_never_replaced(tmp_path):
    place = tmp_path / "place" / "photos"
    place.mkdir(parents=True)
    (place / "holiday.jpg").write_bytes(b"")
    refuses(place, "holds no readable bundle: it is left alone")
    (place / "manifest.json").write_text('{"name": "of another program"}')
    refuses(place, "holds no readable bundle: it is left alone")


@pytest.mark.parametrize("stranger", ["notes.txt", "styles/mine.json", "photos/holiday.jpg", "styles/deep/x"])
def test_a_bundle_with_files_of_others_is_never_replaced(bundle, stranger):
    (bundle / stranger).parent.mkdir(exist_ok=True)
    (bundle / stranger).write_text("")
    refuses(bundle, "which no export wrote: move it away")


def test_a_link_out_of_the_bundle_is_a_stranger(bundle, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (bundle / "pictures").symlink_to(tmp_path / "elsewhere")
    refuses(bundle, "holds pictures, which no export wrote")


def test_a_file_is_not_replaced(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "bundle").write_text("")
    refuses(tmp_path / "place" / "bundle", "is a file: choose another place")


def test_the_folder_one_is_in_is_not_replaced(bundle, monkeypatch):
    monkeypatch.chdir(bundle)
    refuses(bundle, "is the folder you are in")
    with pytest.raises(UserError, match="is the folder you are in"):
        replace_it(Path("."))


def test_a_place_inside_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the bundle"):
        replace_it(tmp_path / "file" / "bundle")


@pytest.mark.parametrize("target", ["/", "a\0b"])
def test_impossible_places(target):
    with pytest.raises(UserError, match="cannot write a bundle"):
        replace_it(Path(target))


def test_when_the_move_fails_the_old_bundle_is_back(bundle, monkeypatch):
    rename, moves = os.rename, []

    def second_fails(source: Path, target: Path) -> None:
        moves.append(target)
        if len(moves) == 2:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr("export.bundle_folder.os.rename", second_fails)
    refuses(bundle, "cannot write the bundle .*: Input/output error", force=False)


def test_what_fails_inside_leaves_nothing_and_names_the_final_place(tmp_path):
    with (
        pytest.raises(UserError, match=f"^cannot write {tmp_path}/bundle/x: full$"),
        new_bundle_folder(tmp_path / "bundle", OURS, False) as folder,
    ):
        raise UserError(f"cannot write {folder}/x: full")
    assert list(tmp_path.iterdir()) == []

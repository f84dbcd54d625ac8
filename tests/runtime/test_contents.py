"""`runtime.contents`: photos and folders become inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime import UserError, write_picture
from runtime.contents import Content, find_contents, refuse_to_overwrite


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.png", "photos/b.jpg", "photos/b.png", "photos/deep/a.png", "c.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(name, np.zeros((4, 4, 3), np.uint8))
    Path("photos/notes.txt").write_text("no picture")
    return Path("photos")


def outputs(contents: list[Content]) -> dict[str, str]:
    return {content.path.as_posix(): content.output.as_posix() for content in contents}


def test_a_folders_pictures_keep_their_places(photos: Path):
    found = find_contents([photos], Path("out"), recursive=True)
    assert outputs(found) == {
        "photos/a.png": "out/a-stylized.png",
        "photos/b.jpg": "out/b.jpg-stylized.png",
        "photos/b.png": "out/b.png-stylized.png",
        "photos/deep/a.png": "out/deep/a-stylized.png",
    }
    assert all(content.skips and content.makes_folder for content in found)
    assert len(find_contents([photos], Path("out"), recursive=False)) == 3


def test_without_an_output_they_go_beside_the_folder(photos: Path):
    assert find_contents([photos], None, False)[0].output == Path("photos-stylized/a-stylized.png")


def test_what_was_painted_into_the_folder_is_no_photo(photos: Path):
    write_picture_into = photos / "painted"
    write_picture_into.mkdir()
    write_picture(write_picture_into / "a-stylized.png", np.zeros((4, 4, 3), np.uint8))
    found = find_contents([photos], write_picture_into, recursive=True)
    assert "photos/painted/a-stylized.png" not in outputs(found)


def test_photos_beside_folders(photos: Path):
    found = find_contents([Path("c.png"), photos], Path("out"), False)
    assert outputs(found)["c.png"] == "out/c-stylized.png"
    assert [content.skips for content in found].count(False) == 1


@pytest.mark.parametrize(
    ("match", "named", "output"),
    [
        ("name a photo", [], None),
        ("there is no picture in empty .--recursive looks into its folders too", ["empty"], None),
        ("c.png is a file: several pictures need a folder", ["photos"], "c.png"),
        ("both be written to out/a-stylized.png", ["photos/a.png", "photos/deep/a.png"], "out"),
        ("both be written to out/a-stylized.png", ["photos", "photos/deep/a.png"], "out"),
        ("the name must end in", ["c.png"], "out.xyz"),
    ],
)
def test_what_cannot_be(photos: Path, match: str, named: list[str], output: str | None):
    Path("empty").mkdir()
    with pytest.raises(UserError, match=match):
        find_contents([Path(name) for name in named], output and Path(output), False)


def test_inputs_are_not_overwritten_through_links_either(photos: Path):
    Path("link.png").symlink_to("c.png")
    contents = [Content(photos / "a.png", Path("link.png"))]
    refuse_to_overwrite([Path("none.png")], contents)
    with pytest.raises(UserError, match="link.png is one of the inputs"):
        refuse_to_overwrite([Path("c.png")], contents)

"""`runtime.styles.library` and `brushlet style library | find`: styles from words."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from runtime import StyleCode, Stylizer, UserError, shipped_models, write_picture
from runtime.shipped import SHIPPED as STUDENTS
from runtime.style_options import StyleOptions, tell_words
from runtime.styles.cli import app
from runtime.styles.library import SHIPPED, StyleLibrary, are_words
from tests.runtime.test_stylizer import fixed_style_bundle
from tests.smooth_picture import smooth_picture
from tests.tiny_bundle import make_tiny_bundle

CAPTIONS = """
[storm]
title = "The Storm"
artist = "A. Painter"
caption = "stormy sea, thick strokes"
[calm]
caption = "calm sea, fine lines"
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A student; beside it, paintings, captions and an empty working folder."""
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(("storm", "calm", "old_garden")):
        (tmp_path / "paintings").mkdir(exist_ok=True)
        write_picture(tmp_path / "paintings" / f"{name}.png", smooth_picture(64, index))
    Path("captions.toml").write_text(CAPTIONS)
    return make_tiny_bundle(tmp_path / "tiny")


def run(*arguments: object) -> None:
    """Run ``brushlet style`` as a shell would, errors raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception:
        raise result.exception
    print(result.stdout, end="")


def made(tiny: Path, *options: object) -> Path:
    run("library", "paintings", "--captions", "captions.toml", "-o", "library.json", "--model", tiny, *options)
    return Path("library.json")


def test_words_become_the_codes_of_paintings_in_proportion(tiny: Path):
    with Stylizer.load(tiny, library=made(tiny)) as stylizer:
        found = stylizer.look_up("sea, thick strokes")
        assert [str(part.entry) for part in found.parts] == ["The Storm (A. Painter)"]
        assert found.parts[0].words == ("sea", "thick", "strokes")
        np.testing.assert_allclose(found.code.values, stylizer.style("paintings/storm.png").values, rtol=1e-4)
        mixed = stylizer.look_up("sea")
        weights = [part.weight for part in mixed.parts]
        assert {part.entry.name for part in mixed.parts} == {"storm", "calm"} and sum(weights) == pytest.approx(1)
        codes = [stylizer.style(f"paintings/{part.entry.name}.png") for part in mixed.parts]
        expected = StyleCode.mix(codes, weights).values
        np.testing.assert_allclose(mixed.code.values, expected, rtol=1e-3, atol=1e-4)
        assert (stylizer.style("sea").values == mixed.code.values).all()
        assert stylizer.style("sea").name == "sea"


def test_a_painting_without_caption_is_found_by_its_name(tiny: Path):
    with Stylizer.load(tiny, library=made(tiny)) as stylizer:
        assert stylizer.look_up("garden").parts[0].entry.title == "Old garden"


def test_notes_tell_of_captions_and_pictures_that_miss_each_other(tiny: Path):
    Path("captions.toml").write_text(CAPTIONS + '[gone]\ntitle = "Gone"')
    result = CliRunner().invoke(
        app, shlex.split(f"library paintings --captions captions.toml -o x.json --model {tiny} --json")
    )
    assert json.loads(result.stdout) == {"output": "x.json", "model": "tiny", "paintings": 3}
    assert "note: old_garden has no caption, and is found by its name" in result.stderr
    assert "note: gone has a caption, but no picture in paintings" in result.stderr


def test_find_shows_shares_and_what_is_not_mixed(tiny: Path, capsys: pytest.CaptureFixture[str]):
    library = made(tiny)
    capsys.readouterr()
    run("find", "storm and cyberpunk lines of a sea", "--library", library, "--model", tiny, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["unknown"] == {"cyberpunk": ""}
    assert sum(row["share"] for row in found["paintings"]) == pytest.approx(1, abs=1e-3)
    assert found["paintings"][0]["title"] == "The Storm" and "storm" in found["paintings"][0]["words"]
    run("find", "storm", "--library", library, "--model", tiny)
    assert "The Storm (A. Painter)" in capsys.readouterr().out


def test_the_command_line_tells_what_was_mixed(tiny: Path, capsys: pytest.CaptureFixture[str]):
    with Stylizer.load(tiny, library=made(tiny)) as stylizer:
        tell_words(stylizer, ["warm", "paintings/calm.png:2", "thick sea:0.5"])
        assert capsys.readouterr().err == "style 'thick sea' is 100% The Storm (A. Painter), for thick sea\n"
        mixture = StyleOptions(("warm", "thick strokes:3")).resolve(stylizer)(np.zeros((8, 8, 3), np.uint8))
        expected = StyleCode.mix([stylizer.style("warm"), stylizer.style("thick strokes")], [1, 3])
        np.testing.assert_allclose(mixture.values, expected.values)


def test_a_student_without_a_library_is_told_how_to_make_one(tiny: Path):
    with (
        Stylizer.load(tiny) as stylizer,
        pytest.raises(UserError, match="it holds warm.*'brushlet style library paintings/"),
    ):
        stylizer.style("stormy sea")


def test_a_library_of_another_encoder_is_refused(tiny: Path):
    library = StyleLibrary.load(made(tiny))
    StyleLibrary("0" * 64, library.entries).save("other.json")
    with Stylizer.load(tiny, library="other.json") as stylizer:
        stylizer.style("warm")  # nothing is looked up
        with pytest.raises(UserError, match="style encoder of tiny, not with this tiny's: make it again"):
            stylizer.style("stormy sea")


def test_words_that_fit_nothing_are_one_line(tiny: Path):
    with Stylizer.load(tiny, library=made(tiny)) as stylizer:
        with pytest.raises(UserError, match="like no painting in the style library: did you mean 'stormy'"):
            stylizer.style("stromy")
        with pytest.raises(UserError, match="'xyzzy' is no file, .* try sea"):
            stylizer.style("xyzzy")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stormy sea", True),
        ("monet", True),
        ("thick strokes, st. ives", True),
        ("painting.jpg", False),
        ("a/b", False),
        ("C:\\a", False),
        ("mine.json", False),
        ("x" * 5000, True),
        ("a\0b", True),
    ],
)
def test_what_counts_as_words(text: str, words: bool):
    assert are_words(text) == words


def test_a_file_comes_before_words(tiny: Path):
    write_picture("stormy sea.png", smooth_picture(64, 9))
    Path("stormy sea.png").rename("stormy sea")
    assert not are_words("stormy sea")
    with Stylizer.load(tiny, library=made(tiny)) as stylizer:
        assert stylizer.style("stormy sea").name == "stormy sea"
        assert not np.allclose(stylizer.style("stormy sea").values, stylizer.look_up("stormy sea").code.values)


@pytest.mark.parametrize(
    ("match", "change"),
    [
        ("has schema 2", {"schema": 2}),
        ("'entries' must be codes of one length", {"entries": []}),
        ("'code' must be two lists of numbers", {"entries": [{"name": "a", "title": "A", "code": [[1], ["x"]]}]}),
        ("not finite or are too large", {"entries": [{"name": "a", "title": "A", "code": [[1], [1e9]]}]}),
        ("'title' is missing", {"entries": [{"name": "a", "code": [[1], [1]]}]}),
        ("'student' must be printable", {"student": "a\n"}),
    ],
)
def test_bad_libraries_are_one_line(tiny: Path, match: str, change: dict[str, object]):
    good = json.loads(made(tiny).read_text())
    Path("bad.json").write_text(json.dumps({**good, **change}))
    with pytest.raises(UserError, match=match):
        StyleLibrary.load("bad.json")


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("must end in .json", ["library", "paintings", "-o", "x.txt"]),
        ("there is no folder", ["library", "none"]),
        ("holds 0", ["library", "empty"]),
        ("cannot read none.toml", ["library", "paintings", "--captions", "none.toml"]),
        ("is not valid TOML", ["library", "paintings", "--captions", "paintings/storm.png"]),
        (r"bad.toml: \[a\] must be a table", ["library", "paintings", "--captions", "bad.toml"]),
        ("--count must be", ["find", "sea", "-n", "0"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tiny: Path, match: str, arguments: Sequence[object]):
    Path("empty").mkdir()
    Path("bad.toml").write_text("a = 3")
    with pytest.raises(UserError, match=match):
        run(*arguments, "--model", tiny)
    assert not Path("library.json").exists()


def test_a_student_with_one_style_says_so(tiny: Path):
    bundle = fixed_style_bundle(tiny.parent / "negative")
    for arguments in (["library", "paintings"], ["find", "sea"]):
        with pytest.raises(UserError, match="paints in one style"):
            run(*arguments, "--model", bundle)


@pytest.mark.parametrize("name", shipped_models())
def test_every_student_that_ships_has_a_library_that_is_its_own(name: str):
    with Stylizer.load(name, threads=1) as stylizer:
        if stylizer.student.fixed_style:
            pytest.skip("it takes no style")
        found = stylizer.look_up("stormy sea, thick brush strokes")
        titles = {part.entry.title for part in found.parts}
        assert "The Ninth Wave" in titles and titles & {"Sunflowers", "Cafe Terrace at Night"}
        library = SHIPPED / f"{name}.json"
        held = {entry.name: entry.code for entry in StyleLibrary.load(library).entries}
        assert len(held) == 86 and library.stat().st_size < 700_000
        for named in set(stylizer.style_names) & held.keys():  # the bundle's own styles come from the same pictures
            np.testing.assert_allclose(held[named].values, stylizer.style(named).values, rtol=1e-3, atol=1e-3)
        assert not (STUDENTS / name / "library.json").exists()


def test_every_caption_of_the_library_says_something(shared_data: Path):
    entries = StyleLibrary.load(SHIPPED / "adain-w025.json").entries
    assert all(len(entry.caption.split()) >= 12 and entry.artist for entry in entries)
    assert {path.stem for path in (shared_data / "style" / "paintings").glob("*.jpg")} == {e.name for e in entries}

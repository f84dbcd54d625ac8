"""Suites: what a file may say, which pictures count as present, and the command that uses one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import read_record
from benchmarks.peers.request import PeerRequest
from benchmarks.suite import find_pictures, load_suite, peers_on, shipped_suites
from distill.data import is_held_back, open_pictures
from distill.evaluate import held_back_pairs
from export.quality_runner import NamedPairs
from runtime.bundle import sha256_of
from runtime.errors import UserError
from tests.benchmarks.peers.tiny_weights import write_tiny_weights
from tests.benchmarks.test_cli import QUICK, errors, run

SUITE = """
title = "two pairs"
judge = "compact"
side = 64
metrics = ["content", "style", "ssim", "artefacts"]
sizes = [32]
precisions = ["fp32"]
pairs = [["a.png", "s.png"], ["b.png", "s.png"]]
[content]
folder = "photos"
[content.sha256]
"a.png" = "{a}"
"b.png" = "{b}"
[style]
folder = "paintings"
[style.sha256]
"s.png" = "{s}"
"""


def draw(path: Path, seed: int) -> str:
    path.parent.mkdir(exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return sha256_of(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two photos and a painting, and ``two.toml``, their suite."""
    digests = {
        name: draw(tmp_path / place, seed)
        for seed, (name, place) in enumerate({"a": "photos/a.png", "b": "photos/b.png", "s": "paintings/s.png"}.items())
    }
    (tmp_path / "two.toml").write_text(SUITE.format(**digests))
    return tmp_path


def folders(data: Path) -> dict[str, str]:
    return {"content": str(data / "photos"), "style": str(data / "paintings")}


def test_what_ships_names_pictures_that_training_never_sees():
    assert "held-back" in shipped_suites()
    suite = load_suite("held-back")
    assert len(suite.pairs) == len(set(suite.pairs)) == 32
    assert suite.judge == "vgg19" and suite.side == 256
    for at, kind in enumerate(("content", "style")):
        assert {pair[at] for pair in suite.pairs} == set(suite.pictures[kind])
        assert all(is_held_back(name) for name in suite.pictures[kind])


def test_what_ships_are_the_pairs_that_students_are_judged_on(shared_data, monkeypatch):
    monkeypatch.setenv("BRUSHLET_DATA", str(shared_data))
    found = find_pictures(load_suite("held-back"), {}, most=20)
    assert found.absent == () and len(found.pairs) == 20
    sets = [
        open_pictures(shared_data / folder, kind, 64, "held-back")
        for folder, kind in (("content/bsds500", "content"), ("style/paintings", "style"))
    ]
    ours, theirs = NamedPairs(found.pairs, 64, "vgg19").squares(), held_back_pairs(*sets, 20, 64)
    for named, held in zip(ours, theirs, strict=True):
        assert all((one == other).all() for one, other in zip(named, held, strict=True))


def test_pictures_that_are_here(data, monkeypatch):
    suite = load_suite(str(data / "two.toml"))
    monkeypatch.setenv("BRUSHLET_DATA", str(data))
    found = find_pictures(suite, {})
    assert found == find_pictures(suite, folders(data))
    assert [(photo.name, painting.name) for photo, painting in found.pairs] == [("a.png", "s.png"), ("b.png", "s.png")]
    record = found.to_json()
    assert record["name"] == "two" and record["sha256"] == sha256_of(data / "two.toml")
    assert record["pictures"]["content"] == {name: sha256_of(data / "photos" / name) for name in ("a.png", "b.png")}
    assert len(find_pictures(suite, folders(data), most=1).pairs) == 1


def test_pictures_that_are_not_here_or_others_are_absent(data):
    suite = load_suite(str(data / "two.toml"))
    (data / "photos" / "a.png").unlink()
    found = find_pictures(suite, folders(data))
    assert found.absent == (("content a.png", "is not there"),)
    assert [photo.name for photo, _ in found.pairs] == ["b.png"]
    assert "a.png" not in found.to_json()["pictures"]["content"]
    draw(data / "photos" / "b.png", 9)
    with pytest.raises(UserError, match="not one of its pairs is here; .*a.png is not there"):
        find_pictures(suite, folders(data))
    draw(data / "photos" / "a.png", 0)
    found = find_pictures(suite, folders(data))
    assert found.absent == (("content b.png", "is another picture than the suite's: its SHA-256 differs"),)


def test_folders_have_to_be_named(data, monkeypatch):
    monkeypatch.delenv("BRUSHLET_DATA", raising=False)
    with pytest.raises(UserError, match="needs its style pictures: name their folder with --style, or BRUSHLET_DATA"):
        find_pictures(load_suite(str(data / "two.toml")), {"content": str(data / "photos")})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[content]", "[content", "is no suite: "),
        ('judge = "compact"', 'judge = "me"', "'judge' must be one of vgg19, compact"),
        ("side = 64", "side = 0", "'side' must be a whole number from 64"),
        ('"ssim", ', "", "'metrics' must hold content, style, ssim"),
        ('"artefacts"', '"beauty"', "'metrics' must hold content, style, ssim"),
        ("sizes = [32]", "sizes = [3.5]", "'sizes' must be a list of sides"),
        ('precisions = ["fp32"]', "precisions = []", "'precisions' must be a list of words"),
        ('["b.png", "s.png"]', '["c.png", "s.png"]', "'pairs' must be pairs"),
        ('[["a.png", "s.png"], ["b.png", "s.png"]]', "[]", "'pairs' must hold at least one pair"),
        ('folder = "photos"', 'folder = "../photos"', "'folder' must be a path below the data folder"),
        ('folder = "photos"', 'folder = "/photos"', "'folder' must be a path below the data folder"),
        ('"a.png" = "', '"../a.png" = "', "'sha256' must give 64 hex digits"),
        ('"s.png" = "', '"s.png" = "x', "'sha256' must give 64 hex digits"),
        ('title = "two pairs"', "", "'title' is missing"),
    ],
)
def test_files_that_are_no_suites(data, old, new, said):
    text = (data / "two.toml").read_text()
    assert old in text
    (data / "bad.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match="bad.toml") as caught:
        load_suite(str(data / "bad.toml"))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_there_is_no_such_suite():
    with pytest.raises(UserError, match="there is no suite 'held-bak': did you mean 'held-back'"):
        load_suite("held-bak")


def test_a_suite_is_about_peers(data):
    with pytest.raises(UserError, match="add --peers"):
        peers_on(str(data / "two.toml"), None)
    with pytest.raises(UserError, match="--pairs 0 judges nothing"):
        peers_on(str(data / "two.toml"), PeerRequest(pairs=0, **folders(data)))


def test_the_command(tiny, data, tmp_path_factory):
    weights = write_tiny_weights(tmp_path_factory.mktemp("weights"))
    (data / "photos" / "a.png").unlink()
    quick = [word for word in QUICK if word not in ("--size", "32")]
    asked = ("--peer", "johnson-nc8", "--peer-weights", weights, "--suite", "two.toml", "-o", "r.json")
    named = [word for kind, folder in folders(data).items() for word in (f"--{kind}", folder)]
    status, out, err = run(data, tiny, *quick, *asked, *named)
    assert status == 0, err
    record, text = read_record(data / "r.json"), " ".join(out.split())
    assert [result.width for result in record.results] == [32], "the suite's size"
    assert (record.judged.judge, record.judged.pairs, record.judged.size) == ("compact", 1, 64)
    assert record.judged.suite["pictures"]["content"] == {"b.png": sha256_of(data / "photos" / "b.png")}
    assert [score.subject for score in record.judged.scores] == [0, 1]
    assert all(score.artefacts["border"] > 0 for score in record.judged.scores)
    assert record.judged.scores[0].artefacts["flat"] is None, "noise is nowhere flat"
    assert "absent: content a.png: is not there" in text
    assert f"suite: two, SHA-256 {sha256_of(data / 'two.toml')}" in text
    assert "artefacts lattice border flat bleeding" in text


def test_a_suite_that_wants_vgg19_is_judged_by_nothing_else(tiny, data, tmp_path, monkeypatch):
    text = (data / "two.toml").read_text()
    (data / "two.toml").write_text(text.replace("compact", "vgg19"))
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("BRUSHLET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BRUSHLET_WEIGHTS", raising=False)
    quick = [word for word in QUICK if word not in ("--size", "32")]
    named = [word for kind, folder in folders(data).items() for word in (f"--{kind}", folder)]
    status, _, err = run(data, tiny, *quick, "--peers", "--peer-weights", "empty", "--suite", "two.toml", *named)
    assert status == 0
    assert any("pictures were not judged: VGG-19 has to judge this" in line for line in err.splitlines())
    assert errors(err) == []

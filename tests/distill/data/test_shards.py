"""Pictures inside tar files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from distill.data import open_pictures, shards
from distill.data.shards import expand_braces, find_shards
from runtime.errors import UserError


def encoded(colour: tuple[int, int, int], suffix: str = "png", size: tuple[int, int] = (48, 32)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, {"jpg": "JPEG"}.get(suffix, suffix.upper()))
    return stream.getvalue()


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def pattern(tmp_path) -> str:
    """Three shards of four pictures, each with captions beside them."""
    for shard in range(3):
        members = {}
        for i in range(4):
            members[f"{shard}{i}.png"] = encoded((shard * 10 + i, 0, 7))
            members[f"{shard}{i}.txt"] = b"a caption"
        write_tar(tmp_path / f"photos-{shard:03d}.tar", members)
    return str(tmp_path / "photos-{000..002}.tar")


def test_shards_are_read_in_any_order(pattern):
    pictures = open_pictures(pattern, "content", 32)
    assert len(pictures) == 12
    assert pictures.names[0] == "photos-000/00.png"
    for position in (11, 0, 5):
        assert pictures[position].shape == (32, 48, 3)
        assert pictures[position][0, 0].tolist() == [position // 4 * 10 + position % 4, 0, 7]


def test_a_glob_names_the_same(pattern, tmp_path):
    assert (
        open_pictures(tmp_path / "*.tar", "content", 32).fingerprint
        == open_pictures(pattern, "content", 32).fingerprint
    )


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_kinds_of_members(tmp_path, suffix):
    write_tar(tmp_path / "x.tar", {f"a.{suffix}": encoded((100, 100, 100), suffix)})
    assert abs(int(open_pictures(tmp_path / "x.tar", "style", 32)[0].mean()) - 100) <= 2


def test_bad_members_are_reported_and_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "LARGEST_MEMBER", 5000)
    whole = encoded((1, 2, 3))
    members = {"ok.png": whole, "cut.png": whole[:60], "text.jpg": b"text", "large.png": bytes(6000), "also.png": whole}
    write_tar(tmp_path / "x.tar", members)
    pictures = open_pictures(tmp_path / "x.tar", "content", 32)
    assert pictures.names == ["x/ok.png", "x/also.png"]
    assert sorted(name for name, _ in pictures.skipped) == ["x/cut.png", "x/large.png", "x/text.jpg"]


def test_a_cut_shard_gives_what_lies_before_the_cut(pattern, tmp_path):
    shard = tmp_path / "photos-001.tar"
    with tarfile.open(shard) as tar:
        cut = tar.getmembers()[4].offset_data + 10
    shard.write_bytes(shard.read_bytes()[:cut])
    pictures = open_pictures(pattern, "content", 32)
    assert len(pictures) == 10
    assert len(pictures.skipped) >= 1


def test_a_link_in_a_shard_is_not_followed(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
        info = tarfile.TarInfo("../../outside.png")
        content = encoded((5, 5, 5))
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    assert open_pictures(tmp_path / "x.tar", "content", 32).names == ["x/../../outside.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.tar"]


def test_what_is_no_shard(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"no tar file, though it is named so" * 100)
    write_tar(tmp_path / "z.tar", {"a.png": encoded((1, 1, 1))}, "w:gz")
    for name in ("x.tar", "z.tar"):
        with pytest.raises(UserError, match="hold no pictures .*not a whole, uncompressed tar file"):
            open_pictures(tmp_path / name, "content", 32)
    write_tar(tmp_path / "y.tar", {"a.txt": b"text"})
    with pytest.raises(UserError, match=r"hold no pictures .looked for .jpg, .jpeg, .png, .webp"):
        open_pictures(tmp_path / "y.tar", "content", 32)


def test_missing_shards_are_named(pattern, tmp_path):
    (tmp_path / "photos-001.tar").unlink()
    with pytest.raises(UserError, match=r"shard .*photos-001.tar does not exist .1 of 3 "):
        open_pictures(pattern, "content", 32)
    with pytest.raises(UserError, match="no shard matches"):
        open_pictures(tmp_path / "none-*.tar", "content", 32)


def test_a_range_that_is_too_long_stops_early():
    with pytest.raises(UserError, match="names more than"):
        find_shards("x-{0..999999999999}.tar")


def test_the_fingerprint_follows_the_members(pattern, tmp_path):
    first = open_pictures(pattern, "content", 32).fingerprint
    write_tar(tmp_path / "photos-002.tar", {"20.png": encoded((1, 1, 1))})
    assert open_pictures(pattern, "content", 32).fingerprint != first


def test_braces_expand_as_in_a_shell():
    assert list(expand_braces("a-{008..011}.tar")) == ["a-008.tar", "a-009.tar", "a-010.tar", "a-011.tar"]
    assert list(expand_braces("{x,y}{1..2}.tar")) == ["x1.tar", "x2.tar", "y1.tar", "y2.tar"]
    assert list(expand_braces("plain.tar")) == ["plain.tar"]


@given(st.integers(0, 500), st.integers(0, 30), st.integers(1, 6))
def test_ranges_count_and_keep_their_width(first, count, width):
    names = list(expand_braces(f"{{{first:0{width}d}..{first + count:0{width}d}}}"))
    assert [int(name) for name in names] == list(range(first, first + count + 1))
    assert np.all(np.diff([len(name) for name in names]) >= 0)

"""The teacher cache: painted once, checked, bounded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill import teacher_cache
from distill.teacher_cache import TeacherCache, cache_root, checksum
from runtime.errors import UserError
from tests.distill.tiny import Negative

ROOT = Path(__file__).resolve().parents[2]
SIZE = 16


def open_cache(root: Path, count: int = 4, **changes) -> TeacherCache:
    options = {"teacher": Negative(), "data_key": "data", "size": SIZE, "root": root} | changes
    return TeacherCache(count=count, **options)


def crops(indices: list[int], size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Content and style of pairs; the content is as grey as its index says."""
    levels = torch.tensor(indices, dtype=torch.float32)[:, None, None, None] * 10 / 255
    content = levels.expand(-1, 3, size, size)
    return content, content


def ask(cache: TeacherCache, *indices: int, size: int = SIZE) -> Tensor:
    return cache.pictures(list(indices), *crops(list(indices), size))


def test_pictures_are_the_teachers_in_8_bits(tmp_path):
    painted = ask(open_cache(tmp_path), 2, 0)
    assert painted.shape == (2, 3, SIZE, SIZE) and painted.dtype == torch.float32
    assert painted[0].unique().tolist() == pytest.approx([(255 - 20) / 255])
    assert painted[1].unique().tolist() == [1.0]
    content = torch.rand(1, 3, SIZE, SIZE)
    kept = open_cache(tmp_path, data_key="other").pictures([0], content, content)
    assert (kept - (1 - content)).abs().max() <= 0.5 / 255 + 1e-6


def test_each_pair_is_painted_once(tmp_path):
    cache = open_cache(tmp_path)
    first = ask(cache, 0, 1)
    assert cache.teacher.painted == cache.painted == 2
    assert torch.equal(ask(cache, 1, 0), first.flip(0))
    assert cache.teacher.painted == 2
    ask(cache, 1, 3)
    assert cache.teacher.painted == 3
    again = open_cache(tmp_path)
    assert torch.equal(ask(again, 0, 1), first)
    assert again.teacher.painted == again.painted == 0


def test_another_process_finds_them(tmp_path):
    code = (
        "import sys, torch; from pathlib import Path\n"
        "from distill.teacher_cache import TeacherCache; from distill.teachers import Teacher\n"
        "class Negative(Teacher):\n"
        "    name = 'negative'\n"
        "    def forward(self, content, style): return 1 - content\n"
        f"cache = TeacherCache(Negative('', ''), 'data', {SIZE}, 4, Path(sys.argv[1]))\n"
        f"content = (torch.tensor([0.0, 20.0]) / 255)[:, None, None, None].expand(-1, 3, {SIZE}, {SIZE})\n"
        "cache.pictures([0, 2], content, content); print(cache.painted)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout.strip() == "2"
    cache = open_cache(tmp_path)
    assert ask(cache, 0, 2).mean((1, 2, 3)).tolist() == pytest.approx([1.0, 235 / 255])
    assert cache.painted == 0


def test_more_pairs_keep_those_that_are_there(tmp_path):
    ask(open_cache(tmp_path, 2), 0, 1)
    more = open_cache(tmp_path, 6)
    ask(more, 0, 1, 5)
    assert more.painted == 1
    fewer = open_cache(tmp_path, 2)
    ask(fewer, 0, 1)
    assert fewer.painted == 0
    still = open_cache(tmp_path, 6)
    ask(still, 5)
    assert still.painted == 0


def test_two_runs_may_share_a_cache(tmp_path):
    one, two = open_cache(tmp_path, 2), open_cache(tmp_path, 6)
    ask(one, 1)
    ask(two, 1, 4)
    assert (one.painted, two.painted) == (1, 1)


def test_damaged_rows_are_painted_again(tmp_path):
    cache = open_cache(tmp_path)
    wanted = ask(cache, 0, 1, 2)
    pictures = next(tmp_path.glob("*/pictures.bin"))
    data = bytearray(pictures.read_bytes())
    data[SIZE * SIZE * 3 + 7] ^= 1
    pictures.write_bytes(data)
    again = open_cache(tmp_path)
    assert torch.equal(ask(again, 0, 1, 2), wanted)
    assert again.painted == 1


@pytest.mark.parametrize("keep", [0, 100, SIZE * SIZE * 3])
def test_a_cut_file_is_painted_again(tmp_path, keep):
    wanted = ask(open_cache(tmp_path), 0, 1)
    os.truncate(next(tmp_path.glob("*/pictures.bin")), keep)
    again = open_cache(tmp_path)
    assert torch.equal(ask(again, 0, 1), wanted)
    assert again.painted == (1 if keep == SIZE * SIZE * 3 else 2)


class Weighty(Negative):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        torch.nn.init.zeros_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)


def test_what_pictures_depend_on_is_in_the_key(tmp_path):
    heavier = Weighty()
    torch.nn.init.ones_(heavier.layer.bias)
    named = Negative()
    named.name = "positive"
    variants = [
        {},
        {"data_key": "other"},
        {"size": 32},
        {"teacher": Weighty()},
        {"teacher": heavier},
        {"teacher": named},
    ]
    for changes in variants:
        cache = open_cache(tmp_path, **changes)
        ask(cache, 0, size=changes.get("size", SIZE))
        assert cache.painted == 1, changes
    assert len({path.parent for path in tmp_path.glob("*/pictures.bin")}) == len(variants)
    same = open_cache(tmp_path, teacher=Weighty())
    ask(same, 0)
    assert same.painted == 0


def test_too_many_pairs_are_refused_with_the_options_to_turn(tmp_path):
    with pytest.raises(UserError, match=r"1000 teacher pictures of 256 px take 0.2 GB, .* \(0.1 GB\): lower --pairs"):
        open_cache(tmp_path, 1000, size=256, limit=100 << 20)
    assert list(tmp_path.iterdir()) == []


def rows_on_disk(root: Path) -> int:
    return sum(teacher_cache.disk_bytes(folder) for folder in root.iterdir())


def test_the_least_recently_used_caches_go_first(tmp_path):
    """Three full caches of 48 KB each; a limit that holds one beside the new one keeps the most recently used."""
    for age, key in enumerate(("old", "new", "middle")):
        ask(open_cache(tmp_path, 16, data_key=key, size=32), *range(16), size=32)
        folder = max(tmp_path.iterdir(), key=lambda p: p.stat().st_mtime_ns)
        os.utime(folder, (1000 + (0, 2, 1)[age] * 100,) * 2)
    open_cache(tmp_path, 16, data_key="latest", size=32, limit=48 * 1024 + 60 * 1024)
    assert len(list(tmp_path.iterdir())) == 2
    kept = open_cache(tmp_path, 16, data_key="new", size=32)
    ask(kept, *range(16), size=32)
    assert kept.painted == 0
    assert rows_on_disk(tmp_path) <= 48 * 1024 + 60 * 1024


def test_using_a_cache_makes_it_recent(tmp_path):
    for key in ("a", "b"):
        ask(open_cache(tmp_path, 16, data_key=key, size=32), *range(16), size=32)
    for folder in tmp_path.iterdir():
        os.utime(folder, (1000, 1000))
    open_cache(tmp_path, 16, data_key="a", size=32)
    open_cache(tmp_path, 16, data_key="c", size=32, limit=48 * 1024 + 60 * 1024)
    kept = open_cache(tmp_path, 16, data_key="a", size=32)
    ask(kept, *range(16), size=32)
    assert kept.painted == 0


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot keep teacher pictures in .*; set BRUSHLET_CACHE to another place"):
        open_cache(tmp_path / "file" / "cache")


def test_a_disk_that_is_too_small(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=70 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"8 MB of teacher pictures do not fit the 70 MB free in .*: lower --pairs"):
        open_cache(tmp_path, 40, size=256)
    open_cache(tmp_path, 30, size=256)


def test_a_full_cache_needs_no_more_space(tmp_path, monkeypatch):
    ask(open_cache(tmp_path, 16, size=32), *range(16), size=32)
    usage = shutil.disk_usage(tmp_path)._replace(free=64 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    open_cache(tmp_path, 16, size=32)
    with pytest.raises(UserError, match="do not fit"):
        open_cache(tmp_path, 100, size=32)


def test_where_it_lies(monkeypatch):
    monkeypatch.setenv("BRUSHLET_CACHE", "/somewhere")
    assert cache_root() == Path("/somewhere/teacher-pictures")
    monkeypatch.delenv("BRUSHLET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_root() == Path("/cache/brushlet/teacher-pictures")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "brushlet" / "teacher-pictures"


def test_a_checksum_is_never_the_mark_of_an_empty_row(monkeypatch):
    monkeypatch.setattr(teacher_cache.zlib, "crc32", lambda data: 0)
    assert checksum(np.zeros((2, 2, 3), np.uint8)) == 1

"""Pictures of slow teachers in files: each painted once, whoever painted it."""

from __future__ import annotations

import shutil

import pytest
import torch

from distill.kept_teacher import KeptTeacher
from distill.teachers.teacher import Teacher
from runtime.errors import UserError
from tests.distill.tiny import Negative, Sepia


class Slow(Negative):
    """A negative that mixes the style in, so that its pictures depend on both."""

    slow = True

    def forward(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        return 0.5 * super().forward(content, style) + 0.5 * style.mean((2, 3), keepdim=True)


def pairs(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures in 8 bits, as crops are."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(256, (count, 3, 12, 10), generator=generator) / 255 for _ in range(2))


def test_each_pair_is_painted_once_and_then_read(tmp_path):
    content, style = pairs(3)
    kept = KeptTeacher(Slow(), tmp_path)
    first = kept.stylize(content[:2], style[:2])
    assert (first - Slow().stylize(content[:2], style[:2])).abs().max() <= 0.5 / 255 + 1e-6, "in 8 bits"
    assert kept.painted == 2
    assert torch.equal(kept.stylize(content, style)[:2], first) and kept.painted == 3
    again = KeptTeacher(Slow(), tmp_path)
    assert torch.equal(again.pictures([7, 9], content[:2], style[:2]), first) and again.painted == 0
    assert again.holds(content[:1], style[:1]) and not again.holds(content[:1], style[1:2])


def test_what_a_picture_depends_on_is_in_its_name(tmp_path):
    content, style = pairs(2)
    kept = KeptTeacher(Slow(), tmp_path)
    kept.stylize(content[:1], style[:1])
    kept.stylize(content[1:], style[:1])
    kept.stylize(content[:1], style[1:])
    assert kept.painted == 3 and len(list(kept.folder.iterdir())) == 3
    other = Slow()
    other.weight = torch.nn.Parameter(torch.ones(1))
    assert KeptTeacher(other, tmp_path).folder != kept.folder


def test_one_style_is_part_of_the_teacher_and_not_of_the_pair(tmp_path):
    content, style = pairs(1)
    kept = KeptTeacher(Sepia(), tmp_path)
    assert (kept.takes_style, kept.style_name, kept.name, kept.paired) == (False, "brown", "sepia", False)
    kept.stylize(content, style)
    kept.stylize(content, 1 - style)
    kept.stylize(content)
    assert kept.painted == 1


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: b"no picture", lambda data: data[: len(data) // 2], flipped]
)
def test_damaged_files_are_painted_again(tmp_path, damage):
    content, style = pairs(1)
    kept = KeptTeacher(Slow(), tmp_path)
    wanted = kept.stylize(content, style)
    (file,) = kept.folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    again = KeptTeacher(Slow(), tmp_path)
    assert not again.holds(content, style)
    assert torch.equal(again.stylize(content, style), wanted) and again.painted == 1
    assert again.holds(content, style)


def test_a_picture_of_another_size_is_none_of_ours(tmp_path):
    """Files may come from elsewhere: what is in them is believed only where it fits."""
    content, style = pairs(1)
    kept = KeptTeacher(Slow(), tmp_path)
    kept.stylize(content[..., :8], style)
    kept.stylize(content, style)
    small, large = kept.files(content[..., :8], style)[0], kept.files(content, style)[0]
    shutil.copy(small, large)
    assert not kept.holds(content, style) and kept.holds(content[..., :8], style)


def test_shares_of_two_machines_are_put_together_by_copying(tmp_path):
    content, style = pairs(4)
    machines = [KeptTeacher(Slow(), tmp_path / name) for name in ("one", "two")]
    machines[0].stylize(content[::2], style[::2])
    machines[1].stylize(content[1::2], style[1::2])
    assert machines[0].folder.name == machines[1].folder.name
    shutil.copytree(machines[1].folder, machines[0].folder, dirs_exist_ok=True)
    together = KeptTeacher(Slow(), tmp_path / "one")
    assert torch.allclose(together.stylize(content, style), Slow().stylize(content, style), atol=0.51 / 255)
    assert together.painted == 0


def test_room_is_made_among_other_teachers(tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    (old / "rows.bin").write_bytes(b"1" * 50_000)
    kept = KeptTeacher(Slow(), tmp_path)
    kept.make_room(1 << 20)
    kept.stylize(*pairs(1))
    assert old.exists()
    kept.make_room(20_000)
    assert not old.exists() and kept.holds(*pairs(1))


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot keep teacher pictures in .*; set BRUSHLET_CACHE to another place"):
        KeptTeacher(Slow(), tmp_path / "file").stylize(*pairs(1))


def test_teachers_are_fast_unless_they_say_otherwise():
    assert Teacher.slow is False and KeptTeacher.slow is True

"""Batches: functions of seed, step and slot, whoever draws them and in whatever order."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from distill import samples as samples_module
from distill.data import PictureSet, open_pictures
from distill.distil import CALIBRATION_STREAM
from distill.samples import THUMBNAIL_RATIOS, Batch, Samples, to_tensor
from distill.settings import Settings
from runtime.errors import UserError

SETTINGS = Settings(size=64, batch=4, pairs=5, seed=3, teacher_share=0.4, identity_share=0.2)


class Gallery:
    """Stands for the teacher cache: pair `index` is a picture of that grey; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def pictures(self, indices: list[int], content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        self.asked += list(zip(indices, content, style, strict=True))
        return torch.tensor(indices)[:, None, None, None].expand(-1, 3, 64, 64) / 10.0


@pytest.fixture(scope="module")
def sets(pictures: Path) -> tuple[PictureSet, PictureSet]:
    return tuple(
        open_pictures(str(pictures / folder), kind, 72, "train")
        for folder, kind in (("photos", "content"), ("paintings", "style"))
    )


def make(sets, rank: int = 0, world: int = 1, **changes) -> Samples:
    return Samples(replace(SETTINGS, **changes), *sets, Gallery(), rank, world)


def same(a: Batch, b: Batch) -> bool:
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(Batch)]
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in pairs)


def test_a_batch_follows_from_seed_and_step(sets):
    forwards = [make(sets).batch(step) for step in range(6)]
    samples = make(sets)
    backwards = {step: samples.batch(step) for step in reversed(range(6))}
    assert all(same(batch, backwards[step]) for step, batch in enumerate(forwards))
    assert not same(forwards[0], forwards[1])
    assert not same(forwards[0], make(sets, seed=4).batch(0))


def test_a_resumed_run_sees_the_same_batches_whatever_it_trains_up_to(sets):
    assert same(make(sets, steps=10).batch(7), make(sets, steps=900).batch(7))


@pytest.mark.parametrize("world", [2, 4])
def test_processes_partition_the_batch(sets, world):
    whole = make(sets).batch(11)
    parts = [make(sets, rank, world).batch(11) for rank in range(world)]
    assert {len(part.content) for part in parts} == {4 // world}
    for name in ("content", "style", "teacher", "taught", "identity"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts])), name
    assert {part.thumbnail_ratio for part in parts} == {whole.thumbnail_ratio}


def test_a_batch_that_cannot_be_shared(sets):
    with pytest.raises(UserError, match="--batch 4 cannot be shared evenly by 3 processes: give a multiple"):
        make(sets, 0, 3)


def test_shapes_and_ranges(sets):
    batch = make(sets).batch(0)
    for picture in (batch.content, batch.style, batch.teacher):
        assert picture.shape == (4, 3, 64, 64) and picture.dtype == torch.float32
        assert picture.min() >= 0 and picture.max() <= 1
    assert batch.taught.shape == batch.identity.shape == (4,)
    assert batch.taught.dtype == batch.identity.dtype == torch.bool


def test_rows_are_of_three_kinds(sets):
    samples = make(sets)
    batches = [samples.batch(step) for step in range(20)]
    for batch in batches:
        for content, style, teacher, taught, identity in zip(
            batch.content, batch.style, batch.teacher, batch.taught, batch.identity, strict=True
        ):
            if identity:
                assert taught and torch.equal(content, style) and torch.equal(content, teacher)
            elif taught:
                assert not torch.equal(content, style)
                assert (teacher == teacher[0, 0, 0]).all() and (teacher[0, 0, 0] * 10).round() in range(5)
            else:
                assert not torch.equal(content, style)
    kinds = {kind for b in batches for kind in zip(b.taught.tolist(), b.identity.tolist(), strict=True)}
    assert kinds == {(True, True), (True, False), (False, False)}


def test_a_cached_pair_always_has_the_same_crops(sets):
    """Across steps, slots and processes: the teacher's picture on disk belongs to them."""
    samples = make(sets)
    for step in range(25):
        samples.batch(step)
    crops: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    for index, content, style in samples.cache.asked:
        crops.setdefault(index, []).append((content, style))
    assert set(crops) == set(range(5)) and len(samples.cache.asked) > 20
    for index, seen in crops.items():
        content, style = (to_tensor([crop])[0] for crop in make(sets, batch=2).pair(index))
        assert all(torch.equal(c, content) and torch.equal(s, style) for c, s in seen)
    assert not torch.equal(crops[0][0][0], crops[1][0][0])


@pytest.mark.parametrize(("teacher", "identity"), [(0.4, 0.2), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0)])
def test_shares_are_respected(sets, monkeypatch, teacher, identity):
    crop = np.zeros((64, 64, 3), np.uint8)
    samples = make(sets, batch=16, teacher_share=teacher, identity_share=identity)
    monkeypatch.setattr(samples, "crops", lambda rng: (crop, crop))
    batches = [samples.batch(step) for step in range(60)]
    same_style = torch.cat([b.identity for b in batches]).float().mean().item()
    taught = torch.cat([b.taught for b in batches]).float().mean().item()
    assert same_style == pytest.approx(identity, abs=0.04 if 0 < identity < 1 else 0)
    assert taught == pytest.approx(teacher + identity, abs=0.05 if 0 < teacher + identity < 1 else 0)


def test_thumbnails_come_at_every_ratio_whatever_the_first_row_is(sets, monkeypatch):
    crop = np.zeros((64, 64, 3), np.uint8)
    samples = make(sets, batch=1, teacher_share=0.5, identity_share=0.5)
    monkeypatch.setattr(samples, "crops", lambda rng: (crop, crop))
    batches = [samples.batch(step) for step in range(400)]
    for kind in (True, False):
        ratios = [b.thumbnail_ratio for b in batches if bool(b.identity[0]) == kind]
        for ratio in set(THUMBNAIL_RATIOS):
            share = THUMBNAIL_RATIOS.count(ratio) / len(THUMBNAIL_RATIOS)
            assert ratios.count(ratio) / len(ratios) == pytest.approx(share, abs=0.1)


def test_random_streams_are_apart(sets):
    """numpy pads seeds with zeros: the batch's own draws would be those of its first slot, were it not for the tag."""
    streams = [
        (3, samples_module.RATIO_STREAM, 7),
        (3, samples_module.STEP_STREAM, 7, 0),
        (3, samples_module.PAIR_STREAM, 7),
        (3, CALIBRATION_STREAM, 7),
    ]
    assert len({np.random.default_rng(seed).random() for seed in streams}) == len(streams)


def test_moving_a_batch_keeps_what_it_is(sets):
    batch = make(sets).batch(2)
    moved = batch.to("meta")
    assert moved.content.device.type == moved.identity.device.type == "meta"
    assert moved.thumbnail_ratio == batch.thumbnail_ratio
    assert same(batch, batch.to("cpu"))


@hypothesis_settings(max_examples=10)
@given(st.sampled_from([1, 2, 4]))
def test_thumbnails_are_means_of_blocks(ratio):
    content = torch.rand(1, 3, 16, 24)
    batch = Batch(content, content, content, torch.ones(1), torch.ones(1), ratio)
    blocks = content.unfold(2, ratio, ratio).unfold(3, ratio, ratio).mean((4, 5))
    assert torch.allclose(batch.thumbnail(), blocks, atol=1e-6)


def test_pictures_to_tensor():
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    tensor = to_tensor([picture, picture])
    assert tensor.shape == (2, 3, 2, 3)
    assert tensor[1, 2, 1, 0].item() == pytest.approx(picture[1, 0, 2] / 255)

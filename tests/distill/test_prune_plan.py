"""Pruning plans: what is coupled, what goes, and that the smaller student agrees with itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distill.checkpoint import Trained, load_student, save_student
from distill.layer_costs import student_cost
from distill.prune_groups import Group, channel_groups
from distill.prune_plan import Plan, apply_plan, code_channels, costs_record, make_plan, read_plan, write_plan
from distill.students import HaarPainter
from distill.students.haar_painter import Channels
from runtime.errors import UserError

pytest.importorskip("torch_pruning")


def student_of(seed: int = 0, width: float = 0.25, blocks: int = 2) -> HaarPainter:
    """Random weights whose residuals and biases count."""
    torch.manual_seed(seed)
    student = HaarPainter(width, blocks).eval()
    for name, parameter in student.named_parameters():
        if name.endswith("bias") and not name.startswith(("style", "head")):
            torch.nn.init.normal_(parameter, 0, 0.1)
        if name.endswith("outer.weight"):
            torch.nn.init.normal_(parameter, 0, 0.05)
    return student


@pytest.fixture(scope="module")
def student() -> HaarPainter:
    return student_of()


@pytest.fixture(scope="module")
def groups(student) -> tuple[Group, ...]:
    return channel_groups(student)


def scores(groups: tuple[Group, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(group.channels, generator=generator) for group in groups]


@pytest.fixture(scope="module")
def plan(student, groups) -> Plan:
    return make_plan(student, groups, scores(groups), 0.5)


def test_what_hangs_together(groups):
    outers = ("encode.outer", "blocks.0.outer", "blocks.1.outer")
    inners = ("encode.inner", "blocks.0.inner", "blocks.1.inner")
    assert groups == (
        Group(("stem",), ("down", "skip"), ("skip",), 16),
        Group(("down", *outers), (*inners, "up.conv5"), ("trunk",), 32),
        Group(("encode.inner",), ("encode.outer",), (), 32),
        Group(("blocks.0.inner",), ("blocks.0.outer",), ("block0",), 32),
        Group(("blocks.1.inner",), ("blocks.1.outer",), ("block1",), 32),
        Group(("up.conv5", "skip"), ("mix",), ("up",), 16),
        Group(("mix",), ("head",), ("mix",), 16),
    )


def test_every_modulated_channel_is_in_one_group(student, groups):
    assert sorted(site for group in groups for site in group.sites) == sorted(site.name for site in student.sites)


def test_half_of_a_student_is_one_of_half_the_width(student, plan):
    pruned = apply_plan(student, plan)
    assert pruned.channels == HaarPainter(0.125, 2).channels
    assert pruned.shape == {"width": 0.125, "blocks": 2}
    assert pruned.state_dict().keys() == student.state_dict().keys()
    assert not pruned.training


def silenced(student: HaarPainter, plan: Plan) -> HaarPainter:
    """The student with zeros wherever a layer reads a channel that the plan removes."""
    silent = HaarPainter(student.width, student.block_count)
    silent.load_state_dict(student.state_dict())
    with torch.no_grad():
        for cut in plan.cuts:
            gone = [i for i in range(cut.group.channels) if i not in cut.kept]
            for layer in cut.group.inputs:
                silent.get_submodule(layer).weight[:, gone] = 0
    return silent.eval()


@settings(max_examples=6)
@given(seed=st.integers(0, 99), ratio=st.sampled_from([0.25, 0.4, 0.5, 0.7]), blocks=st.integers(0, 2))
def test_removing_channels_that_nobody_reads_changes_nothing(seed, ratio, blocks):
    """Code, statistics, affines and pictures of the smaller student are the larger one's."""
    student = student_of(seed, blocks=blocks)
    groups = channel_groups(student)
    plan = make_plan(student, groups, scores(groups, seed), ratio)
    pruned, silent, kept = apply_plan(student, plan), silenced(student, plan), code_channels(student, plan)
    photo, painting = torch.rand(2, 2, 3, 32, 48, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        code, stats = pruned.style(painting), pruned.measure(photo)
        assert torch.allclose(code, silent.style(painting)[..., kept], atol=1e-5)
        assert torch.allclose(stats, silent.measure(photo)[..., kept], atol=1e-4)
        assert torch.allclose(pruned(photo, painting), silent(photo, painting), atol=1e-4)
    assert torch.equal(pruned.style.measured, student.style.measured[kept])
    assert sum(site.channels for site in pruned.sites) == len(kept) == code.shape[2]


@settings(max_examples=25)
@given(ratio=st.floats(0.01, 0.99), width=st.sampled_from([0.125, 0.25, 0.375, 0.5]))
def test_channels_stay_in_multiples_of_eight(ratio, width):
    student = HaarPainter(width, 0)
    channels = student.channels
    groups = tuple(Group((name,), (), (), getattr(channels, name)) for name in ("half", "trunk", "encode"))
    importance = [torch.arange(group.channels, 0.0, -1) for group in groups]
    try:
        plan = make_plan(student, groups, importance, ratio)
    except UserError as error:
        assert str(error).startswith("nothing to prune")
        assert all(max(8, round((1 - ratio) * g.channels / 8) * 8) == g.channels for g in groups)
        return
    for cut in plan.cuts:
        assert len(cut.kept) % 8 == 0 and len(cut.kept) >= 8
        assert abs(len(cut.kept) - (1 - ratio) * cut.group.channels) <= 4 or len(cut.kept) == 8
        assert cut.kept == tuple(range(len(cut.kept)))  # the most important ones


def test_there_may_be_nothing_to_prune(student, groups):
    with pytest.raises(UserError, match="every layer of this student has 8 channels"):
        make_plan(student, (Group(("stem",), (), (), 8),), [torch.rand(8)], 0.5)
    with pytest.raises(UserError, match=r"kept in multiples of 8, and --ratio 0.1 of these layers is less"):
        make_plan(student, groups, scores(groups), 0.1)


def test_an_uneven_student_can_be_saved_and_pruned_again(student, groups, tmp_path):
    pruned = apply_plan(student, make_plan(student, groups, scores(groups), 0.3))
    assert pruned.channels == Channels(half=8, trunk=24, encode=24, blocks=(24, 24), up=8, mix=8)
    save_student(tmp_path / "s.safetensors", Trained(pruned, {}, {}, {}))
    loaded = load_student(tmp_path / "s.safetensors").student
    assert loaded.channels == pruned.channels
    photo, painting = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(photo, painting), pruned(photo, painting))
    again = channel_groups(loaded)
    assert apply_plan(loaded, make_plan(loaded, again, scores(again), 0.4)).channels.trunk == 16


def test_a_plan_and_the_weights_give_the_same_student_again(student, plan, tmp_path):
    pruned = apply_plan(student, plan)
    write_plan(tmp_path / "plan.json", plan, student_cost(student), student_cost(pruned))
    read = read_plan(tmp_path / "plan.json")
    assert read == plan
    again = apply_plan(student, read).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in pruned.state_dict().items())


def test_a_plan_is_for_one_student_only(plan):
    with pytest.raises(UserError, match="made for a student with other weights"):
        apply_plan(student_of(seed=1), plan)


def test_costs_are_those_of_the_shapes(student, plan):
    record = costs_record(student_cost(student), student_cost(apply_plan(student, plan)))
    stem = record["layers"][0]
    assert stem["channels"] == [(3, 16), (3, 8)]
    assert stem["params"] == [3 * 36 * 16 + 16, 3 * 36 * 8 + 8]
    assert stem["macs"] == [256 * 256 * 3 * 36 * 16, 256 * 256 * 3 * 36 * 8]
    up = next(layer for layer in record["layers"] if layer["layer"] == "up.conv5")
    assert up["macs"][0] == 128 * 128 * 9 * 32 * 4 * 16  # folded: 3x3 at the lower resolution to four times as many
    haar = 256 * 256 * (12 * 3 * 4 + 12 * 12)
    assert record["totals"]["macs"][0] == sum(layer["macs"][0] for layer in record["layers"]) + haar
    painter = sum(p.numel() for name, p in student.named_parameters() if not name.startswith("style."))
    assert record["totals"]["params"][0] == painter == sum(layer["params"][0] for layer in record["layers"])


def written(folder: Path, student: HaarPainter, plan: Plan) -> dict:
    cost = student_cost(student)
    write_plan(folder / "plan.json", plan, cost, cost)
    return json.loads((folder / "plan.json").read_text())


@pytest.mark.parametrize(
    "change",
    [
        {"format": "brushlet-plan-9"},
        {"groups": None},
        {"groups": [{}]},
        {"ratio": "half"},
        {"kept": []},
        {"kept": [0, 1, 2, 3, 4, 5, 6, 99]},
        {"kept": [7, 6, 5, 4, 3, 2, 1, 0]},
        {"kept": [0, 0, 1, 2, 3, 4, 5, 6]},
        {"kept": [0, 1, 2]},
        {"kept": [0.0, 1, 2, 3, 4, 5, 6, 7]},
        {"channels": 1e9},
        {"importance": ["x"]},
    ],
)
def test_damaged_plans_are_refused(student, plan, tmp_path, change):
    record = written(tmp_path, student, plan)
    for key, value in change.items():
        (record if key in record else record["groups"][0])[key] = value
    (tmp_path / "plan.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="is not a pruning plan, or damaged") as caught:
        read_plan(tmp_path / "plan.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "5", "[" * 100_000, '{"format": "brushlet-plan-1"}'])
def test_other_files_are_no_plans(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UserError, match="is not a pruning plan"):
        read_plan(tmp_path / "plan.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_plan(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": ["nowhere"]},
        {"outputs": ["style.hidden"]},
        {"inputs": ["down"]},
        {"sites": ["trunk"]},
        {"channels": 32, "kept": [*range(7), 31]},
        {"outputs": "stem"},
    ],
)
def test_a_plan_that_does_not_fit_is_refused(student, plan, tmp_path, change):
    record = written(tmp_path, student, plan)
    record["groups"][0].update(change)
    (tmp_path / "plan.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="the plan does not fit this student") as caught:
        apply_plan(student, read_plan(tmp_path / "plan.json"))
    assert "\n" not in str(caught.value)

"""A pruning plan: which channels stay. Made, read, printed and saved before anything changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from distill.layer_costs import SIDE, LayerCost, StudentCost
from distill.prune_groups import Group
from distill.students.haar_painter import rounded
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

FORMAT, PLAN_FILE = "brushlet-plan-1", "plan.json"


@dataclass(frozen=True)
class Cut:
    """What stays of one group: indices of channels, ascending. ``importance`` has a number per channel."""

    group: Group
    kept: tuple[int, ...]
    importance: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """``weights`` is the fingerprint of the student that it was made for, and of no other."""

    ratio: float
    weights: str
    cuts: tuple[Cut, ...]


def make_plan(student: nn.Module, groups: Sequence[Group], importance: Sequence[Tensor], ratio: float) -> Plan:
    """Keep the most important ``1 - ratio`` of each group, to the nearest multiple of 8, at least 8.

    Every group is cut by the same share, so that half of a student has the channels of one of half the width.
    Raises :class:`~runtime.errors.UserError` where that removes nothing.
    """
    cuts = []
    for group, scores in zip(groups, importance, strict=True):
        count = rounded((1 - ratio) * group.channels)
        kept = scores.argsort(descending=True, stable=True)[:count].sort().values
        cuts.append(Cut(group, tuple(kept.tolist()), tuple(scores.tolist())))
    if all(len(cut.kept) == cut.group.channels for cut in cuts):
        raise UserError(nothing_to_prune(groups, ratio))
    return Plan(ratio, fingerprint(student), tuple(cuts))


def nothing_to_prune(groups: Sequence[Group], ratio: float) -> str:
    if all(group.channels == 8 for group in groups):
        return "nothing to prune: every layer of this student has 8 channels, the least that there can be"
    return f"nothing to prune: channels are kept in multiples of 8, and --ratio {ratio:g} of these layers is less"


def fingerprint(student: nn.Module) -> str:
    """SHA-256 of the weights, by name."""
    digest = hashlib.sha256()
    for key, value in sorted(student.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def apply_plan(student: nn.Module, plan: Plan) -> nn.Module:
    """The student with the plan's channels only, in eval mode; ``student`` itself stays as it is.

    Raises :class:`~runtime.errors.UserError` when the plan was made for other weights or does not fit them.
    """
    if fingerprint(student) != plan.weights:
        raise UserError("the plan was made for a student with other weights: make a new one")
    state = dict(student.state_dict())
    try:
        for cut in plan.cuts:
            kept = torch.tensor(cut.kept)
            for layer in cut.group.outputs:
                state[f"{layer}.weight"] = state[f"{layer}.weight"][kept]
                state[f"{layer}.bias"] = state[f"{layer}.bias"][kept]
            for layer in cut.group.inputs:
                state[f"{layer}.weight"] = state[f"{layer}.weight"][:, kept]
        rows = code_rows(student, plan)
        for key in ("style.out.weight", "style.out.bias"):
            state[key] = state[key][rows]
        return type(student).of_weights(state).eval()
    except (LookupError, RuntimeError, ValueError) as error:
        raise UserError(f"the plan does not fit this student: {str(error).splitlines()[0][:200]}") from error


def code_channels(student: nn.Module, plan: Plan) -> Tensor:
    """Which of the M modulated channels stay: indices into a style code's or statistics' last dimension."""
    kept = {site: cut.kept for cut in plan.cuts for site in cut.group.sites}
    offset, chosen = 0, []
    for site in student.sites:
        chosen += [offset + i for i in kept.get(site.name, range(site.channels))]
        offset += site.channels
    return torch.tensor(chosen)


def code_rows(student: nn.Module, plan: Plan) -> Tensor:
    """Rows of the style encoder's last layer that stay: it gives M means, then M deviations."""
    chosen, modulated = code_channels(student, plan), sum(site.channels for site in student.sites)
    return torch.cat([chosen, chosen + modulated])


def write_plan(path: Path, plan: Plan, before: StudentCost, after: StudentCost) -> None:
    """Save the plan with its effect on every layer; only ``ratio``, ``weights`` and ``groups`` are read back."""
    record = {
        "format": FORMAT,
        "ratio": plan.ratio,
        "weights": plan.weights,
        "groups": [{**asdict(cut.group), "kept": cut.kept, "importance": cut.importance} for cut in plan.cuts],
        **costs_record(before, after),
    }
    write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())


def read_plan(path: Path) -> Plan:
    """Read :func:`write_plan` back; ``UserError`` for anything else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError("another format")
        cuts = tuple(_cut(entry) for entry in record["groups"])
        return Plan(float(record["ratio"]), str(record["weights"]), cuts)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UserError(f"{path} is not a pruning plan, or damaged: make a new one with brushlet prune") from error


def _cut(entry: dict[str, Any]) -> Cut:
    names = {key: tuple(map(str, entry[key])) for key in ("outputs", "inputs", "sites")}
    kept, channels = tuple(entry["kept"]), entry["channels"]
    if any(type(i) is not int for i in (*kept, channels)) or not 0 <= min(kept) <= max(kept) < channels:
        raise ValueError("kept channels are not channels")
    if len(kept) % 8 or any(a >= b for a, b in zip(kept, kept[1:], strict=False)):
        raise ValueError("kept channels ascend, and are a multiple of 8")
    return Cut(Group(**names, channels=channels), kept, tuple(map(float, entry["importance"])))


def costs_record(before: StudentCost, after: StudentCost) -> dict[str, Any]:
    """Layers and totals before and after, as JSON."""
    pairs = zip(before.layers, after.layers, strict=True)
    layers = [
        {"layer": a.layer, **{key: [getattr(a, key), getattr(b, key)] for key in ("channels", "params", "macs")}}
        for a, b in pairs
    ]
    totals = {key: [getattr(before, key), getattr(after, key)] for key in ("params", "macs", "style_params")}
    return {"size": SIDE, "layers": layers, "totals": totals}


def plan_table(before: StudentCost, after: StudentCost) -> Table:
    """Layer by layer: channels, parameters and multiply-accumulates before and after."""
    table = Table(title=f"pruning plan (MACs for {SIDE} x {SIDE} pixels)")
    for column in ("layer", "in → out", "pruned", "params", "pruned", "MMACs", "pruned"):
        table.add_column(column, justify="left" if column == "layer" else "right", no_wrap=True)
    for a, b in zip(before.layers, after.layers, strict=True):
        channels = [f"{layer.channels[0]} → {layer.channels[1]}" for layer in (a, b)]
        table.add_row(a.layer, *channels, *_costs(a, b))
    table.add_section()
    table.add_row("painter", "", "", *_costs(before, after))
    table.add_row("of it", "", "", "", f"{after.params / before.params:.0%}", "", f"{after.macs / before.macs:.0%}")
    table.add_row("style encoder", "", "", f"{before.style_params:,}", f"{after.style_params:,}", "", "")
    return table


def _costs(a: LayerCost | StudentCost, b: LayerCost | StudentCost) -> list[str]:
    return [*(f"{cost.params:,}" for cost in (a, b)), *(f"{cost.macs / 1e6:,.0f}" for cost in (a, b))]

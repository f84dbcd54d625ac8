"""From a trained student to a smaller one: a plan, the cut, and distillation that resumes until it has recovered."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from distill.checkpoint import STUDENT_FILE, Trained, load_student, save_student, shipped_students
from distill.distil import Sources, check_folder, distil, judged, open_sources, samples_of
from distill.layer_costs import StudentCost, student_cost
from distill.objective import Objective
from distill.prune_groups import Group, channel_groups
from distill.prune_importance import taylor_importance
from distill.prune_plan import (
    PLAN_FILE,
    Plan,
    apply_plan,
    make_plan,
    nothing_to_prune,
    read_plan,
    write_plan,
)
from distill.run_pictures import Say
from distill.settings import Settings
from distill.teacher_cache import DEFAULT_BYTES
from runtime.errors import UserError

#: The cut student before any recovery, with its scores: what recovery starts from, and starts again from.
PRUNED_FILE = "pruned.safetensors"
#: Steps and rates of recovery. The student is nearly there: steps as large as from random weights would lose it again.
RECOVERY_STEPS, RECOVERY_MUON, RECOVERY_ADAM = 1500, 0.003, 5e-4
#: Batches that importance is measured on, and which: the first that training itself would see.
IMPORTANCE_BATCHES = 32


@dataclass(frozen=True)
class Request:
    """What ``prune`` was asked for beside the settings of recovery."""

    source: str
    ratio: float = 0.5
    out: Path | None = None
    plan: Path | None = None
    plan_only: bool = False
    device: str = "auto"
    resume: bool = False


@dataclass(frozen=True)
class Pruned:
    """Where it is, the plan, what the student costs before and after, and the student.

    ``trained`` is None when only the plan was asked for. Its quality scores ``photo``, ``teacher``, the student
    ``before pruning``, ``pruned`` without recovery, and ``recovered``.
    """

    out: Path
    plan: Plan
    before: StudentCost
    after: StudentCost
    trained: Trained | None = None


def prune(request: Request, console: Console, show: Callable[[Pruned], None], **options: Any) -> Pruned:
    """Prune a run's student and recover it; options of None leave what the run was trained with.

    ``show`` is called with the plan, which is saved, before anything else happens. The run directory is a run as of
    ``distill``: with ``resume`` the recovery in it goes on. Raises :class:`~runtime.errors.UserError` for whatever the
    user can mend.
    """

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    out, original = out_folder(request), prunable(request)
    if request.resume:
        return resumed(request, original, out, console, **options)
    groups = channel_groups(original.student)
    if all(group.channels == 8 for group in groups):
        raise UserError(nothing_to_prune(groups, request.ratio))
    settings = recovery_settings(request, original, out, say, **options)
    check_folder(out, settings, resume=False)
    sources = open_sources(settings, lambda line: None)
    plan = planned(request, original.student, groups, settings, sources)
    smaller = apply_plan(original.student, plan)
    pruned = Pruned(out, plan, student_cost(original.student), student_cost(smaller))
    show(pruned)
    make_folder(out)
    write_plan(out / PLAN_FILE, plan, pruned.before, pruned.after)
    if request.plan_only:
        return pruned
    say("judging before any recovery …")
    history = cut(request, original, smaller, plan, sources, out)
    return replace(pruned, trained=recover(replace(settings, width=smaller.width), request, out, console, history))


def prunable(request: Request) -> Trained:
    """The student that was asked for; ``UserError`` where it, or the ratio, is none that can be pruned."""
    if not 0 < request.ratio < 1:
        raise UserError(f"--ratio must lie between 0 and 1, got {request.ratio:g}")
    original = load_student(request.source)
    if not original.student.sites:
        raise UserError(f"{request.source} has its style folded in: prune a student that paints in any style")
    return original


def out_folder(request: Request) -> Path:
    """``--out``, else ``runs/NAME-pruned`` with the name of the run's folder or file."""
    path = Path(request.source).resolve()
    name = path.parent.name if path.name == STUDENT_FILE else path.name.removesuffix(".safetensors")
    return request.out or Path("runs") / f"{name}-pruned"


def recovery_settings(request: Request, original: Trained, out: Path, say: Say, **options: Any) -> Settings:
    """The settings the student was trained with, for the steps and rates of a recovery from ``out``'s cut weights."""
    try:
        trained_with = Settings.from_json(original.config)
    except UserError as error:
        raise UserError("the student does not say how it was trained, so it cannot recover: distill it anew") from error
    given = {name: value for name, value in options.items() if value is not None}
    if missing := not_here(request.source, trained_with, given):
        gone = f"pictures or weights that are not here ({', '.join(missing)})"
        say(f"{request.source} was trained with {gone}: what ships takes their place")
    # The channels that stay are those that matter, wherever they stand: there are no narrower students in front.
    start = {"student": original.student.architecture, "warm_start": str(out / PRUNED_FILE), "slimmable": False}
    rates = {"steps": RECOVERY_STEPS, "muon_lr": RECOVERY_MUON, "adam_lr": RECOVERY_ADAM}
    return replace(trained_with, **{**dict.fromkeys(missing), **rates, **start, **given})


def not_here(source: str, settings: Settings, given: dict[str, Any]) -> list[str]:
    """Which folders of a student that ships were on its maker's machine only; a user's own that are gone are errors."""
    if source not in shipped_students() or Path(source).exists():
        return []
    folders = {name: getattr(settings, name) for name in ("content", "style", "weights") if name not in given}
    return [name for name, folder in folders.items() if folder and os.sep in folder and not Path(folder).exists()]


def planned(
    request: Request, student: nn.Module, groups: tuple[Group, ...], settings: Settings, sources: Sources
) -> Plan:
    """The plan that was given, or one from the importance of channels on the run's own first batches."""
    if request.plan is not None:
        return read_plan(request.plan)
    samples = samples_of(settings, sources, DEFAULT_BYTES)
    batches = (samples.batch(step) for step in range(IMPORTANCE_BATCHES))
    objective = Objective(copy.deepcopy(student).train(), sources.perceptions, settings.loss)
    return make_plan(student, groups, taylor_importance(objective, groups, batches, "compact"), request.ratio)


def make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from error


def cut(
    request: Request, original: Trained, smaller: nn.Module, plan: Plan, sources: Sources, out: Path
) -> dict[str, Any]:
    """Save the cut student with its scores before any recovery; returns what provenance says of the pruning."""
    quality, _ = judged(sources, {"before pruning": original.student, "pruned": smaller})
    scores = {name: quality["scores"][name] for name in ("before pruning", "pruned")}
    parent = {"from": request.source, "weights": plan.weights, "ratio": plan.ratio}
    history = {"pruning": {**parent, "scores": scores}}
    save_student(out / PRUNED_FILE, Trained(smaller, original.config, {**original.provenance, **history}, quality))
    return history


def recover(settings: Settings, request: Request, out: Path, console: Console, history: dict[str, Any]) -> Trained:
    """Distil from the cut weights; the scores of before stand beside the new ones."""
    trained = distil(settings, out, request.device, request.resume, console=console, history=history)
    scores = dict(trained.quality.get("scores", {}))
    if not scores:  # another process has them
        return trained
    recovered = scores.pop("student")
    scores.update(history["pruning"]["scores"], recovered=recovered)
    flaws = dict(trained.quality["artefacts"])
    flaws["recovered"] = flaws.pop("student")
    return replace(trained, quality={**trained.quality, "scores": scores, "artefacts": flaws})


def resumed(request: Request, original: Trained, out: Path, console: Console, **options: Any) -> Pruned:
    """Go on with the recovery in ``out``, whose plan and cut weights stand."""
    if not (out / PRUNED_FILE).exists() or not (out / PLAN_FILE).exists():
        raise UserError(f"there is no pruned student in {out} to go on with: leave out --resume to start")
    plan, start = read_plan(out / PLAN_FILE), load_student(out / PRUNED_FILE)
    if request.plan is None and plan.ratio != request.ratio:
        raise UserError(
            f"the student in {out} was pruned with --ratio {plan.ratio:g}: repeat that, or choose another --out"
        )
    settings = recovery_settings(request, original, out, lambda line: None, **options)
    settings = replace(settings, width=start.student.width)
    history = {"pruning": start.provenance["pruning"]}
    trained = recover(settings, request, out, console, history)
    return Pruned(out, plan, student_cost(original.student), student_cost(start.student), trained)

"""What ``prune`` does between its options and its tables."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from distill.checkpoint import STUDENT_FILE
from distill.prune import Pruned, Request, out_folder, prune
from distill.prune_plan import PLAN_FILE, costs_record, plan_table
from distill.run import report, resumable


def run_and_report(request: Request, as_json: bool, **options: Any) -> Pruned:
    """Prune as asked; the plan's table and the scores go to standard output, as one JSON object if ``as_json``."""
    console = Console(stderr=True)

    def show(pruned: Pruned) -> None:
        if not as_json:
            Console().print(plan_table(pruned.before, pruned.after))

    with resumable(out_folder(request), console):
        pruned = prune(request, console, show, **options)
    if as_json:
        print(json.dumps(as_record(pruned), indent=2))
    elif pruned.trained is None:
        Console().print(f"plan: {pruned.out / PLAN_FILE}", soft_wrap=True, markup=False)
    elif pruned.trained.quality:
        report(pruned.trained, pruned.out, as_json=False)
    return pruned


def as_record(pruned: Pruned) -> dict[str, Any]:
    """Where things are, layers and totals before and after, and the scores where there are any."""
    plan = {"plan": str(pruned.out / PLAN_FILE), "ratio": pruned.plan.ratio}
    made = {"student": str(pruned.out / STUDENT_FILE), **pruned.trained.quality} if pruned.trained else {}
    return {"out": str(pruned.out), **plan, **costs_record(pruned.before, pruned.after), **made}

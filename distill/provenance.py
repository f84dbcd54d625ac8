"""How a student came to be: enough to repeat its run."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from distill.run_pictures import Pictures
from distill.settings import Settings
from distill.teachers import Teacher


def provenance(settings: Settings, teacher: Teacher, pictures: Pictures) -> dict[str, Any]:
    """Who taught whom with what: enough to repeat the run."""
    return {
        "teacher": {
            "name": teacher.name,
            "description": teacher.description,
            "licence": teacher.licence,
            "fingerprint": teacher.fingerprint(),
        },
        "data": {
            kind: {"name": p.name, "pictures": len(p), "fingerprint": p.fingerprint}
            for kind, p in (("content", pictures.content), ("style", pictures.style))
            if p is not None
        },
        **({} if teacher.takes_style else {"frozen": {"style": teacher.style_name}}),
        **({} if teacher.palette is None else {"labels": teacher.palette.to_json()}),
        "command": command_line(),
        "seed": settings.seed,
        "steps": settings.steps,
        "versions": {
            "python": platform.python_version(),
            **{name: installed(name) for name in ("brushlet", "torch", "accelerate", "numpy")},
        },
    }


def earlier_runs(start: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Commands and steps of the runs behind a student, the first one first; ``start`` is its provenance."""
    before = start.get("started_from")
    own = {key: start[key] for key in ("command", "steps") if key in start}
    return [*(before if isinstance(before, list) else []), *([own] if own else [])]


def command_line() -> str:
    """The command that repeats this run from its start, or folds a style again."""
    arguments = [a for a in sys.argv[1:] if a != "--resume"]
    if arguments[:1] in (["prune"], ["export"]):  # only the front door knows them; distill is a command of its own too
        return shlex.join(["brushlet", *arguments])
    return shlex.join(arguments if arguments[:1] == ["distill"] else ["distill", *arguments])


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

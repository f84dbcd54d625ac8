"""Run directories: the student as safetensors with its history, and the state training resumes from."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from distill.pretrained import FOLDER
from distill.students import build_student
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

STUDENT_FILE, STATE_FILE = "student.safetensors", "checkpoint.pt"
FORMAT = "brushlet-student-1"


@dataclass(frozen=True)
class Trained:
    """A student with its history: ``config`` (settings), ``provenance`` (teacher, data, versions …) and ``quality``."""

    student: nn.Module
    config: dict[str, Any]
    provenance: dict[str, Any]
    quality: dict[str, Any]


def save_student(path: Path, trained: Trained, half: bool = False) -> None:
    """Write a student atomically; ``half`` stores fp16, as for those that ship."""
    student = trained.student
    state = {k: (v.half() if half else v.float()).detach().cpu().contiguous() for k, v in student.state_dict().items()}
    record = {
        "architecture": {"name": student.architecture, **student.shape},
        "config": trained.config,
        "provenance": trained.provenance,
        "quality": trained.quality,
    }
    write_atomically(path, save(state, {"format": FORMAT, "record": json.dumps(record)}))


def load_student(source: Path | str) -> Trained:
    """Read a run directory, a ``student.safetensors`` or the name of a student that ships; on the CPU, in eval mode.

    Raises :class:`~runtime.errors.UserError` for a missing or truncated file, another file format, or another
    architecture than the weights fit.
    """
    path = student_path(source)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a readable student (truncated, or not safetensors): {error}") from error
    if metadata.get("format") != FORMAT:
        raise UserError(f"{path} holds weights, but not of a brushlet student; distill one, or give a run directory")
    try:
        record = json.loads(metadata["record"])
        student = build_student(**record["architecture"])
        student.load_state_dict(state)
        history = [dict(record[name]) for name in ("config", "provenance", "quality")]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} is a student of another architecture, or damaged: {first_line(error)}") from error
    return Trained(student.eval(), *history)


def student_path(source: Path | str) -> Path:
    path = Path(source)
    shipped = FOLDER / f"{source}.safetensors"
    if path.is_dir():
        path = path / STUDENT_FILE
        if not path.exists():
            raise UserError(
                f"{source} holds no {STUDENT_FILE}: is it a run of distill? One that was stopped goes on with --resume"
            )
    elif not path.exists() and path.name == str(source) and shipped.exists():
        path = shipped
    elif not path.exists():
        ships = ", ".join(shipped_students()) or "none yet"
        raise UserError(f"{source} does not exist; give a run directory of distill, or a student that ships ({ships})")
    return path


def shipped_students() -> list[str]:
    """Names of the students that ship."""
    return sorted(p.stem for p in FOLDER.glob("*-w*.safetensors"))


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write training state (tensors, numbers, strings) atomically."""
    data = io.BytesIO()
    torch.save(state, data)
    write_atomically(path, data.getvalue())


def load_state(path: Path) -> dict[str, Any]:
    """Read :func:`save_state` back without executing pickles; ``UserError`` when it is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged archives
        raise UserError(
            f"the checkpoint {path} cannot be read ({first_line(error)}); delete it to start again"
        ) from error


def first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]

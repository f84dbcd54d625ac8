"""What is measured: a bundle through the runtime, or a teacher through torch, as callables on the same pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.job import Target
from runtime.bundle import ROLES
from runtime.errors import UserError
from runtime.framing import STYLE_SHORT_SIDE, pad, to_tensor
from runtime.style_code import StyleCode
from runtime.stylizer import Stylizer


@dataclass(frozen=True)
class LoadedSubject:
    """A subject that is ready to run: ``calls`` has one callable without arguments for each part asked for."""

    description: str
    engine: str
    engine_version: str
    providers: tuple[str, ...]
    calls: dict[str, Callable[[], object]]


def open_subject(target: Target, parts: Sequence[str], size: int, threads: int) -> LoadedSubject:
    """Load a target for square pictures of ``size`` pixels. Raises UserError where that is not possible."""
    content, style = example_picture(size), example_picture(STYLE_SHORT_SIDE, seed=1)
    if target.kind == "teacher":
        return _open_teacher(target, content, style, threads)
    return _open_bundle(target, parts, content, style, threads)


def example_picture(size: int, seed: int = 0) -> np.ndarray:
    """A picture like a photo in that it has broad shades and fine grain: uint8 (size, size, 3), always the same."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, size, dtype=np.float32), np.linspace(0, 1, size, dtype=np.float32))
    picture = np.empty((size, size, 3), np.uint8)
    for channel, (a, b, c) in enumerate(rng.uniform(-3, 3, (3, 3))):
        shade = 128 + 80 * np.sin(2 * np.pi * (across * a + down * b + c))
        picture[:, :, channel] = np.clip(shade + rng.normal(0, 12, shade.shape), 0, 255)
    return picture


def _open_bundle(
    target: Target, parts: Sequence[str], content: np.ndarray, style: np.ndarray, threads: int
) -> LoadedSubject:
    stylizer = Stylizer.load(target.source, engine=target.engine, threads=threads)
    for role in ROLES:  # the stylizer would load each at its first use, which is not to be measured as a run
        stylizer.engine(role)
    code = stylizer.style(style)
    student = stylizer.student
    offers: dict[str, Callable[[], Callable[[], object]]] = {
        "model": lambda: partial(stylizer.engine("paint").run, _paint_feeds(stylizer, content, code)),
        "end_to_end": lambda: partial(stylizer, content, code),
        "both_pictures": lambda: partial(stylizer, content, style),
    }
    return LoadedSubject(
        description=f"student {student.architecture}, width {student.width:g}",
        engine=target.engine,
        engine_version=str(getattr(sys.modules.get(target.engine), "__version__", "unknown")),
        providers=_providers(target.engine),
        calls={part: offers[part]() for part in parts},
    )


def _paint_feeds(stylizer: Stylizer, content: np.ndarray, code: StyleCode) -> dict[str, np.ndarray]:
    """The inputs of the paint graph, as `Stylizer.paint` makes them."""
    padded, _ = pad(content, stylizer.student.size_multiple, 0, "edge")
    feeds = {"content": to_tensor(padded)}
    for index, (scale, shift) in enumerate(stylizer.affine(content, code)):
        feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
    return feeds


def _providers(engine: str) -> tuple[str, ...]:
    """The execution providers that the runtime asks for; it fails rather than fall back to others."""
    if engine != "onnxruntime":
        return ()
    from runtime.engines.onnxruntime_engine import DEFAULT_PROVIDERS

    return DEFAULT_PROVIDERS


def _open_teacher(target: Target, content: np.ndarray, style: np.ndarray, threads: int) -> LoadedSubject:
    try:
        import torch

        from export.teacher_runner import teacher_callable
    except ModuleNotFoundError as error:
        raise UserError(f"a teacher runs in torch ({error}): pip install 'brushlet[distill]'") from error
    weights = Path(target.weights) if target.weights else None
    call, description = teacher_callable(target.source, weights, content.shape[0], threads)
    return LoadedSubject(
        description=description,
        engine="torch",
        engine_version=torch.__version__,
        providers=("CPU",),
        calls={"both_pictures": partial(call, content, style)},
    )

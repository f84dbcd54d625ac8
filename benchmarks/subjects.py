"""What is measured, as callables on the same pictures: a bundle, a teacher in torch, or a peer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

from benchmarks.file_run import FileRun
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
    """Load a target for square pictures of ``size`` pixels; the part "files" keeps its files in the working folder.

    Raises UserError where that is not possible.
    """
    content, style = example_picture(size), example_picture(STYLE_SHORT_SIDE, seed=1)
    if target.kind == "teacher":
        return _open_teacher(target, content, style, threads)
    if target.kind == "peer":
        return _open_peer(target, parts, content, style, threads)
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
    stylizer = Stylizer.load(target.source, engine=target.engine, threads=threads, precision=target.precision)
    student, content = stylizer.student, stylizer.stand_in(content)
    for role in ("paint",) if student.fixed_style else ROLES:
        stylizer.engine(role)  # it would be loaded at its first use, which is not to be measured as a run
    code = None if student.fixed_style else stylizer.style(style)
    offers: dict[str, Callable[[], Callable[[], object]]] = {
        "model": lambda: partial(stylizer.engine("paint").run, _paint_feeds(stylizer, content, code)),
        "end_to_end": lambda: partial(stylizer, content, code),
        "files": lambda: FileRun(stylizer, code, content, Path.cwd()),
        "style": lambda: partial(stylizer.style, style),
        "both_pictures": lambda: partial(stylizer, content, None if student.fixed_style else style),
    }
    return LoadedSubject(
        description=f"student {student.architecture}, width {student.width:g}",
        engine=target.engine,
        engine_version=str(getattr(sys.modules.get(target.engine), "__version__", "unknown")),
        providers=_providers(target.engine),
        calls={part: offers[part]() for part in parts},
    )


def _paint_feeds(stylizer: Stylizer, content: np.ndarray, code: StyleCode | None) -> dict[str, np.ndarray]:
    """The inputs of the paint graph for the picture as it is: without the margin that `Stylizer.paint` adds."""
    padded, _ = pad(content, stylizer.student.size_multiple, 0, "edge")
    feeds = {"content": to_tensor(padded)}
    for index, (scale, shift) in enumerate([] if code is None else stylizer.affine(content, code)):
        feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
    return feeds


def _providers(engine: str) -> tuple[str, ...]:
    """The execution providers that the runtime asks for; it fails rather than fall back to others."""
    if engine != "onnxruntime":
        return ()
    from runtime.engines.onnxruntime_engine import DEFAULT_PROVIDERS

    return DEFAULT_PROVIDERS


def _open_peer(
    target: Target, parts: Sequence[str], content: np.ndarray, style: np.ndarray, threads: int
) -> LoadedSubject:
    from benchmarks.peers.prepared import PreparedPeer
    from benchmarks.peers.run_peer import open_peer

    prepared = PreparedPeer.load(target.source)
    peer = open_peer(prepared, threads)
    code = peer.code(style)
    offers: dict[str, Callable[[], Callable[[], object]]] = {
        "model": lambda: partial(peer.run, peer.feeds(content, code)),
        "end_to_end": lambda: partial(peer.paint, content, code),
        "style": lambda: partial(peer.code, style),
    }
    return LoadedSubject(
        description=prepared.description,
        engine=target.engine,
        engine_version=metadata.version("ai-edge-litert" if target.engine == "litert" else target.engine),
        providers=_providers(target.engine),
        calls={part: offers[part]() for part in parts},
    )


def open_painter(target: Target, threads: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A bundle or a peer as a function of content and style, uint8 (H, W, 3) each, to a picture of the content's size.

    Raises UserError where it cannot be loaded.
    """
    if target.kind == "peer":
        from benchmarks.peers.prepared import PreparedPeer
        from benchmarks.peers.run_peer import open_peer

        peer = open_peer(PreparedPeer.load(target.source), threads)
        return lambda content, style: peer.paint(content, peer.code(style))
    stylizer = Stylizer.load(target.source, engine=target.engine, threads=threads, precision=target.precision)
    if stylizer.student.fixed_style:
        return lambda content, style: stylizer(stylizer.stand_in(content))
    return lambda content, style: stylizer(content, style)


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

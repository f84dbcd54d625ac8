"""The work of ``brushlet stylize`` for videos: files in, files out, with a progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from runtime.contents import Content, refuse_to_overwrite
from runtime.errors import UserError
from runtime.shipped import DEFAULT_MODEL
from runtime.stylize_files import StylizeJob, make_folder, stylizer_options
from runtime.stylizer import Stylizer
from runtime.video.encoders import CONTAINERS, container_for
from runtime.video.frame_stylizer import FrameStylizer
from runtime.video.one_style import style_of_frames
from runtime.video.recognise import is_video
from runtime.video.stylize_video import Progress, VideoInterrupted, VideoSummary, stylize_video


def run_video_job(job: StylizeJob, as_json: bool = False) -> None:
    """Paint every video of the job and print what was written; a bad one among several is reported and skipped.

    Raises:
        UserError: pictures among the videos, an option that makes no sense, a bad model or style, a video that could
            not be painted or ended too early; what could be painted of that one is written.
        VideoInterrupted: Ctrl-C; what was painted is written.
    """
    outputs = plan_video_outputs(job.contents, job.output)
    inputs = [*job.style.files, *([Path(job.video.style_to)] if job.video.style_to else [])]
    refuse_to_overwrite(inputs, list(map(Content, job.contents, outputs)))
    steadiness = job.video.steadiness
    summaries: list[VideoSummary] = []
    failures: list[str] = []
    with Stylizer.load(job.model or DEFAULT_MODEL, job.engine, job.threads, **stylizer_options(job)) as stylizer:
        code = style_of_frames(job, stylizer)
        code_to = stylizer.style(job.video.style_to) if job.video.style_to else None
        for content, output in zip(job.contents, outputs, strict=True):
            if len(job.contents) > 1:
                make_folder(output.parent)
            try:
                with _progress_bar(content.name, shown=not as_json) as progress:
                    summary = stylize_video(
                        stylizer,
                        content,
                        code,
                        output,
                        job.controls.strength,
                        style_to=code_to,
                        long_side=job.size,
                        steadiness=steadiness,
                        codec=job.video.codec,
                        progress=progress,
                    )
            except VideoInterrupted as interrupt:
                _print_summary(interrupt.summary, as_json=False)
                print(f"note: {output} ends where it was interrupted", file=sys.stderr)
                raise
            except UserError as error:
                failures.append(str(error))
                continue
            summaries.append(summary)
            _print_summary(summary, as_json)
            if not summary.complete:
                failures.append(_shortfall(summary))
        name = stylizer.bundle.manifest.name
    if as_json:
        asked = {"engine": job.engine, "precision": job.precision, "styles": job.style.styles}
        asked["strength"] = job.controls.strength
        print(json.dumps({"model": name, **asked, "videos": [asdict(summary) for summary in summaries]}, indent=1))
    _raise_failures(failures, len(job.contents))


def plan_video_outputs(contents: list[Path], output: Path | None) -> list[Path]:
    """Where each video goes: `output`, or NAME-stylized with the original's suffix in the folder `output` or this one.

    Raises:
        UserError: a content is no video, `output` is no name for one, or two would be written to one file.
    """
    for content in contents:
        if not is_video(content):
            raise UserError(f"{content} is not a video: stylize pictures and videos one after the other")
    names = [content.stem + "-stylized" + _suffix(content) for content in contents]
    if output is None:
        return _distinct([Path(name) for name in names])
    if len(contents) == 1 and not output.is_dir():
        container_for(output)  # raises for a suffix that cannot be written, before any work is done
        return [output]
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file: several videos need a folder to go to")
    return _distinct([output / name for name in names])


def _suffix(content: Path) -> str:
    return content.suffix if content.suffix.lower() in CONTAINERS else ".mp4"


def _distinct(outputs: list[Path]) -> list[Path]:
    for index, path in enumerate(outputs):
        if path in outputs[:index]:
            raise UserError(f"two videos would both be written to {path}: stylize them one by one")
    return outputs


@contextmanager
def _progress_bar(name: str, shown: bool) -> Iterator[Progress]:
    """A bar with frames, frames per second and the time left, on a terminal only."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]} fps"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, disable=not shown or not console.is_terminal, transient=True) as bar:
        task = bar.add_task(escape(name), total=None, fps="–")

        def progress(done: int, expected: int | None, painter: FrameStylizer) -> None:
            fps = done / max(bar.tasks[task].elapsed or 0.0, 1e-9)
            bar.update(task, completed=done, total=expected and max(expected, done), fps=f"{fps:.1f}")

        yield progress


def _print_summary(summary: VideoSummary, as_json: bool) -> None:
    for note in summary.notes:
        print(f"note: {note}", file=sys.stderr)
    if not as_json:
        print(
            f"{summary.output}  {summary.width}x{summary.height}  {summary.frames} frames in {summary.seconds:.1f} s  "
            f"{summary.fps:.1f} fps ({summary.painting_fps:.1f} of painting alone)  sound: {summary.audio}"
        )


def _shortfall(summary: VideoSummary) -> str:
    of = f" of {summary.expected_frames}" if summary.expected_frames else ""
    return (
        f"{summary.content} is damaged or incomplete: {summary.output} holds the {summary.frames}{of} frames "
        "that could be read"
    )


def _raise_failures(failures: list[str], videos: int) -> None:
    if failures and videos == 1:
        raise UserError(failures[0])
    for failure in failures:
        print(f"skipped or cut short: {failure}", file=sys.stderr)
    if failures:
        raise UserError(f"{len(failures)} of {videos} videos could not be painted whole")

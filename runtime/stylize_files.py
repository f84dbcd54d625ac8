"""The work of ``brushlet stylize``: picture files in, picture files out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from runtime.claim import Claim
from runtime.contents import Content, find_contents, refuse_to_overwrite
from runtime.controls import Controls
from runtime.errors import UserError
from runtime.image_files import Picture, keeps_alpha, read_picture, write_picture
from runtime.label_maps import Palette, read_label_map
from runtime.large_files import LargePicture, open_large
from runtime.overlapped import Overlapped
from runtime.painter import Progress
from runtime.progress_bar import ProgressBar
from runtime.shipped import DEFAULT_MODEL
from runtime.style_options import StyleOf, StyleOptions, tell_words
from runtime.stylize_large import paint_large
from runtime.stylizer import Stylizer
from runtime.video.options import VideoOptions
from runtime.video.recognise import is_video

MAX_SIZE = 65536


@dataclass(frozen=True)
class StylizeJob:
    """What the command line asked for; the fields are its options."""

    contents: list[Path]
    style: StyleOptions
    model: str | None = None
    controls: Controls = field(default_factory=Controls)
    size: int | None = None
    output: Path | None = None
    engine: str = "onnxruntime"
    threads: int | None = None
    precision: str = "fp32"
    providers: tuple[str, ...] = ()
    tile: int | None = None
    library: Path | None = None
    recursive: bool = False
    overwrite: bool = False
    video: VideoOptions = field(default_factory=VideoOptions)


@dataclass(frozen=True)
class Painted:
    """One picture that was written; `seconds` is the stylizing, of large pictures with reading and writing files."""

    content: str
    output: str
    width: int
    height: int
    seconds: float
    transparency_lost: bool


@dataclass
class Outcome:
    """What became of the contents."""

    painted: list[Painted] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


def run_job(job: StylizeJob, as_json: bool = False) -> None:
    """Stylize every content and print what was written; a bad picture among several is reported and skipped.

    Raises:
        UserError: an option that makes no sense, a bad model or style, or a content that could not be stylized.
    """
    if job.video.camera is not None or job.video.mjpeg is not None:
        from runtime.video.camera_job import run_camera_job

        return run_camera_job(job, as_json)
    check_job(job)
    if any(is_video(content) for content in job.contents):
        from runtime.video.video_job import run_video_job

        return run_video_job(job, as_json)
    contents = find_contents(job.contents, job.output, job.recursive)
    refuse_to_overwrite(job.style.files, contents)
    with Stylizer.load(job.model or DEFAULT_MODEL, job.engine, job.threads, **stylizer_options(job)) as stylizer:
        stylizer.require_fitting(job.style.styles[0] if job.style.styles else None, job.controls.strength)
        tell_words(stylizer, job.style.styles)
        outcome = _paint_all(stylizer, job.style.resolve(stylizer), contents, job, as_json)
        name = stylizer.bundle.manifest.name
    if as_json:
        asked = {"engine": job.engine, "precision": job.precision, "styles": job.style.styles, **asdict(job.controls)}
        result = {"pictures": [asdict(item) for item in outcome.painted]}
        print(
            json.dumps(
                {"model": name, **asked, **result, "skipped": outcome.skipped, "failed": outcome.failed}, indent=1
            )
        )
    elif outcome.skipped:
        print(f"{len(outcome.skipped)} of {len(contents)} were there already (--overwrite paints them again)")
    if outcome.failed:
        raise UserError(f"{len(outcome.failed)} of {len(contents)} pictures could not be stylized")


def check_job(job: StylizeJob) -> None:
    """Refuse options that make no sense before anything is loaded."""
    if job.size is not None and not 1 <= job.size <= MAX_SIZE:
        raise UserError(f"--size must be from 1 to {MAX_SIZE} pixels, not {job.size}")
    if job.threads is not None and job.threads < 1:
        raise UserError(f"--threads must be 1 or more, not {job.threads}")
    if job.tile is not None and not 64 <= job.tile <= 4096:
        raise UserError(f"--tile must be from 64 to 4096 pixels, not {job.tile}")
    if job.providers and job.engine != "onnxruntime":
        raise UserError(f"--provider is for the engine onnxruntime, not for {job.engine}")


def stylizer_options(job: StylizeJob) -> dict[str, object]:
    """What `Stylizer.load` takes besides model, engine and threads."""
    providers = {"providers": job.providers} if job.providers else {}
    return {"precision": job.precision, "tile": job.tile, "library": job.library, **providers}


def _paint_all(
    stylizer: Stylizer, style_of: StyleOf, contents: list[Content], job: StylizeJob, as_json: bool
) -> Outcome:
    """Read ahead, paint, and write behind: one picture is painted at a time, by all threads of the engine."""
    outcome = Outcome(skipped=[str(c.output) for c in contents if c.skips and not job.overwrite and c.output.exists()])
    todo = [content for content in contents if str(content.output) not in outcome.skipped]
    read = partial(_read, size=job.size, palette=stylizer.palette)
    with ProgressBar(len(todo), shown=not as_json) as bar, Overlapped(read, todo) as work:

        def settle(content: Content, written: Future[Painted]) -> None:
            try:
                painted = written.result()
            except UserError as error:
                if len(contents) == 1:
                    raise
                outcome.failed.append({"content": str(content.path), "error": str(error)})
                bar.say(f"skipped: {error}", to_stderr=True)
            else:
                outcome.painted.append(painted)
                _say_painted(painted, bar, as_json)
            bar.advance()

        work.run(partial(_paint_file, stylizer, style_of, job.controls, bar.part), settle)
    return outcome


def _read(content: Content, size: int | None, palette: Palette | None) -> Picture | LargePicture:
    if palette is not None:
        return read_label_map(content.path, palette, size)
    large = open_large(content.path, size)
    if large is None:
        return read_picture(content.path, long_side=size)
    return large if size is None else Picture(large.reduced(size)).scaled_down(size)


def _paint_file(
    stylizer: Stylizer,
    style_of: StyleOf,
    controls: Controls,
    progress: Progress,
    content: Content,
    picture: Picture | LargePicture,
) -> Callable[[], Painted]:
    """Paint a picture, and return what is left to do, which is to write it."""
    if content.makes_folder:
        make_folder(content.output.parent)
    keeps_alpha(content.output)  # raises for a name that cannot be written
    claim = Claim(content.output)
    start = time.perf_counter()
    try:
        if isinstance(picture, LargePicture):
            paint_large(stylizer, style_of, picture, content.output, controls, progress)
            alpha = picture.alpha
        else:
            result = stylizer.stylize(picture, style_of(picture.rgb), controls, progress)
            alpha = result.alpha is not None
    except BaseException:
        claim.release()
        raise
    seconds = time.perf_counter() - start

    def write() -> Painted:
        with claim:
            if not isinstance(picture, LargePicture):
                write_picture(content.output, result.rgb, result.alpha)
        lost = alpha and not keeps_alpha(content.output)
        size = picture.width, picture.height
        return Painted(str(content.path), str(content.output), *size, round(seconds, 4), lost)

    return write


def make_folder(folder: Path) -> None:
    """Make a folder for results, if it is missing; a UserError says why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror or error}") from error


def _say_painted(painted: Painted, bar: ProgressBar, as_json: bool) -> None:
    if not as_json:
        bar.say(f"{painted.output}  {painted.width}x{painted.height}  {painted.seconds:.2f} s")
    if painted.transparency_lost:
        bar.say(f"note: {painted.output} cannot hold transparency, the picture lies on white", to_stderr=True)

"""The work of ``brushlet stylize``: picture files in, picture files out."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runtime.bundle import open_bundle
from runtime.errors import UserError
from runtime.image_files import keeps_alpha, read_picture, write_picture
from runtime.shipped import DEFAULT_MODEL, SHIPPED, shipped_models
from runtime.style_code import StyleCode
from runtime.stylizer import Stylizer
from runtime.video.options import VideoOptions
from runtime.video.recognise import is_video

MAX_SIZE = 65536


@dataclass(frozen=True)
class StylizeJob:
    """What the command line asked for; the fields are its options."""

    contents: list[Path]
    style: str | None
    model: str | None = None
    strength: float = 1.0
    size: int | None = None
    output: Path | None = None
    engine: str = "onnxruntime"
    threads: int | None = None
    precision: str = "fp32"
    video: VideoOptions = field(default_factory=VideoOptions)


@dataclass(frozen=True)
class Painted:
    """One picture that was written; `seconds` is the stylizing alone, without reading and writing files."""

    content: str
    output: str
    width: int
    height: int
    seconds: float
    transparency_lost: bool


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
    outputs = plan_outputs(job.contents, job.output)
    refuse_to_overwrite([*job.contents, *([Path(job.style)] if job.style else [])], outputs)
    painted: list[Painted] = []
    failures = 0
    with Stylizer.load(job.model or DEFAULT_MODEL, job.engine, job.threads, precision=job.precision) as stylizer:
        stylizer.require_fitting(job.style, job.strength)
        code = stylizer.style(job.style) if job.style else None
        for content, output in zip(job.contents, outputs, strict=True):
            try:
                painted.append(_paint_file(stylizer, code, content, output, job))
            except UserError as error:
                if len(job.contents) == 1:
                    raise
                failures += 1
                print(f"skipped: {error}", file=sys.stderr)
                continue
            if not as_json:
                _print_painted(painted[-1])
        name = stylizer.bundle.manifest.name
    if as_json:
        asked = {key: getattr(job, key) for key in ("engine", "precision", "style", "strength")}
        print(json.dumps({"model": name, **asked, "pictures": [asdict(item) for item in painted]}, indent=1))
    if failures:
        raise UserError(f"{failures} of {len(job.contents)} pictures could not be stylized")


def plan_outputs(contents: list[Path], output: Path | None) -> list[Path]:
    """Where each content's picture goes: `output`, or NAME-stylized.png in the folder `output` or in this one.

    Raises:
        UserError: `output` is no name for a picture, or two contents would be written to one file.
    """
    names = [f"{content.stem}-stylized.png" for content in contents]
    if output is None:
        outputs = [Path(name) for name in names]
    elif len(contents) > 1 or output.is_dir():
        if output.exists() and not output.is_dir():
            raise UserError(f"{output} is a file: several pictures need a folder to go to")
        outputs = [output / name for name in names]
    else:
        keeps_alpha(output)  # raises for a suffix that cannot be written, before any work is done
        outputs = [output]
    for index, path in enumerate(outputs):
        if path in outputs[:index]:
            twin = contents[outputs.index(path)]
            raise UserError(f"{twin} and {contents[index]} would both be written to {path}: stylize them one by one")
    return outputs


def print_models(as_json: bool = False) -> None:
    """Print the students that ship with their styles."""
    manifests = [open_bundle(SHIPPED / name).manifest for name in shipped_models()]
    if as_json:
        print(json.dumps([{"name": m.name, "styles": [style.name for style in m.styles]} for m in manifests], indent=1))
    elif not manifests:
        print("no student ships with this installation: name a bundle's directory with --model")
    else:
        for manifest in manifests:
            print(f"{manifest.name}: styles {', '.join(style.name for style in manifest.styles) or 'none'}")


def check_job(job: StylizeJob) -> None:
    """Refuse options that make no sense before anything is loaded."""
    if not job.contents:
        raise UserError("name a photo to stylize: brushlet stylize photo.jpg --style painting.jpg")
    if not 0 <= job.strength <= 1:
        raise UserError(f"--strength must be from 0 to 1, not {job.strength:g}")
    if job.size is not None and not 1 <= job.size <= MAX_SIZE:
        raise UserError(f"--size must be from 1 to {MAX_SIZE} pixels, not {job.size}")
    if job.threads is not None and job.threads < 1:
        raise UserError(f"--threads must be 1 or more, not {job.threads}")


def refuse_to_overwrite(inputs: list[Path], outputs: list[Path]) -> None:
    """Raise a UserError if an output is one of the inputs."""
    for output in outputs:
        for path in inputs:
            if output.exists() and path.exists() and output.samefile(path):
                raise UserError(f"{output} is one of the inputs and would be overwritten: choose another name with -o")


def _paint_file(stylizer: Stylizer, code: StyleCode | None, content: Path, output: Path, job: StylizeJob) -> Painted:
    picture = read_picture(content, long_side=job.size)
    start = time.perf_counter()
    result = stylizer.stylize(picture, code, job.strength)
    seconds = time.perf_counter() - start
    if len(job.contents) > 1:
        make_folder(output.parent)
    write_picture(output, result.rgb, result.alpha)
    lost = result.alpha is not None and not keeps_alpha(output)
    return Painted(str(content), str(output), result.width, result.height, round(seconds, 4), lost)


def make_folder(folder: Path) -> None:
    """Make a folder for results, if it is missing; a UserError says why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror or error}") from error


def _print_painted(painted: Painted) -> None:
    print(f"{painted.output}  {painted.width}x{painted.height}  {painted.seconds:.2f} s")
    if painted.transparency_lost:
        print(f"note: {painted.output} cannot hold transparency, the picture lies on white", file=sys.stderr)

"""``brushlet stylize``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def stylize(
    contents: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTO...", help="The pictures or videos to stylize.")
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(help="A picture, a saved style code (.json), or the name of a style in the bundle."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A bundle's directory, or the name of a student that ships (the default).")
    ] = None,
    strength: Annotated[float, typer.Option(help="From 0 (the photo) to 1 (the full style).")] = 1.0,
    size: Annotated[int | None, typer.Option(help="Scale the photo down to this long side, in pixels.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Output file (.png, .jpg, .webp, .tiff; .mp4, .mov, .mkv, .webm), or a folder for several.",
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="What runs the graphs: onnxruntime, openvino, tensorrt or tensorrt-rtx.")
    ] = "onnxruntime",
    precision: Annotated[
        str, typer.Option(help="Which of the bundle's graphs run: fp32, fp16 or int8, as exported.")
    ] = "fp32",
    threads: Annotated[int | None, typer.Option(help="Worker threads; the engine chooses by default.")] = None,
    codec: Annotated[
        str, typer.Option(help="Videos: what encodes: auto, hardware, or an encoder of ffmpeg such as libx265.")
    ] = "auto",
    style_to: Annotated[
        str | None, typer.Option(help="Videos: the style at the end; --style turns into it evenly.")
    ] = None,
    steady: Annotated[
        float,
        typer.Option(help="Videos: smooth the statistics over about this many seconds; 0 takes each frame's own."),
    ] = 0.5,
    blend: Annotated[
        float, typer.Option(help="Videos: blend with earlier pictures where nothing moves, over seconds; 0 doesn't.")
    ] = 0.1,
    camera: Annotated[
        str | None, typer.Option(help="Paint a camera's pictures live: its number, device, or a video that plays one.")
    ] = None,
    mjpeg: Annotated[
        int | None, typer.Option(metavar="PORT", help="Show the camera at http://127.0.0.1:PORT instead of a window.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of text.")] = False,
    list_models: Annotated[bool, typer.Option("--list-models", help="List the students that ship, and stop.")] = False,
) -> None:
    """Paint photos, videos or a camera's pictures in a style.

    Example: brushlet stylize photo.jpg --style painting.jpg -o out.png

    Example: brushlet stylize clip.mp4 --style painting.jpg -o out.mp4

    Example: brushlet stylize --camera 0 --style painting.jpg --mjpeg 8080
    """
    from runtime.stylize_files import StylizeJob, print_models, run_job
    from runtime.video.options import VideoOptions

    if list_models:
        print_models(as_json)
        return
    video = VideoOptions(codec, style_to, steady, blend, camera, mjpeg)
    job = StylizeJob(contents or [], style, model, strength, size, output, engine, threads, precision, video)
    run_job(job, as_json)

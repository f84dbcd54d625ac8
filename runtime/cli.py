"""``brushlet stylize``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def stylize(
    contents: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTO...", help="Pictures, folders of them, or videos.")
    ] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(
            help="A picture, a saved style code (.json), the name of a style in the bundle, or words that describe it; "
            "again for a mixture, with weights as in a.jpg:0.7, or for one style per region."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A bundle's directory, or the name of a student that ships (the default).")
    ] = None,
    strength: Annotated[float, typer.Option(help="From 0 (the photo) to 1 (the full style).")] = 1.0,
    exact: Annotated[
        bool, typer.Option("--exact", help="What is not stylized stays the photo itself, bit by bit; may paint twice.")
    ] = False,
    stroke: Annotated[float, typer.Option(help="Size of the brush strokes, 0.25 to 8 times the usual.")] = 1.0,
    preserve_color: Annotated[
        str, typer.Option(help="Keep the photo's colours: luminance (paint the brightness only) or histogram.")
    ] = "",
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            help="A grey picture, white where its style goes; one for each --style. One more --style is the rest's."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A picture in plain colours; from dark to light they take the styles in order."),
    ] = None,
    segment: Annotated[
        Path | None,
        typer.Option(
            help="An ONNX model that finds the subject, which takes the first --style; a second is the background's."
        ),
    ] = None,
    feather: Annotated[
        float, typer.Option(help="How soft the regions' edges are, as a part of the photo's long side.")
    ] = 0.005,
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
        str, typer.Option(help="What runs the graphs: onnxruntime, openvino, coreml, tensorrt or tensorrt-rtx.")
    ] = "onnxruntime",
    precision: Annotated[
        str, typer.Option(help="Which of the bundle's graphs run: fp32, fp16 or int8, as exported.")
    ] = "fp32",
    threads: Annotated[int | None, typer.Option(help="Worker threads; the engine chooses by default.")] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            help="Execution provider of onnxruntime: cpu, cuda, tensorrt, coreml, xnnpack, qnn, openvino or directml; "
            "again for a second choice."
        ),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Side of the tiles of large photos, in pixels; free memory decides by default.")
    ] = None,
    library: Annotated[
        Path | None, typer.Option(help="A style library to look words up in; the student's by default.")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Look into the folders of a folder too.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Paint those of a folder again whose painting is there.")
    ] = False,
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

    Example: brushlet stylize photo.jpg --style sunflowers:0.7 --style mine.json:0.3 --strength 0.8

    Example: brushlet stylize photo.jpg --style "stormy sea, thick strokes" -o out.png

    Example: brushlet stylize photo.jpg --mask sky.png --style sunflowers --style painting.jpg --exact

    Example: brushlet stylize holiday/ --recursive --style painting.jpg -o painted/

    Example: brushlet stylize clip.mp4 --style painting.jpg -o out.mp4

    Example: brushlet stylize --camera 0 --style painting.jpg --mjpeg 8080
    """
    from runtime.controls import Controls
    from runtime.style_options import StyleOptions
    from runtime.stylize_files import StylizeJob, run_job
    from runtime.video.options import VideoOptions

    if list_models:
        from runtime.shipped_table import print_models

        print_models(as_json)
        return
    job = StylizeJob(
        contents=contents or [],
        style=StyleOptions(tuple(style or ()), tuple(mask or ()), labels, segment, feather),
        model=model,
        controls=Controls(strength, exact, stroke, preserve_color),
        size=size,
        output=output,
        engine=engine,
        threads=threads,
        precision=precision,
        providers=tuple(provider or ()),
        tile=tile,
        library=library,
        recursive=recursive,
        overwrite=overwrite,
        video=VideoOptions(codec, style_to, steady, blend, camera, mjpeg),
    )
    run_job(job, as_json)

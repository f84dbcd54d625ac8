"""The work of ``brushlet stylize --camera``: a camera's pictures, painted and shown until someone stops it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from runtime.errors import UserError
from runtime.shipped import DEFAULT_MODEL
from runtime.stylize_files import StylizeJob, stylizer_options
from runtime.stylizer import Stylizer
from runtime.video.camera import Camera
from runtime.video.frame_stylizer import FrameStylizer
from runtime.video.mjpeg_server import MjpegServer
from runtime.video.one_style import style_of_frames
from runtime.video.preview_window import PreviewWindow, window_works


class Screen(Protocol):
    """Where painted pictures are shown."""

    closed: bool

    def show(self, picture: np.ndarray) -> None:
        """Show a picture, uint8 (H, W, 3)."""
        ...


@dataclass(frozen=True)
class CameraSummary:
    """What was shown; `dropped` frames came while others were painted, `painting_fps` counts the painting alone."""

    camera: str
    frames: int
    dropped: int
    fps: float
    painting_fps: float
    seconds: float


def run_camera_job(job: StylizeJob, as_json: bool = False) -> None:
    """Paint and show until the window is closed, the source ends, or Ctrl-C, which is the usual way to stop.

    Raises:
        UserError: no such camera, an option that makes no sense, a bad model or style, a port that is taken, or a
            camera that stops giving pictures.
    """
    name, steadiness = job.video.require_camera(), job.video.steadiness
    if job.contents or job.output:
        raise UserError("a camera is shown, not written: leave out files and -o")
    windowed = job.video.mjpeg is None and window_works()  # before the camera, which brings PyAV
    with Stylizer.load(job.model or DEFAULT_MODEL, job.engine, job.threads, **stylizer_options(job)) as stylizer:
        painter = stylizer.frames(style_of_frames(job, stylizer), job.controls.strength, steadiness)
        with Camera.open(name, job.size) as camera, _screen(windowed, job.video.mjpeg) as screen:
            summary = show_camera(name, camera, painter, screen)
    if as_json:
        print(json.dumps(asdict(summary), indent=1))
    else:
        print(f"{summary.frames} frames  {summary.fps:.1f} fps ({summary.painting_fps:.1f} of painting alone)")
    if camera.error is not None:
        raise UserError(f"the camera {name} stopped giving pictures: {camera.error}") from camera.error


def show_camera(
    name: str,
    camera: Camera,
    painter: FrameStylizer,
    screen: Screen,
    clock: Callable[[], float] = time.perf_counter,
) -> CameraSummary:
    """Paint and show frame after frame until the screen is closed, the camera ends or Ctrl-C."""
    begun, frames = clock(), 0
    try:
        for frame in camera:
            screen.show(painter(frame))
            frames += 1
            if screen.closed:
                break
    except KeyboardInterrupt:
        pass
    seconds = max(clock() - begun, 1e-9)
    painting = frames / max(painter.painting_seconds, 1e-9)
    return CameraSummary(
        name, frames, camera.dropped, round(frames / seconds, 2), round(painting, 2), round(seconds, 2)
    )


def _screen(windowed: bool, port: int | None) -> MjpegServer | PreviewWindow:
    if windowed:
        return PreviewWindow()
    if port is None:
        print("note: no window without a screen and OpenCV (pip install 'brushlet[camera]')", file=sys.stderr)
    server = MjpegServer(port or 0)
    print(f"{server.url} shows the camera; Ctrl-C stops it", file=sys.stderr, flush=True)
    return server

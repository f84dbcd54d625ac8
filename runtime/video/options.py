"""What the command line asks for beyond what pictures have."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import UserError
from runtime.video.steadiness import Steadiness

_PORTS = range(0, 65536)


@dataclass(frozen=True)
class VideoOptions:
    """Options of `brushlet stylize` for videos and cameras; the fields are named after them.

    Raises:
        UserError: a number that makes no sense.
    """

    codec: str = "auto"
    style_to: str | None = None
    steady: float = Steadiness.statistics
    blend: float = Steadiness.blend
    camera: str | None = None
    mjpeg: int | None = None

    @property
    def steadiness(self) -> Steadiness:
        """Smoothing and blending as settings."""
        for name, seconds in (("--steady", self.steady), ("--blend", self.blend)):
            if not 0 <= seconds <= Steadiness.MAX_SECONDS:
                raise UserError(f"{name} must be from 0 to {Steadiness.MAX_SECONDS:g} seconds, not {seconds:g}")
        return Steadiness(self.steady, self.blend, Steadiness.every if self.steady else 0.0)

    def require_camera(self) -> str:
        """The camera, with the options that belong to it checked."""
        if self.camera is None:
            raise UserError("--mjpeg shows a camera: name it with --camera 0")
        if self.mjpeg is not None and self.mjpeg not in _PORTS:
            raise UserError(f"--mjpeg must be a port from 0 to 65535, not {self.mjpeg}")
        return self.camera

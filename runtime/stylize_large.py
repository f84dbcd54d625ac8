"""A picture file of any size is stylized in bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.canvas import StreamedRows
from runtime.controls import Controls, scaled_for_stroke
from runtime.errors import UserError
from runtime.image_files import keeps_alpha
from runtime.large_files import MAX_STREAMED_PIXELS, LargePicture, require_holds, write_strips
from runtime.painter import Progress
from runtime.style_options import StyleOf
from runtime.stylizer import Stylizer

#: The picture is measured, and its subject found, on a version that is at least this large.
MEASURED_SIDE = 1024


def paint_large(
    stylizer: Stylizer,
    style_of: StyleOf,
    picture: LargePicture,
    output: Path,
    controls: Controls,
    progress: Progress | None = None,
) -> None:
    """Stylize a picture from file to file, strip by strip.

    Raises:
        UserError: the picture is damaged, the output cannot be written, or anything `Stylizer.stylize` raises.
    """
    whole = picture.height, picture.width
    require_holds(output, *whole)
    size = scaled_for_stroke(whole, controls.stroke)
    if size[0] * size[1] > MAX_STREAMED_PIXELS:
        raise UserError(f"stroke {controls.stroke:g} paints {size[1]}x{size[0]} pixels: use a larger one, or --size")
    small = picture.reduced(MEASURED_SIDE)
    look = stylizer.look(small, size, style_of(small), controls)
    source = StreamedRows(*size, picture.strips(size))

    def finish(painted: Any) -> Any:
        painted = picture.with_detail(painted, size)
        return painted.bandjoin(picture.transparency()) if picture.alpha and keeps_alpha(output) else painted

    write_strips(output, size, stylizer.paint_strips(source, look, progress), finish)

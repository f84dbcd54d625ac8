"""The one style that a whole video or camera is painted in."""

from __future__ import annotations

from runtime.controls import Controls
from runtime.errors import UserError
from runtime.style_code import StyleCode
from runtime.style_options import mix_named, tell_words
from runtime.stylize_files import StylizeJob
from runtime.stylizer import Stylizer


def style_of_frames(job: StylizeJob, stylizer: Stylizer) -> StyleCode | None:
    """The style or mixture that was asked for; None for a student whose style is fixed.

    Raises:
        UserError: a style that is not there, or controls that are for pictures only.
    """
    if job.style.masks or job.style.labels or job.style.segment:
        raise UserError("--mask, --labels and --segment are for pictures: a video has one style at a time")
    if job.controls != Controls(job.controls.strength):
        raise UserError("--exact, --stroke and --preserve-color are for pictures: leave them out for a video")
    styles = job.style.styles
    stylizer.require_fitting(styles[0] if styles else None, job.controls.strength)
    tell_words(stylizer, [*styles, *filter(None, [job.video.style_to])])
    return mix_named(stylizer, styles) if styles else None

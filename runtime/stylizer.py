"""Stylizer: a bundle's graphs and the arithmetic between them, as one object that turns pictures into pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime import framing
from runtime.affine import Affine
from runtime.bundle import Bundle, open_bundle
from runtime.bundle_engines import BundleEngines
from runtime.canvas import RowSource
from runtime.colour_transfer import keep_luminance, match_colours
from runtime.controls import (
    Controls,
    affine_per_site,
    make_look,
    require_strength,
    scaled_for_stroke,
    with_detail,
)
from runtime.engines import Engine
from runtime.errors import UserError
from runtime.image_files import MAX_PIXELS, Picture, PictureLike, as_picture
from runtime.label_maps import as_label_map
from runtime.painter import Look, Progress, cut_maps
from runtime.picture_painter import PicturePainter
from runtime.regions import Regions
from runtime.shipped import find_model
from runtime.style_code import StyleCode
from runtime.style_reader import StyleReader

if TYPE_CHECKING:
    from runtime.styles.library import FoundStyle
    from runtime.video.frame_stylizer import FrameStylizer
    from runtime.video.steadiness import Steadiness
    from runtime.video.stylize_video import VideoSummary

MAX_MARGIN = 512

StyleLike = StyleCode | Regions | PictureLike
DEFAULT_CONTROLS = Controls()


class Stylizer:
    """Stylizes pictures with one bundle; `load` makes one. Usable as a context manager and from several threads.

    Each graph is loaded when it is first needed and stays loaded until `close`.

    Args:
        bundle: what `open_bundle` gave.
        engine: name of the engine, see `runtime.engines`.
        threads: worker threads of the engine; None leaves it to the engine. With 1, a picture stays in the caller's.
        precision: of the graphs to run, such as "int8"; style and measure graphs that the bundle lacks in that
            precision or for that engine run as fp32 in ONNX Runtime.
        target: which of several engines that were built for different machines, such as "sm89".
        margin: pixels added around the content before painting and cropped afterwards, so that the painter's zero
            padding stays away from the picture's border.
        margin_mode: what the margin shows: "reflect" or "edge".
        tile: side of the tiles that large contents are painted in, in pixels and with their halos; None chooses by the
            memory that is free, and paints in one piece what fits.
        library: a file of styles to look words up in, made by `brushlet style library`; None takes the one that ships
            for the student's style encoder, if there is one.
        engine_options: passed to the engine, such as `providers` of onnxruntime.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: str = "onnxruntime",
        threads: int | None = None,
        *,
        precision: str = "fp32",
        target: str | None = None,
        margin: int = framing.MARGIN,
        margin_mode: str = "reflect",
        tile: int | None = None,
        library: str | Path | None = None,
        **engine_options: Any,
    ) -> None:
        self._engines = BundleEngines(bundle, engine, threads, precision, target, engine_options)
        if not 0 <= margin <= MAX_MARGIN:
            raise UserError(f"margin must be from 0 to {MAX_MARGIN} pixels, not {margin}")
        if margin_mode not in ("edge", "reflect"):
            raise UserError(f"margin_mode must be 'edge' or 'reflect', not {margin_mode!r}")
        self.bundle = bundle
        self.student = bundle.manifest.student
        self.palette = bundle.manifest.palette
        self._painter = PicturePainter(self._engines, self.student, margin, margin_mode, tile, threads)
        self._styles = StyleReader(bundle, self._encode, library)

    @classmethod
    def load(
        cls, model: str | Path, engine: str = "onnxruntime", threads: int | None = None, **options: Any
    ) -> Stylizer:
        """Open a bundle by its directory, or a student that ships by its name, and verify it.

        Args:
            options: further arguments of the class, such as `margin`.

        Raises:
            UserError: no such bundle, name or engine.
            BundleError: the bundle is damaged.
        """
        return cls(open_bundle(find_model(model)), engine, threads, **options)

    def __call__(
        self,
        content: PictureLike,
        style: StyleLike | None = None,
        strength: float = 1.0,
        *,
        exact: bool = False,
        stroke: float = 1.0,
        preserve_color: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """The content in the style, uint8 (H, W, 3) of the content's size, which may be any.

        Args:
            content: uint8 (H, W, 3) or (H, W, 4) array, Pillow picture, `Picture` or path; for a student that paints
                label maps what `runtime.label_maps.as_label_map` takes.
            style: what `style` takes, or `Regions`; None for a student with one style folded into its weights.
            strength, exact, stroke, preserve_color: see `runtime.controls.Controls`.
            progress: told after each tile how many are done, of how many.

        Raises:
            UserError: a control outside its range, a style where it is fixed or none where it is not, or anything
                `style` raises.
        """
        return self.stylize(content, style, Controls(strength, exact, stroke, preserve_color), progress).rgb

    def stylize(
        self,
        content: PictureLike,
        style: StyleLike | None = None,
        controls: Controls | float = DEFAULT_CONTROLS,
        progress: Progress | None = None,
    ) -> Picture:
        """The same with the content's transparency carried through; `controls` may be the strength alone."""
        if not isinstance(controls, Controls):
            controls = Controls(controls)
        self.require_fitting(style, controls.strength)
        picture = self._content(content, controls)
        size = scaled_for_stroke((picture.height, picture.width), controls.stroke)
        if controls.stroke < 1 and math.prod(size) > MAX_PIXELS:
            raise UserError(
                f"stroke {controls.stroke:g} paints {size[1]}x{size[0]} pixels: use a larger one, or --size"
            )
        scaled = framing.resize(picture.rgb, *size)
        paint = self._painter.begin(scaled)
        painted = paint(self.look(scaled, size, style, controls), progress)
        if size != picture.rgb.shape[:2]:
            painted = with_detail(picture.rgb, scaled, painted)
        return Picture(painted, picture.alpha)

    def look(
        self,
        content: PictureLike,
        size: tuple[int, int],
        style: StyleLike | None,
        controls: Controls = DEFAULT_CONTROLS,
    ) -> Look:
        """What all tiles of a picture are painted with.

        Args:
            content: the picture, or a smaller version of it, from which its statistics are measured.
            size: height and width at which it will be painted.

        Raises:
            UserError: see `__call__`.
        """
        rgb, resolved = as_picture(content).rgb, self._resolved(style)
        stats = None if resolved is None else self.measure(rgb)
        look = make_look(resolved, stats, self.student.sites, size, controls)
        if controls.preserve_color == "luminance":
            return replace(look, colour=keep_luminance)
        if controls.preserve_color == "histogram":
            small = framing.thumbnail(rgb, self.student.thumbnail, self.student.size_multiple)
            proof = self._painter.begin(small)(
                make_look(resolved, stats, self.student.sites, small.shape[:2], controls), None
            )
            return replace(look, colour=match_colours(small, proof))
        return look

    def paint_strips(self, source: RowSource, look: Look, progress: Progress | None = None) -> Iterator[np.ndarray]:
        """Paint a picture that is read row by row: strips from top to bottom, uint8 (n, W, 3) each."""
        return self._painter.strips(source, look, progress)

    def style(self, style: StyleCode | PictureLike) -> StyleCode:
        """The code of a picture (array, Pillow picture or path), of a saved code (.json), or of a style of the bundle.

        A text that is none of these describes a style in words: see `look_up`. Transparent parts of a picture count
        as white.

        Raises:
            UserError: there is no such style or file, or it belongs to another student.
        """
        return self._styles.read(style)

    def look_up(self, words: str) -> FoundStyle:
        """What a style that is described in words is taken for: paintings of the style library, mixed.

        Raises:
            UserError: the student has no library, or no painting in it fits any word.
        """
        return self._styles.look_up(words)

    def measure(self, content: PictureLike) -> np.ndarray:
        """The content's mean and deviation per modulated channel, float32 (2, M), from its thumbnail."""
        rgb = as_picture(content).rgb
        thumbnail = framing.thumbnail_tensor(rgb, self.student.thumbnail, self.student.size_multiple)
        return self._run_for_rows("measure", {"thumbnail": thumbnail}, "stats")

    def affine(self, content: PictureLike, code: StyleCode, strength: float = 1.0) -> list[Affine]:
        """Scale and shift per site, float32 (1, C, 1, 1) each, that paint this content in that style."""
        require_strength(strength)
        return affine_per_site(self._styles.require_own(code), self.measure(content), strength, self.student.sites)

    def paint(self, content: PictureLike, affine: Sequence[Affine]) -> np.ndarray:
        """Paint the content with one affine per site: uint8 (H, W, 3) of the content's size.

        Args:
            affine: scale and shift, (1, C, 1, 1) each, or as maps of the content with its frame.

        Raises:
            UserError: a graph that does not do what its manifest says.
        """
        return self.begin(content)(affine)

    def begin(self, content: PictureLike) -> Callable[[Sequence[Affine]], np.ndarray]:
        """`paint` in two steps: what is returned paints the content, which is made ready while the affine is found."""
        paint = self._painter.begin(as_picture(content).rgb)
        return lambda affine: paint(Look(cut_maps(affine, self.student.sites, self._painter.margin)), None)

    def frames(
        self,
        style: StyleCode | PictureLike | None = None,
        strength: float = 1.0,
        steadiness: Steadiness | None = None,
    ) -> FrameStylizer:
        """A painter of frames in order, steady from one to the next: for cameras and whatever gives numpy arrays.

        Args:
            style: what `style` takes; None for a student with one style folded into its weights.
            strength: as in calling the stylizer.
            steadiness: how much frames lean on those before; `runtime.video.steadiness.Steadiness()` by default.

        Raises:
            UserError: as in calling the stylizer.
        """
        from runtime.video.frame_stylizer import FrameStylizer

        self.require_fitting(style, strength)
        return FrameStylizer(self, None if style is None else self.style(style), strength, steadiness)

    def video(
        self,
        content: str | Path,
        style: StyleCode | PictureLike | None,
        output: str | Path,
        strength: float = 1.0,
        **options: Any,
    ) -> VideoSummary:
        """Paint a video file into another; `options` are those of `runtime.video.stylize_video.stylize_video`.

        Raises:
            UserError: PyAV is not installed, or what `stylize_video` and calling the stylizer raise.
        """
        from runtime.video.stylize_video import stylize_video

        self.require_fitting(style, strength)
        return stylize_video(self, content, None if style is None else self.style(style), output, strength, **options)

    def _content(self, content: PictureLike, controls: Controls) -> Picture:
        if self.palette is None:
            return as_picture(content)
        if controls.stroke != 1 or controls.preserve_color:
            raise UserError(
                f"{self.bundle.manifest.name} paints label maps, which have neither strokes nor colours to keep: "
                "leave stroke and preserve_color out"
            )
        return as_label_map(content, self.palette)

    def require_fitting(self, style: StyleLike | None, strength: float) -> None:
        """Pass if a style is given where the student takes one, and none where its style is fixed.

        Raises:
            UserError: it is the other way round.
        """
        name, fixed = self.bundle.manifest.name, self.student.fixed_style
        if fixed and (style is not None or strength != 1):
            raise UserError(f"{name} paints in one style, which is part of it: leave style and strength out")
        if not fixed and style is None:
            raise UserError("name a style: --style painting.jpg, or the name of a style in the bundle")

    def require_choice(self) -> None:
        """Pass if the student takes a style.

        Raises:
            UserError: its style is fixed.
        """
        if self.student.fixed_style:
            raise UserError(
                f"{self.bundle.manifest.name} paints in one style, which is part of it: choose another --model"
            )

    def stand_in(self, picture: np.ndarray) -> np.ndarray:
        """A content for benchmarks and reports: the picture, or of a student of label maps the map nearest to it."""
        return picture if self.palette is None else self.palette.draw(self.palette.numbers(picture, strict=False))

    def engine(self, role: str) -> Engine:
        """The engine of the "style", "measure" or "paint" graph, loaded at the first call.

        Raises:
            UserError: the bundle has no such graph, or the engine cannot load it.
            ValueError: the stylizer is closed.
        """
        return self._engines.engine(role)

    def close(self) -> None:
        """Free the engines."""
        self._painter.close()
        self._engines.close()

    def __enter__(self) -> Stylizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def style_names(self) -> tuple[str, ...]:
        """The names of the bundle's styles."""
        return tuple(style.name for style in self.bundle.manifest.styles)

    def _resolved(self, style: StyleLike | None) -> StyleCode | Regions | None:
        if not isinstance(style, Regions):
            return None if style is None else self.style(style)
        rest = None if style.rest is None else self.style(style.rest)
        return replace(style, styles=[self.style(one) for one in style.styles], rest=rest)

    def _encode(self, rgb: np.ndarray) -> np.ndarray:
        return self._run_for_rows("style", {"style": framing.to_tensor(framing.style_crop(rgb))}, "code")

    def _run_for_rows(self, role: str, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
        rows = self._engines.run(role, feeds, output, (1, 2, self.student.channels))[0]
        if not np.isfinite(rows).all():
            raise self._engines.not_finite(role)
        return rows

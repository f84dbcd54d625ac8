"""Stylizer: a bundle's graphs and the arithmetic between them, as one object that turns pictures into pictures."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from runtime import framing
from runtime.affine import Affine, affine_of, split_sites
from runtime.bundle import Bundle, BundleError, open_bundle
from runtime.engines import ENGINES, PLAIN_ENGINE, Engine, open_engine, require_engine
from runtime.errors import UserError
from runtime.image_files import Picture, picture_from_pil, read_picture
from runtime.shipped import find_model
from runtime.style_code import StyleCode

if TYPE_CHECKING:
    from runtime.video.frame_stylizer import FrameStylizer
    from runtime.video.steadiness import Steadiness
    from runtime.video.stylize_video import VideoSummary

# Bounds the memory of the painter's activations: a 16-megapixel phone photo is painted in one piece.
MAX_PAINT_PIXELS = 17 * 10**6
MAX_MARGIN = 512

PictureLike = Picture | np.ndarray | Image.Image | str | Path


class Stylizer:
    """Stylizes pictures with one bundle; `load` makes one. Usable as a context manager and from several threads.

    Each graph is loaded when it is first needed and stays loaded until `close`.

    Args:
        bundle: what `open_bundle` gave.
        engine: name of the engine, see `runtime.engines`.
        threads: worker threads of the engine; None leaves it to the engine.
        precision: of the graphs to run, such as "int8"; style and measure graphs that the bundle lacks in that
            precision or for that engine run as fp32 in ONNX Runtime.
        target: which of several engines that were built for different machines, such as "sm89".
        margin: pixels added around the content before painting and cropped afterwards, so that the painter's zero
            padding stays away from the picture's border.
        margin_mode: what the margin shows: "reflect" or "edge".
        max_pixels: contents above this are refused, because painting in one piece takes memory in proportion.
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
        margin: int = 16,
        margin_mode: str = "reflect",
        max_pixels: int = MAX_PAINT_PIXELS,
        **engine_options: Any,
    ) -> None:
        require_engine(engine)
        bundle.graph("paint", precision, ENGINES[engine].format, target)
        if not 0 <= margin <= MAX_MARGIN:
            raise UserError(f"margin must be from 0 to {MAX_MARGIN} pixels, not {margin}")
        if margin_mode not in ("edge", "reflect"):
            raise UserError(f"margin_mode must be 'edge' or 'reflect', not {margin_mode!r}")
        self.bundle = bundle
        self.student = bundle.manifest.student
        self._engine_name, self._threads, self._engine_options = engine, threads, engine_options
        self._precision, self._target = precision, target
        self._margin, self._margin_mode, self._max_pixels = margin, margin_mode, max_pixels
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()
        self._closed = False

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
        self, content: PictureLike, style: StyleCode | PictureLike | None = None, strength: float = 1.0
    ) -> np.ndarray:
        """The content in the style, uint8 (H, W, 3) of the content's size.

        Args:
            content: uint8 (H, W, 3) or (H, W, 4) array, Pillow picture, `Picture` or path.
            style: what `style` takes; None for a student with one style folded into its weights.
            strength: 0 (the student's reconstruction of the photo) to 1.

        Raises:
            UserError: strength outside 0..1, a content above `max_pixels`, a style where it is fixed or none where it
                is not, or anything `style` raises.
        """
        return self.stylize(content, style, strength).rgb

    def stylize(
        self, content: PictureLike, style: StyleCode | PictureLike | None = None, strength: float = 1.0
    ) -> Picture:
        """The same with the content's transparency carried through."""
        _require_strength(strength)
        self.require_fitting(style, strength)
        picture = as_picture(content)
        self._require_paintable(picture.rgb)
        affine = [] if style is None else self.affine(picture.rgb, self.style(style), strength)
        return Picture(self.paint(picture.rgb, affine), picture.alpha)

    def style(self, style: StyleCode | PictureLike) -> StyleCode:
        """The style code of a picture (array, Pillow picture or path), a saved code (.json) or a style of the bundle.

        Transparent parts of a picture count as white.

        Raises:
            UserError: there is no such style or file, or it belongs to another student.
        """
        if isinstance(style, StyleCode):
            return self._fitting(style)
        if isinstance(style, str):
            for held in self.bundle.manifest.styles:
                if style == held.name:
                    return self._fitting(StyleCode.load(self.bundle.path(held)))
        if isinstance(style, (str, Path)):
            return self._style_from_file(style)
        return self._encode(as_picture(style), "style")

    def measure(self, content: PictureLike) -> np.ndarray:
        """The content's mean and deviation per modulated channel, float32 (2, M), from its thumbnail."""
        rgb = as_picture(content).rgb
        small = framing.thumbnail(rgb, self.student.thumbnail, self.student.size_multiple)
        return self._run_for_rows("measure", {"thumbnail": framing.to_tensor(small)}, "stats")

    def affine(self, content: PictureLike, code: StyleCode, strength: float = 1.0) -> list[Affine]:
        """Scale and shift per site, float32 (1, C, 1, 1) each, that paint this content in that style."""
        _require_strength(strength)
        scale, shift = affine_of(self._fitting(code).values, self.measure(content), strength)
        return split_sites(scale, shift, [site.channels for site in self.student.sites])

    def paint(self, content: PictureLike, affine: list[Affine]) -> np.ndarray:
        """Paint the content with one affine per site: uint8 (H, W, 3) of the content's size.

        Raises:
            UserError: a content above `max_pixels`, or a graph that does not do what its manifest says.
        """
        rgb = as_picture(content).rgb
        self._require_paintable(rgb)
        padded, inside = framing.pad(rgb, self.student.size_multiple, self._margin, self._margin_mode)
        feeds = {"content": framing.to_tensor(padded)}
        for index, (scale, shift) in enumerate(affine):
            feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
        painted = self._run("paint", feeds, "picture", (1, 3, *padded.shape[:2]))
        return framing.to_picture(painted[:, :, inside[0], inside[1]])

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

    def require_fitting(self, style: StyleCode | PictureLike | None, strength: float) -> None:
        """Pass if a style is given where the student takes one, and none where its style is fixed.

        Raises:
            UserError: it is the other way round.
        """
        name, fixed = self.bundle.manifest.name, self.student.fixed_style
        if fixed and (style is not None or strength != 1):
            raise UserError(f"{name} paints in one style, which is part of it: leave style and strength out")
        if not fixed and style is None:
            raise UserError("name a style: --style painting.jpg, or the name of a style in the bundle")

    def engine(self, role: str) -> Engine:
        """The engine of the "style", "measure" or "paint" graph, loaded at the first call.

        Raises:
            UserError: the bundle has no such graph, or the engine cannot load it.
            ValueError: the stylizer is closed.
        """
        with self._lock:
            if self._closed:
                raise ValueError("the stylizer is closed")
            if role not in self._engines:
                self._engines[role] = self._open(role)
            return self._engines[role]

    def _open(self, role: str) -> Engine:
        engine, precision = self._engine_name, self._precision
        if role != "paint" and not self.bundle.holds(role, precision, ENGINES[engine].format):
            precision = "fp32"
            if not self.bundle.holds(role, precision, ENGINES[engine].format):
                return open_engine(PLAIN_ENGINE, self.bundle.path(self.bundle.graph(role)), self._threads)
        graph = self.bundle.graph(role, precision, ENGINES[engine].format, self._target)
        return open_engine(engine, self.bundle.path(graph), self._threads, **self._engine_options)

    def close(self) -> None:
        """Free the engines."""
        with self._lock:
            self._closed = True
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()

    def __enter__(self) -> Stylizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _style_from_file(self, style: str | Path) -> StyleCode:
        path = Path(style)
        if path.suffix.lower() == ".json":
            return self._fitting(StyleCode.load(path))
        names = [held.name for held in self.bundle.manifest.styles]
        if isinstance(style, str) and not path.suffix and not path.exists() and names:
            listing = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise UserError(f"there is no file {style!r} and no style of that name in the bundle: it holds {listing}")
        return self._encode(read_picture(path), path.stem)

    def _encode(self, picture: Picture, name: str) -> StyleCode:
        crop = framing.style_crop(picture.on_white())
        code = self._run_for_rows("style", {"style": framing.to_tensor(crop)}, "code")
        return StyleCode(code, self.bundle.manifest.name, name)

    def _fitting(self, code: StyleCode) -> StyleCode:
        if code.student != self.bundle.manifest.name or code.values.shape[1] != self.student.channels:
            raise UserError(
                f"the style code {code.name!r} is for the student {code.student!r} ({code.values.shape[1]} channels), "
                f"not for {self.bundle.manifest.name!r} ({self.student.channels}): make it again from its picture"
            )
        return code

    def _require_paintable(self, rgb: np.ndarray) -> None:
        height, width = rgb.shape[:2]
        if height * width > self._max_pixels:
            side = int(max(height, width) * (self._max_pixels / (height * width)) ** 0.5) // 64 * 64
            raise UserError(
                f"the picture has {width}x{height} pixels, more than the {self._max_pixels / 1e6:.0f} million that are "
                f"painted in one piece: use --size {max(side, 64)} or less"
            )

    def _run_for_rows(self, role: str, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
        return self._run(role, feeds, output, (1, 2, self.student.channels))[0]

    def _run(self, role: str, feeds: dict[str, np.ndarray], output: str, shape: tuple[int, ...]) -> np.ndarray:
        name = self.bundle.manifest.name
        outputs = self.engine(role).run(feeds)
        array = outputs.get(output)
        if array is None or array.shape != shape:
            found = "no such output" if array is None else f"shape {array.shape}"
            raise BundleError(f"the {role} graph of {name} should give '{output}' {shape} but gives {found}")
        if not np.isfinite(array).all():
            raise BundleError(f"the {role} graph of {name} gave numbers that are not finite")
        return array


def as_picture(content: PictureLike) -> Picture:
    """Any of the accepted forms of a picture as a `Picture`.

    Raises:
        UserError: a path that cannot be read.
        TypeError: neither a path nor a picture, or an array that is not uint8 (H, W), (H, W, 3) or (H, W, 4).
    """
    if isinstance(content, Picture):
        return content
    if isinstance(content, (str, Path)):
        return read_picture(content)
    if isinstance(content, Image.Image):
        return picture_from_pil(content)
    if not isinstance(content, np.ndarray) or content.dtype != np.uint8 or 0 in content.shape:
        raise TypeError("a picture is a path, a Pillow picture or a uint8 array (H, W, 3)")
    if content.ndim == 2:
        return Picture(np.repeat(content[:, :, None], 3, axis=2))
    if content.ndim != 3 or content.shape[2] not in (3, 4):
        raise TypeError(f"a picture array has the shape (H, W, 3), not {content.shape}")
    return Picture(content[:, :, :3], content[:, :, 3] if content.shape[2] == 4 else None)


def _require_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise UserError(f"strength must be from 0 to 1, not {strength:g}")

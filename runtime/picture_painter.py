"""Pictures of any size, painted by one graph: in one piece where they fit, in tiles where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from runtime import framing
from runtime.affine import Affine
from runtime.bundle import StudentInfo
from runtime.bundle_engines import BundleEngines
from runtime.canvas import HeldRows, RowSource
from runtime.free_memory import free_bytes
from runtime.meanwhile import Meanwhile
from runtime.painter import Inside, Look, Progress, Window, paint_strips, paint_tile
from runtime.tiles import Tiling, plan_tiles


class PicturePainter:
    """Paints with the "paint" graph of a bundle; usable from several threads.

    Args:
        margin, margin_mode, tile: see `runtime.stylizer.Stylizer`.
        threads: of the engine; with more than one, a picture is framed in a thread beside the caller's.
    """

    def __init__(
        self,
        engines: BundleEngines,
        student: StudentInfo,
        margin: int,
        margin_mode: str,
        tile: int | None,
        threads: int | None,
    ) -> None:
        self._engines, self._student, self._tile = engines, student, tile
        multiple = student.size_multiple
        #: The margin in whole multiples, so that the pixel grid keeps its phase under the strides.
        self.margin = -(-margin // multiple) * multiple
        self._mode = margin_mode
        self._meanwhile = Meanwhile(threads)

    def begin(self, rgb: np.ndarray) -> Callable[[Look, Progress | None], np.ndarray]:
        """Begin with what needs no look; what is returned paints the picture with one: uint8 (H, W, 3)."""
        tiling = self._tiling(*rgb.shape[:2])
        if not tiling.tile == tiling.canvas == self._framed_size(*rgb.shape[:2]):  # or the engine asks for a larger one
            return lambda look, progress: self._paint_tiles(rgb, look, tiling, progress)
        frame = framing.pad if self._takes_bytes else framing.framed_tensor
        framed = self._meanwhile.begin(lambda: frame(rgb, self._student.size_multiple, self.margin, self._mode))
        return lambda look, progress: self._paint_whole(rgb, *framed(), look, progress)

    def strips(self, source: RowSource, look: Look, progress: Progress | None = None) -> Iterator[np.ndarray]:
        """Paint a picture that is read row by row: strips from top to bottom, uint8 (n, W, 3) each."""
        return self._strips(source, look, self._tiling(source.height, source.width), progress)

    def close(self) -> None:
        """End the thread beside; the engines stay."""
        self._meanwhile.close()

    def _paint_tiles(self, rgb: np.ndarray, look: Look, tiling: Tiling, progress: Progress | None) -> np.ndarray:
        painted, row = np.empty_like(rgb), 0
        for strip in self._strips(HeldRows(rgb), look, tiling, progress):
            painted[row : row + len(strip)] = strip
            row += len(strip)
        return painted

    def _paint_whole(
        self, rgb: np.ndarray, framed: np.ndarray, inside: Inside, look: Look, progress: Progress | None
    ) -> np.ndarray:
        window = Window(-inside[0].start, -inside[1].start, *self._framed_size(*rgb.shape[:2]))
        painted = paint_tile(self._paint_piece, framed, rgb, window, inside, look, self._student.sites)
        if progress is not None:
            progress(1, 1)
        return painted

    def _strips(self, source: RowSource, look: Look, tiling: Tiling, progress: Progress | None) -> Iterator[np.ndarray]:
        sites = self._student.sites
        return paint_strips(self._paint_piece, source, look, tiling, self.margin, self._mode, sites, progress)

    def _paint_piece(self, tile: np.ndarray, affine: Sequence[Affine], inside: Inside) -> np.ndarray:
        if tile.dtype == np.uint8:
            tile = tile[None] if self._takes_bytes else framing.to_tensor(tile)
        feeds = {"content": tile}
        for index, (scale, shift) in enumerate(affine):
            feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
        painted = self._engines.run("paint", feeds, "picture", tile.shape)
        if self._takes_bytes:
            return np.ascontiguousarray(painted[0][inside])
        try:
            return framing.to_picture(painted[:, :, inside[0], inside[1]])
        except ValueError as error:
            raise self._engines.not_finite("paint") from error

    @property
    def _takes_bytes(self) -> bool:
        return getattr(self._engines.engine("paint"), "takes_bytes", False)

    def _framed_size(self, height: int, width: int) -> tuple[int, int]:
        multiple, around = self._student.size_multiple, 2 * self.margin
        return -(-(height + around) // multiple) * multiple, -(-(width + around) // multiple) * multiple

    def _tiling(self, height: int, width: int) -> Tiling:
        around = 2 * self.margin
        sizes = getattr(self._engines.engine("paint"), "content_sizes", ())
        return plan_tiles(height + around, width + around, self._student, free_bytes(), sizes, self._tile)

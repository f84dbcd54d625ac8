"""What a user may ask of an export, beyond format and precision; every field has an option of ``brushlet export``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtime.errors import UserError

#: Least PSNR of an int8 picture against the fp32 one, in dB, and most that a colour channel's mean may move.
INT8_PSNR, INT8_SHIFT = 35.0, 1 / 255


@dataclass(frozen=True)
class ExportOptions:
    """Options of all formats; each format reads those that concern it.

    Attributes:
        calibration: a folder of pictures to calibrate with; None for those that the run was trained on, while they are
            still there, else for the samples that come with brushlet.
        min_psnr: int8 pictures on held-back pairs must be this near to fp32's, in dB.
        max_shift: and the mean of a colour channel may move by at most this (a picture's range is 1).
        qat_steps: steps of quantisation-aware fine-tuning, if the gate is missed without; 0 for none.
        sizes: picture sizes that an engine is built for, as the user wrote them: ``512``, ``256..1080``, ``1280x720``.
        gpu: the GPU that an engine is cross-compiled for, such as ``sm89``; None for the one in this machine.
        dla: the number of the DLA core that runs what it can; None for the GPU alone.
        workspace_mb: most scratch memory that the builder may give a layer, in MiB.
        timing_cache: a file that keeps the builder's measurements from one build to the next.
        version_compatible, hardware_compatible: build an engine that later versions, or other GPUs, run too.
        recipe_only: on a machine that cannot build the engine, be content with the graph and the recipe.
        seed: what all randomness follows from.
    """

    calibration: Path | None = None
    min_psnr: float = INT8_PSNR
    max_shift: float = INT8_SHIFT
    qat_steps: int = 0
    sizes: tuple[str, ...] = ()
    gpu: str | None = None
    dla: int | None = None
    workspace_mb: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    recipe_only: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 10 <= self.min_psnr <= 100:
            raise UserError(f"--min-psnr must be from 10 to 100 dB, not {self.min_psnr:g}")
        if not 0 < self.max_shift <= 1:
            raise UserError(f"--max-shift must be above 0 and at most 255 levels, not {self.max_shift * 255:g}")
        if not 0 <= self.qat_steps <= 100_000:
            raise UserError(f"--qat must be from 0 to 100000 steps, not {self.qat_steps}")
        if self.workspace_mb is not None and not 1 <= self.workspace_mb <= 2**20:
            raise UserError(f"--workspace must be from 1 to {2**20} MiB, not {self.workspace_mb}")
        if self.dla is not None and not 0 <= self.dla <= 7:
            raise UserError(f"--dla must be from 0 to 7, not {self.dla}")
        if self.seed < 0:
            raise UserError(f"--seed must be at least 0, not {self.seed}")

    def to_json(self) -> dict[str, Any]:
        """The options as plain JSON data."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}

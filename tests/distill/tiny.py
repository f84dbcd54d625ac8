"""Distillation small enough for tests: a teacher that inverts colours, random loss networks, 64-pixel crops.

Run as a script it is the command `brushlet` with these in place, for tests that need processes of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from distill import accelerator, distil, run_pictures, settings, teachers
from distill.perceptual import COMPACT_CHANNELS, CompactPerception, Vgg, Vgg19Perception
from distill.teachers import Listing, Teacher
from distill.teachers.teacher import OneStyleTeacher

PRESET = {
    **{"steps": 12, "batch": 2, "size": 64, "pairs": 4, "width": 0.125},
    **{"checkpoint_every": 3, "sheet_every": 6, "teacher_share": 0.5, "identity_share": 0.2},
}

LISTING = Listing("tests.distill.tiny", "nobody", 1839, "none", "CC0")
SEPIA = Listing("tests.distill.tiny_sepia", "nobody", 1880, "none", "CC0", takes_style=False)


class Negative(Teacher):
    """Inverts the photo's colours, whatever the style; counts the pictures it painted."""

    name = "negative"

    def __init__(self) -> None:
        super().__init__("a negative", "CC0")
        self.painted = 0

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        self.painted += len(content)
        return 1 - content


class Sepia(OneStyleTeacher):
    """Brown pictures, whatever the photo's colours."""

    name = "sepia"

    def __init__(self) -> None:
        super().__init__("a sepia print", "CC0", "brown")

    def paint(self, content: Tensor) -> Tensor:
        return content.mean(1, keepdim=True) * torch.tensor([0.9, 0.7, 0.4])[:, None, None]


def load(weights: str | Path | None) -> Negative:
    return Negative()


def randomised(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A frozen network whose activations keep the size of its inputs, so that losses count."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = make()
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        return net.eval().requires_grad_(False)


def perception(seed: int = 0) -> CompactPerception:
    """A compact perception with random weights: the student's style encoder is started from it."""
    return randomised(lambda: CompactPerception(COMPACT_CHANNELS, (8, 8, 8, 8)), seed)


def small_perception(seed: int = 0) -> Vgg19Perception:
    """The smallest perception, for tests that need no student's style encoder from it."""
    return randomised(lambda: Vgg19Perception(Vgg((8, 8, 8, 8))), seed)


def no_vgg19(weights: str | Path | None, beside: bool = False) -> None:
    return None


def install(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Make `--teacher negative --preset tiny` known and everything else small, and the same on every machine."""
    put(teachers, "TEACHERS", {**teachers.TEACHERS, "negative": LISTING, "sepia": SEPIA})
    put(settings, "PRESETS", {**settings.PRESETS, "tiny": PRESET})
    put(distil, "compact_perception", perception)
    put(distil, "vgg19_perception", no_vgg19)
    put(accelerator, "fast_dtype", lambda device: torch.float32)
    put(distil, "EVALUATION_PAIRS", 2)
    for module in (distil, run_pictures):
        put(module, "EVALUATION_SIZE", 64)
    put(distil, "CALIBRATION_CROPS", 8)


def draw(seed: int, size: int = 80) -> np.ndarray:
    """A picture of soft coloured spots, uint8 (size, size, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(5)), dtype=np.float32)
    return ((soft - soft.min()) / (soft.max() - soft.min()) * 255).round().astype(np.uint8)


def draw_folder(folder: Path, kind: str, count: int, first: int = 0) -> Path:
    """`count` pictures called photo0.png … or painting0.png …; photos 2 and 3 and painting 3 are held back."""
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(draw(first + i)).save(folder / f"{kind}{i}.png")
    return folder


if __name__ == "__main__":
    import brushlet

    torch.set_num_threads(1)
    install()
    if "BRUSHLET_SLOW" in os.environ:  # so that a test can stop a run in the middle
        import time

        from distill.train import Trainer

        advance = Trainer.advance
        Trainer.advance = lambda *a: (time.sleep(float(os.environ["BRUSHLET_SLOW"])), advance(*a))[1]
    brushlet.main()

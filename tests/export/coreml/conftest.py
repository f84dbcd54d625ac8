"""Packages of a small student with random weights, converted once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distill.students import HaarPainter

SIZES = ((48, 32), (32, 32), (64, 40))


@pytest.fixture(scope="session")
def fp16_packages(tmp_path_factory: pytest.TempPathFactory, student: HaarPainter) -> dict[str, Path]:
    """The style, measure and paint package of the small student, by role; the painter takes `SIZES`."""
    pytest.importorskip("coremltools")
    from export.coreml.app_graphs import app_graphs
    from export.coreml.convert import Details, to_program
    from export.coreml.image_sizes import STYLE_SIZES, thumbnail_sizes
    from export.coreml.package_file import save_package

    folder = tmp_path_factory.mktemp("packages")
    sizes = {"style": STYLE_SIZES, "measure": thumbnail_sizes(SIZES, student.size_multiple), "paint": SIZES}
    details = Details("tiny", "CC0", "1.2.3", {"torch": "2.x"})
    files = {}
    for graph in app_graphs(student):
        files[graph.role] = folder / f"{graph.role}.mlpackage"
        save_package(to_program(graph, sizes[graph.role], "iOS16", details), files[graph.role])
    return files


def drawn(seed: int, width: int, height: int) -> np.ndarray:
    """A picture of soft waves and some noise, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    phases = rng.uniform(0, 6, (3, 1, 1))
    waves = np.sin(phases + 6 * rows * rng.uniform(0.5, 2) + 6 * columns * rng.uniform(0.5, 2))
    noisy = 127 + 100 * waves + rng.normal(0, 10, (3, height, width))
    return np.clip(noisy, 0, 255).astype(np.uint8).transpose(1, 2, 0)


@pytest.fixture(scope="session")
def draw() -> Callable[[int, int, int], np.ndarray]:
    """`drawn`: seed, width, height -> picture."""
    return drawn

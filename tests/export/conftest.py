"""Students with random weights, their runs and their bundles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from distill.checkpoint import Trained, save_student
from distill.students import HaarPainter
from export.to_bundle import Exported, export_bundle
from runtime.image_files import write_picture
from tests.loopback import changed, device, jetson, server, with_tensorrt  # noqa: F401 (fixtures)

PROVENANCE = {
    "teacher": {"name": "adain", "description": "AdaIN of the tests", "licence": "MIT"},
    "data": {"content": {"name": "photos", "pictures": 3, "fingerprint": "c0ffee"}},
    "command": "distill --teacher adain --width 0.125",
    "seed": 7,
    "steps": 10,
    "versions": {"python": "3.11"},
}
QUALITY = {
    "judge": "vgg19",
    "pairs": 4,
    "size": 256,
    "scores": {
        "teacher": {"content": 2.0, "style": 1.0, "ssim": 0.5, "teacher_ssim": 1.0, "teacher_psnr": 100.0},
        "student": {"content": 2.5, "style": 1.5, "ssim": 0.6, "teacher_ssim": 0.7, "teacher_psnr": 20.0},
    },
}


def make_student(seed: int = 0, width: float = 0.125) -> HaarPainter:
    """A student whose weights are all different, as trained ones are."""
    torch.manual_seed(seed)
    student = HaarPainter(width).eval()
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.05 * torch.randn_like(parameter))
        student.style.centre.uniform_(0, 0.5)
        student.style.spread.uniform_(0.5, 2)
    return student


def make_run(folder: Path, student: HaarPainter, half: bool = False) -> Path:
    """A run directory of that student, with a contact sheet."""
    folder.mkdir(parents=True)
    save_student(folder / "student.safetensors", Trained(student, {}, PROVENANCE, QUALITY), half)
    rng = np.random.default_rng(0)
    (folder / "sheets").mkdir()
    write_picture(folder / "sheets" / "final.png", rng.integers(0, 256, (600, 400, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope="session")
def student() -> HaarPainter:
    return make_student()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, student: HaarPainter) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "adain-w0125", student)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Exported:
    """The run's bundle, with one named style."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "pictures").mkdir()
    picture = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    write_picture(folder / "pictures" / "dots.png", picture)
    return export_bundle(run, folder / "bundle", styles=folder / "pictures")

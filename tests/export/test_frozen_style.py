"""`--freeze-style`: from a run and a painting to a bundle that takes a photo and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from distill.data import open_pictures
from export.cli import app
from export.frozen_style import FrozenStyle
from export.to_bundle import Exported, export_bundle
from runtime import Stylizer, open_bundle
from runtime.errors import UserError
from runtime.image_files import read_picture, write_picture


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("style") / "dark dots.png"
    write_picture(path, np.random.default_rng(1).integers(0, 120, (40, 60, 3), dtype=np.uint8))
    return path


@pytest.fixture(scope="module")
def frozen(run: Path, painting: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export_bundle(run, tmp_path_factory.mktemp("frozen") / "bundle", frozen_style=FrozenStyle(painting, 0))


def test_the_bundle_holds_a_painter_alone(frozen: Exported):
    bundle = open_bundle(frozen.directory)
    assert [graph.role for graph in bundle.manifest.graphs] == ["paint"]
    assert bundle.manifest.student.fixed_style
    assert bundle.manifest.name == "adain-w0125-dark-dots"
    graph = onnx.load(frozen.directory / "paint.onnx").graph
    assert [value.name for value in graph.input] == ["content"]
    # What is left is convolutions and the head's product with the photo's details.
    assert sum(node.op_type == "Mul" for node in graph.node) == 1
    card = (frozen.directory / "card.md").read_text()
    assert "in one style, dark dots" in card and "![photo, adaptive student and student](pictures/final.jpg)" in card
    shown = read_picture(frozen.directory / "pictures" / "final.jpg").rgb
    assert shown.shape[1] == 3 * (256 + 4) - 4 and shown.std() > 20  # three pictures in a row


def test_its_pictures_resemble_those_of_the_student_it_was_made_from(tmp_path: Path):
    """Statistics are an average, so the pictures differ a little; those of another style differ far more."""
    swatches = open_pictures(None, "style", 128, "train")
    for index in range(2):
        write_picture(tmp_path / f"{index}.png", swatches[index])
    bundle = export_bundle("adain-w025", tmp_path / "bundle", frozen_style=FrozenStyle(tmp_path / "0.png", 0))
    photo = open_pictures(None, "content", 128, "train")[0]
    with Stylizer.load(bundle.directory) as one, Stylizer.load("adain-w025") as other:
        painted = one(photo).astype(float)
        near, far = (np.abs(painted - other(photo, tmp_path / f"{index}.png")).mean() for index in range(2))
    assert near < 0.5 * far


def test_what_is_recorded(frozen: Exported):
    record = frozen.manifest.quality["frozen"]
    assert record["steps"] == 0 and record["psnr"] > 0
    assert frozen.manifest.provenance["frozen"]["style"] == "dark dots"
    assert "photos held back" in (frozen.directory / "card.md").read_text()


def test_another_style_is_another_student(frozen: Exported, run: Path, painting: Path, tmp_path: Path):
    other = tmp_path / "other.png"
    write_picture(other, np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(UserError, match="holds another student's bundle"):
        export_bundle(run, frozen.directory, frozen_style=FrozenStyle(other, 0))
    again = export_bundle(run, frozen.directory, frozen_style=FrozenStyle(painting, 0))
    assert [str(target) for target in again.kept] == ["onnx fp32"]


def test_bad_input(run: Path, painting: Path, tmp_path: Path):
    with pytest.raises(UserError, match="--freeze-steps must be from 0"):
        FrozenStyle(painting, -1)
    with pytest.raises(UserError, match="leave --styles or --freeze-style out"):
        export_bundle(run, tmp_path / "b", styles=painting.parent, frozen_style=FrozenStyle(painting, 0))
    with pytest.raises(UserError, match="there is no file"):
        export_bundle(run, tmp_path / "b", frozen_style=FrozenStyle(tmp_path / "none.png", 0))
    assert not list(tmp_path.iterdir())


def test_the_option(run: Path, painting: Path, tmp_path: Path):
    arguments = [str(run), "--freeze-style", str(painting), "--freeze-steps", "1", "-o", str(tmp_path / "bundle")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "after 1 steps of fine-tuning" in result.output
    assert open_bundle(tmp_path / "bundle").manifest.student.fixed_style

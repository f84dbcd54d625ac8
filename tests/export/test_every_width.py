"""Every width of a slimmable run as a bundle, and one width by `export --width`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from distill.checkpoint import Trained, save_student
from distill.students import HaarPainter
from distill.students.widths import cut
from export.every_width import export_every_width
from export.to_bundle import export_bundle
from runtime.bundle import open_bundle
from runtime.errors import UserError
from runtime.stylizer import Stylizer

ORIGIN = {"teacher": {"name": "nobody", "description": "nobody", "licence": "CC0"}, "command": "distill --slimmable"}


@pytest.fixture(scope="module")
def slimmable(tmp_path_factory) -> Path:
    """A run of widths 0.125 and 0.1875, with random weights."""
    torch.manual_seed(0)
    run = tmp_path_factory.mktemp("runs") / "slim"
    run.mkdir()
    config = {"width": 0.1875, "slimmable": True}
    scores = {"photo": {"content": 0.0}, "student": {"content": 2.0}, "width 0.125": {"content": 3.0}}
    quality = {"judge": "compact", "pairs": 1, "size": 64, "scores": scores, "artefacts": {name: {} for name in scores}}
    save_student(run / "student.safetensors", Trained(HaarPainter(0.1875).eval(), config, ORIGIN, quality))
    return run


def test_one_bundle_for_each_width(slimmable, tmp_path):
    said = []
    found = export_every_width(str(slimmable), tmp_path, "fp32", said.append)
    assert [width for _, width in found] == [0.1875, 0.125]
    manifests = [open_bundle(directory).manifest for directory, _ in found]
    assert [manifest.student.width for manifest in manifests] == [0.1875, 0.125]
    assert [manifest.name for manifest in manifests] == ["slim-w01875", "slim-w0125"]
    assert manifests[0].student.parameters["paint"] > manifests[1].student.parameters["paint"]
    assert "at width 0.125" in said[1]


def test_a_width_is_an_ordinary_bundle(slimmable, tmp_path):
    exported = export_bundle(slimmable, tmp_path / "narrow", width=0.125, compact=False)
    manifest = exported.manifest
    assert manifest.provenance["cut"] == {"width": 0.125, "from": 0.1875}
    assert manifest.quality["scores"]["student"] == {"content": 3.0}
    card = (exported.directory / "card.md").read_text()
    assert "one training of every width up to 0.1875" in card
    torch.manual_seed(0)
    student = cut(HaarPainter(0.1875), 0.125)
    content = np.random.default_rng(0).random((1, 3, 32, 32), dtype=np.float32)
    neutral = [(torch.ones(1, s.channels, 1, 1), torch.zeros(1, s.channels, 1, 1)) for s in student.sites]
    feeds = {"content": content}
    for number, (scale, shift) in enumerate(neutral):
        feeds |= {f"scale_{number}": scale.numpy(), f"shift_{number}": shift.numpy()}
    with Stylizer.load(exported.directory, threads=1) as stylizer, torch.no_grad():
        (painted,) = stylizer.engine("paint").run(feeds).values()
        assert np.allclose(painted, student.paint(torch.from_numpy(content), neutral).numpy(), atol=1e-4)


def test_another_width_replaces_no_bundle(slimmable, tmp_path):
    export_bundle(slimmable, tmp_path / "bundle", width=0.125)
    again = export_bundle(slimmable, tmp_path / "bundle", width=0.125)
    assert again.kept, "the same width is the same student"
    with pytest.raises(UserError, match="--force"):
        export_bundle(slimmable, tmp_path / "bundle", width=0.1875)


def test_widths_that_there_are_not(slimmable, tmp_path):
    with pytest.raises(UserError, match=r"--width must be from 0.125 to 0.1875"):
        export_bundle(slimmable, tmp_path / "bundle", width=0.25)
    with pytest.raises(UserError, match="only what was distilled with --slimmable"):
        export_bundle("adain-w0125", tmp_path / "bundle", width=0.125)
    assert not (tmp_path / "bundle").exists()


def test_an_ordinary_run_has_one_width(tmp_path):
    torch.manual_seed(0)
    run = tmp_path / "plain"
    run.mkdir()
    save_student(run / "student.safetensors", Trained(HaarPainter(0.125).eval(), {}, ORIGIN, {}))
    ((directory, width),) = export_every_width(str(run), tmp_path / "bundles", "fp32", lambda line: None)
    assert width is None and open_bundle(directory).manifest.name == "plain"

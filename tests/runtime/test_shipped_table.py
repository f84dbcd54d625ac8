"""The table of what ships."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.bundle import open_bundle
from runtime.models_cli import app
from runtime.shipped import shipped_models
from runtime.shipped_table import describe, speed_class
from tests.tiny_bundle import make_tiny_bundle


def test_a_record_adds_up_the_graphs_of_each_precision(tmp_path: Path):
    manifest = open_bundle(make_tiny_bundle(tmp_path)).manifest
    record = describe(manifest)
    assert sum(record["bytes"].values()) == sum((tmp_path / g.file).stat().st_size for g in manifest.graphs)
    assert record["styles"] == ["warm"] and record["width"] == manifest.student.width


@pytest.mark.parametrize("quality", [{}, {"scores": 5}, {"judge": "vgg19", "scores": {"student": []}}])
def test_odd_qualities_are_not_shown(tmp_path: Path, quality: dict):
    manifest = replace(open_bundle(make_tiny_bundle(tmp_path)).manifest, quality=quality)
    assert describe(manifest)["scores"] in (None, {"student": []})


@pytest.mark.parametrize(
    ("macs", "speed"), [(0, None), (1, "fastest"), (10**9, "fastest"), (2 * 10**9, "fast"), (10**10, "medium")]
)
def test_a_class_of_speed_follows_from_the_multiplications(macs: int, speed: str | None):
    assert speed_class(macs) == speed and speed_class(10**12) == "slow"


def test_students_that_ship_have_a_class_of_speed_each(tmp_path: Path):
    records = {record["name"]: record for record in json.loads(CliRunner().invoke(app, ["--json"]).stdout)}
    assert records["adain-w0125"]["speed"] == "fastest" and records["adain-w025"]["speed"] == "fast"
    assert (
        records["adain-w05"]["speed"] == "medium" and records["adain-w05"]["macs"] > 3 * records["adain-w025"]["macs"]
    )
    old = open_bundle(make_tiny_bundle(tmp_path)).manifest  # from before multiplications were counted
    assert describe(old)["speed"] is None and describe(old)["macs"] is None


def test_every_student_that_ships_has_its_scores_in_it():
    records = json.loads(CliRunner().invoke(app, ["--json"]).stdout)
    assert [record["name"] for record in records] == shipped_models()
    for record in records:
        if record["scores"] is not None:
            assert record["pairs"] >= 32 and record["scores"]["student"]["style"] < record["scores"]["photo"]["style"]
    table = CliRunner().invoke(app, [], env={"COLUMNS": "160"}).stdout
    assert all(name in table for name in shipped_models())

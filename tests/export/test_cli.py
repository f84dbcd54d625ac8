"""``brushlet export`` on the command line, and what importing the package costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import export
from export.cli import app
from runtime.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_it_exports_and_says_what(run, tmp_path):
    result = CliRunner().invoke(app, [str(run), "--format", "onnx", "-o", str(tmp_path / "bundle"), "--name", "mine"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "bundle" / "manifest.json").is_file()
    for part in ("style.onnx", "measure.onnx", "paint.onnx", "from torch", "weights rounded to fp16", "see card.md"):
        assert part in result.output


def test_json(run, tmp_path):
    result = CliRunner().invoke(app, [str(run), "-o", str(tmp_path / "bundle"), "--no-compact", "--json"])
    record = json.loads(result.stdout)
    assert (record["name"], record["bundle"]) == ("adain-w0125", str(tmp_path / "bundle"))
    assert [graph["file"] for graph in record["graphs"]] == ["style.onnx", "measure.onnx", "paint.onnx"]
    assert len(record["parity"]) == 3
    assert record["styles"] == []


def test_an_unknown_format_says_what_exists(run):
    result = CliRunner().invoke(app, [str(run), "--format", "tflite"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("there is no format 'tflite': there is ")


def test_help_shows_an_example_and_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = sys.modules['numpy'] = None\n"
        "import export; from export.cli import app; app(['--help'], prog_name='brushlet export')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "brushlet export runs/adain-w025 --format onnx" in " ".join(result.stdout.split())


def test_a_bad_run_is_one_line(tmp_path):
    command = [sys.executable, "-m", "export", str(tmp_path / "nowhere")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_every_public_name_is_there():
    for name in export.__all__:
        assert getattr(export, name) is not None
    assert dir(export) == sorted(export.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = export.nothing

"""`brushlet export --host`: engines that a device builds, through a real sshd, come back into the bundle here."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from devices.errors import DeviceError
from export.cli import app
from runtime.bundle import open_bundle
from runtime.engines.engine_file import read_engine_file
from runtime.errors import UserError
from tests.loopback import TENSORRT

ENGINE = "engines/sm87/paint.fp32.engine"


def export_there(run: Path, bundle: Path, *more: str):
    words = [str(run), "--format", "tensorrt", "--precision", "fp32", "--size", "64", "-o", str(bundle), *more]
    return CliRunner().invoke(app, words)


def test_the_engine_comes_back(jetson, server, run, tmp_path):
    bundle = tmp_path / "bundle"
    failed = export_there(run, bundle, "--host", "jetson")
    assert isinstance(failed.exception, UserError)
    assert str(failed.exception).startswith("jetson has no TensorRT that ")
    assert open_bundle(bundle).holds("paint", "fp32", "tensorrt-onnx")  # what was made before stays

    failed = export_there(run, bundle, "--host", "jetson", "--target-device", "jetson-agx-orin")
    assert isinstance(failed.exception, DeviceError)
    assert str(failed.exception).startswith("jetson is not jetson-agx-orin: it is jetson-orin-nano")

    jetson.module("tensorrt", TENSORRT)
    server.restart()
    result = export_there(run, bundle, "--host", "jetson", "--target-device", "jetson-orin-nano")
    assert result.exit_code == 0, result.output
    assert f"built there: {ENGINE}" in result.stderr
    assert ENGINE in result.stdout
    assert open_bundle(bundle).graph("paint", "fp32", "tensorrt", "sm87").file == ENGINE
    assert read_engine_file(bundle / ENGINE).facts.version == "10.3.0"
    assert ENGINE in (bundle / "card.md").read_text()
    assert jetson.is_tidy()

    kept = export_there(run, bundle, "--recipe-only")
    assert "already there" in kept.stdout and (bundle / ENGINE).exists()
    export_there(run, bundle, "--recipe-only", "--workspace", "64")  # another recipe: the engine is none of it
    assert not (bundle / ENGINE).exists()
    assert not open_bundle(bundle).holds("paint", "fp32", "tensorrt")


def test_host_is_for_tensorrt(run, tmp_path, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", "false")
    words = [str(run), "--format", "onnx", "-o", str(tmp_path / "bundle"), "--host", "jetson"]
    result = CliRunner().invoke(app, words)
    assert str(result.exception) == "--host builds TensorRT's engines there: name --format tensorrt"
    assert not (tmp_path / "bundle").exists()

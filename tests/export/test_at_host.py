"""`brushlet export --host`: engines that a device builds, through a real sshd, come back into the bundle here."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from devices.errors import DeviceError
from export.cli import app
from runtime.bundle import open_bundle
from runtime.engines.engine_file import read_engine_file
from runtime.errors import UserError

ENGINE = "engines/sm87/paint.fp32.engine"


def export_there(run: Path, bundle: Path, *more: str):
    words = [str(run), "--format", "tensorrt", "--precision", "fp32", "--size", "64", "-o", str(bundle), *more]
    return CliRunner().invoke(app, words)


def test_the_engine_comes_back(with_tensorrt, run, tmp_path):
    bundle = tmp_path / "bundle"
    result = export_there(run, bundle, "--host", "jetson", "--target-device", "jetson-orin-nano")
    assert result.exit_code == 0, result.output
    assert f"built there: {ENGINE}" in result.stderr
    assert ENGINE in result.stdout
    held = open_bundle(bundle)
    graph = held.graph("paint", "fp32", "tensorrt", "sm87")
    assert graph.file == ENGINE
    assert read_engine_file(bundle / ENGINE).facts.version == "10.3.0"
    assert ENGINE in (bundle / "card.md").read_text()
    assert with_tensorrt.is_tidy()

    kept = export_there(run, bundle, "--recipe-only")
    assert "already there" in kept.stdout and (bundle / ENGINE).exists()
    export_there(run, bundle, "--recipe-only", "--workspace", "64")  # another recipe: the engine is none of it
    assert not (bundle / ENGINE).exists()
    assert not open_bundle(bundle).holds("paint", "fp32", "tensorrt")


def test_a_device_without_tensorrt_takes_nothing_from_the_bundle(jetson, run, tmp_path):
    result = export_there(run, tmp_path / "bundle", "--host", "jetson")
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("jetson has no TensorRT that ")
    assert open_bundle(tmp_path / "bundle").holds("paint", "fp32", "tensorrt-onnx")
    assert jetson.is_tidy()


def test_another_device_than_was_named(jetson, run, tmp_path):
    result = export_there(run, tmp_path / "bundle", "--host", "jetson", "--target-device", "jetson-agx-orin")
    assert isinstance(result.exception, DeviceError)
    assert str(result.exception).startswith("jetson is not jetson-agx-orin: it is jetson-orin-nano")


def test_host_is_for_tensorrt(run, tmp_path, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", "false")
    words = [str(run), "--format", "onnx", "-o", str(tmp_path / "bundle"), "--host", "jetson"]
    result = CliRunner().invoke(app, words)
    assert str(result.exception) == "--host builds TensorRT's engines there: name --format tensorrt"
    assert not (tmp_path / "bundle").exists()

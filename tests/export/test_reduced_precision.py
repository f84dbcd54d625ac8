"""From a student to fp16 and int8 files whose pictures were compared with fp32's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from distill.checkpoint import load_student
from export import reduced_precision
from export.calibration import open_calibration
from export.formats import Request
from export.onnx_files import write_onnx
from export.options import ExportOptions
from runtime.engines import open_engine
from runtime.errors import UserError
from runtime.styles.library import SHIPPED, StyleLibrary


@pytest.fixture(scope="module")
def student():
    return load_student("adain-w025").student


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A calibration that takes a moment."""

    def quick(folder=None, crops=8, seed=0, log=lambda line: None, palette=None, codes=None):
        calibration = open_calibration(folder, 8, seed, log, codes=codes)
        return replace(calibration, tuning=calibration.tuning[:2], held_back=calibration.held_back[:4])

    monkeypatch.setattr(reduced_precision, "open_calibration", quick)
    monkeypatch.setenv("BRUSHLET_CACHE", str(tmp_path / "cache"))


def request_for(student, folder: Path, precision: str, lines: list[str], **options: object) -> Request:
    folder.mkdir()
    library = StyleLibrary.load(SHIPPED / "adain-w025.json")
    codes = {entry.name: entry.code.values for entry in library.entries}
    return Request(student, folder, precision, options=ExportOptions(**options), log=lines.append, codes=codes)


def paint_bytes(folder: Path) -> int:
    return (folder / "paint.onnx").stat().st_size


def test_int8(student, tmp_path):
    full = request_for(student, tmp_path / "fp32", "fp32", [])
    write_onnx(replace(full, compact=False))
    request = request_for(student, tmp_path / "int8", "int8", lines := [], min_psnr=30, max_shift=4 / 255)
    written = write_onnx(request)
    assert {graph.file for graph in written.graphs} == {"style.int8.onnx", "measure.int8.onnx", "paint.int8.onnx"}
    (record,) = (found.to_json() for found in written.parity)
    assert record["format"] == "onnx" and record["precision"] == "int8" and record["judge"] == "ONNX Runtime"
    assert record["psnr"] >= 30 and record["gate"] == "psnr >= 30, mean shift <= 4/255"
    assert written.evidence["recipe"] == "cpu" and len(written.evidence["layers"]) == 12
    assert any(line.startswith("int8 for cpu: ranges by ") for line in lines)
    size = (tmp_path / "int8" / "paint.int8.onnx").stat().st_size
    assert size <= 0.3 * paint_bytes(tmp_path / "fp32")
    weights = onnx.load(tmp_path / "int8" / "paint.int8.onnx").graph.initializer
    assert sum(tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4 for tensor in weights) == 12


def test_fp16(student, tmp_path):
    written = write_onnx(request_for(student, tmp_path / "fp16", "fp16", []))
    (record,) = (found.to_json() for found in written.parity)
    assert record["psnr"] > 60
    paint = next(graph for graph in written.graphs if graph.role == "paint")
    feeds = {
        spec.name: np.ones([n if isinstance(n, int) else 8 for n in spec.shape], np.float32) for spec in paint.inputs
    }
    feeds["content"] = np.ones((1, 3, 32, 32), np.float32)
    feeds |= {key: value[:, :, :1, :1] for key, value in feeds.items() if key != "content"}
    engine = open_engine("onnxruntime", tmp_path / "fp16" / paint.file, 1)
    assert engine.run(feeds)["picture"].shape == (1, 3, 32, 32)


def test_a_gate_that_cannot_be_passed_refuses_and_writes_nothing(student, tmp_path):
    with pytest.raises(UserError, match="int8 spoils this student's pictures: .* dB"):
        write_onnx(request_for(student, tmp_path / "int8", "int8", [], min_psnr=90))
    assert not list((tmp_path / "int8").iterdir())


def test_fine_tuning_only_where_it_is_needed(student, tmp_path, monkeypatch):
    calls = []

    def tune(student, model, ranges, pairs, steps, recipe, seed, log):
        calls.append((steps, recipe))
        return student

    monkeypatch.setattr(reduced_precision, "fine_tune_int8", tune)
    easy = request_for(student, tmp_path / "easy", "int8", lines := [], min_psnr=20, max_shift=0.1, qat_steps=7)
    plain = write_onnx(easy).evidence
    assert "qat" not in plain and not calls
    assert any(line.startswith("no fine-tuning: int8 reaches") for line in lines)
    asked = plain["fidelity"]["psnr"] + 1  # dB; more than int8 reaches with every layer in it
    hard = request_for(student, tmp_path / "hard", "int8", [], min_psnr=asked, max_shift=0.1, qat_steps=7)
    evidence = write_onnx(hard).evidence
    assert calls == [(7, "cpu")]
    assert evidence["qat"]["steps"] == 7 and evidence["qat"]["before"]["psnr"] < asked
    assert evidence["fallbacks"] and evidence["fidelity"]["psnr"] >= asked

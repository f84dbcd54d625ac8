"""The scripts of tests/bench run; what they find on a busy machine is nobody's business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime import write_picture
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


QUICK = ("--size", "64", "--threads", "1", "--runs", "3")


def test_overhead_of_a_stylizer(tiny, capsys):
    from tests.bench import stylizer_overhead

    assert stylizer_overhead.main([tiny, *QUICK, "--seconds", "0", "--json", "--most", "1e9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["percent"] == pytest.approx(100 * (found["stylizer_ms"] / found["bare_ms"] - 1))
    assert found["low"] <= found["percent"] <= found["high"]
    assert len(found["steps_ms"]) == 4 and found["bound_ms"] > 0
    assert all(ms > 0 for ms in found["steps_ms"].values())


def test_a_promise_that_is_broken_is_told(tiny, capsys):
    from tests.bench import stylizer_overhead

    assert stylizer_overhead.main([tiny, *QUICK, "--seconds", "0", "--most=-1e9"]) == 1
    assert "planes to picture" in capsys.readouterr().out


def test_share_of_the_matrix_product(tiny, capsys):
    from tests.bench import gemm_share

    quick = (tiny, *QUICK, "--sides", "32", "64", "--seconds", "0", "--json")
    assert gemm_share.main([*quick, "--least", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["product_gflops"]) == {"32", "64"}
    assert found["percent"] == pytest.approx(100 * found["graph_gflops"] / max(found["product_gflops"].values()))
    assert gemm_share.main([*quick, "--least", "1e9"]) == 1


def test_figures_of_the_runtime_are_a_table_and_what_fails_is_left_out(tmp_path: Path, monkeypatch):
    pytest.importorskip("av")
    from tests.bench import runtime_figures

    row = {"source": "jpg", "target": "jpg", "width": 4000, "height": 3000, "bytes_above_model": 3.2e8, "seconds": 9.4}
    monkeypatch.setattr(runtime_figures, "large_picture", lambda setting: [row])
    monkeypatch.setattr(runtime_figures.any_size, "ENGINES", (("onnxruntime", "fp32"),))
    told: list[str] = []
    found = runtime_figures.measure(runtime_figures.REHEARSAL, tmp_path, told.append)
    assert found["left_out"].keys() == {"speed", "flicker"} and any(line.startswith("left out") for line in told)
    assert {row["threads"]: row["bare_ms"] > 0 for row in found["overhead"]} == {1: True, 2: True}
    scores = {scene: {runtime_figures.BEFORE: 2, runtime_figures.AFTER: 0.5} for scene in runtime_figures.SCENES}
    fps = {"engine": [90, 100, 110], "steady": [60], "file to file": [50], "each frame on its own": [70]}
    lines = runtime_figures.table({**found, "flicker": scores, "speed": {"adain-w025 openvino int8": fps}}).splitlines()
    assert "| 12 megapixels, jpg to jpg, int8 | 320 MB above the model, 9 s |" in lines
    assert "| tiles against the whole picture, onnxruntime fp32 | at most 0 of 255 levels apart |" in lines
    assert "| flicker, still, sensor noise | 2.00 levels before, 0.50 after |" in lines
    said = "100 engine alone, 60 steady, 50 file to file"
    assert f"| frames per second at 640x360, adain-w025 openvino int8 | {said} |" in lines
    assert len(lines) == 2 + 1 + 1 + len(scores) + 1 + 2


def test_training_throughput(monkeypatch, capsys):
    pytest.importorskip("torch")
    from distill.perceptual import Vgg, Vgg19Perception
    from tests.bench import training_throughput
    from tests.distill.tiny import Negative, randomised

    narrow = (8, 8, 8, 512)  # relu4_1 has VGG-19's own channels, as the compact network's embedding does
    monkeypatch.setattr(
        training_throughput, "vgg19_perception", lambda weights: Vgg19Perception(randomised(lambda: Vgg(narrow), 0))
    )
    monkeypatch.setattr(training_throughput, "load_teacher", lambda name, weights: Negative())
    quick = ("--weights", "none", "--batch", "2", "--size", "64", "--width", "0.125", "--runs", "1", "--threads", "1")
    assert training_throughput.main([*quick, "--json", "--least", "1e9"]) == 1, "less than was promised"
    found = json.loads(capsys.readouterr().out)
    assert found["ratio"] == pytest.approx(
        found["pictures_per_second"]["a run on average"] / found["pictures_per_second"]["straightforward"]
    )


def test_a_run_pays_for_its_pictures_and_its_last_steps():
    pytest.importorskip("torch")
    from distill.settings import Settings
    from tests.bench.training_throughput import Throughput

    found = Throughput(Settings(steps=1000, pairs=100, vgg_share=0.25), 1.0, 3.0, 10.0, 0.5)
    assert found.step_s == pytest.approx(0.75 * 1 + 0.25 * 3 + 0.05)
    assert found.ratio == pytest.approx(10 / 1.55)


def test_thumbnails(tiny, tmp_path: Path, capsys):
    """What measures the whole photo paints the same picture; smaller ones another, and none is an empty folder's."""
    pytest.importorskip("torchmetrics")
    from benchmarks.subjects import example_picture
    from tests.bench import thumbnail_sizes

    write_picture(tmp_path / "photo.png", example_picture(96))
    options = ["--model", tiny, "--content", str(tmp_path), "--seconds", "0"]
    assert thumbnail_sizes.main([*options, "--sizes", "16", "512"]) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines()[2:]]
    found = {int(row[1]): (float(row[2]), float(row[4])) for row in rows}
    assert 5 < found[16][0] < 60 and found[512][0] == 100 and found[16][1] > 0
    (tmp_path / "empty").mkdir()
    assert thumbnail_sizes.main(["--content", str(tmp_path / "empty")]) == 1
    assert "there are no pictures in" in capsys.readouterr().err


def test_without_vgg19_there_is_no_straightforward_loop(monkeypatch, capsys):
    pytest.importorskip("torch")
    from tests.bench import training_throughput

    monkeypatch.setattr(training_throughput, "vgg19_perception", lambda weights: None)
    monkeypatch.setattr(training_throughput, "load_teacher", lambda name, weights: None)
    assert training_throughput.main(["--weights", "none"]) == 1
    assert "error: name the folder with vgg_normalised.pth" in capsys.readouterr().err


def test_ncnn(tiny, capsys):
    pytest.importorskip("ncnn")
    pytest.importorskip("pnnx")
    from tests.bench import paint_in_ncnn

    assert paint_in_ncnn.main(["adain-w0125", *QUICK, "--seconds", "0"]) == 0
    assert "ncnn" in capsys.readouterr().out


def test_without_ncnn_it_says_what_to_install(tiny, monkeypatch, capsys):
    from tests.bench import paint_in_ncnn

    monkeypatch.setattr(paint_in_ncnn, "find_spec", lambda name: None)
    assert paint_in_ncnn.main([tiny, *QUICK]) == 1
    assert capsys.readouterr().err == "error: pnnx is not installed: pip install ncnn pnnx\n"


def test_a_browser_needs_its_runtime_and_itself(tiny, tmp_path: Path, monkeypatch, capsys):
    from tests.bench.web import paint_in_browser

    assert paint_in_browser.main([tiny, *QUICK, "--ort", str(tmp_path)]) == 1
    assert "is not the dist folder of onnxruntime-web" in capsys.readouterr().err
    (tmp_path / "ort.wasm.min.mjs").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert paint_in_browser.main([tiny, *QUICK, "--ort", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: there is no Chromium here: apt install chromium\n"

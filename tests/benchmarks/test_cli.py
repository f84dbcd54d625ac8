"""`brushlet bench`, as `python -m benchmarks`, the way a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import read_record

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--size", "32", "--runs", "3", "--seconds", "0.01", "--threads", "1", "--no-power")


def start(folder: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, cwd=folder, env=environment, text=True, **pipes)


def run(folder: Path, *arguments: str | Path) -> tuple[int, str, str]:
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error: ")]


def test_a_table_and_a_record(tiny, tmp_path):
    status, out, err = run(tmp_path, tiny, *QUICK)
    assert status == 0, err
    assert "end to end" in out
    assert "model only" in out
    (path,) = (tmp_path / "records").iterdir()
    assert f"record: records/{path.name}" in err
    record = read_record(path)
    assert record.command[:2] == ("brushlet", "bench")
    assert record.subjects[0].name == "tiny"


def test_json_is_the_record(tiny, tmp_path):
    status, out, err = run(tmp_path, tiny, *QUICK, "--json", "-o", "out/my.json")
    assert status == 0, err
    assert out == (tmp_path / "out" / "my.json").read_text(encoding="utf-8")
    assert json.loads(out)["kind"] == "measured"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["my.json"]
    assert not (tmp_path / "records").exists()


def test_help_has_an_example(tmp_path):
    status, out, _ = run(tmp_path, "--help")
    assert status == 0
    assert "brushlet bench adain-w025 --size 256 --size 512 --vs teacher" in " ".join(out.split())


def test_two_engines_and_precisions(quantised, tmp_path):
    pytest.importorskip("openvino")
    asked = ("--engine", "onnxruntime", "--engine", "openvino", "--precision", "fp32", "--precision", "int8")
    status, out, err = run(tmp_path, quantised, *QUICK, *asked, "-o", "r.json")
    assert status == 0, err
    for engine in ("onnxruntime", "openvino"):
        for precision in ("fp32", "int8"):
            assert f"{engine} {precision}, end to end" in out
    assert len(read_record(tmp_path / "r.json").subjects) == 4


def test_a_budget_that_is_kept(quantised, tmp_path):
    limits = ("--budget-ms", "60000", "--max-memory", "2GB", "--min-psnr", "35")
    status, out, err = run(tmp_path, quantised, *QUICK, "--precision", "int8", *limits, "-o", "r.json")
    assert status == 0, err
    said = err.splitlines()[-1]
    assert said.startswith("within budget: p90 end to end at 32x32 with 1 thread is ")
    assert said.endswith("PSNR in the bundle's own parity record is 36.2 dB (at least 35 dB)")
    assert all(check.met for check in read_record(tmp_path / "r.json").checks)


def test_a_budget_that_is_missed_shows_the_table_and_fails(quantised, tmp_path):
    limits = ("--budget-ms", "60000", "--part", "model", "--min-psnr", "37.5")
    status, out, err = run(tmp_path, quantised, *QUICK, "--precision", "int8", *limits, "-o", "r.json")
    assert status == 1
    assert "end to end" in out
    assert errors(err) == [
        "error: over budget: PSNR in the bundle's own parity record is 36.2 dB, 1.3 dB (3.5 %) below 37.5 dB"
    ]
    assert [check.met for check in read_record(tmp_path / "r.json").checks] == [True, False]


@pytest.fixture
def damaged(tiny: Path, tmp_path: Path) -> Path:
    copy = shutil.copytree(tiny, tmp_path / "damaged")
    (copy / "style.onnx").write_bytes(b"?" * (copy / "style.onnx").stat().st_size)
    return copy


def test_wrong_hash(damaged, tmp_path):
    status, out, err = run(tmp_path, damaged, *QUICK, "-o", "r.json")
    assert (status, out) == (1, "")
    (line,) = errors(err)
    assert "style.onnx is not the file that was exported" in line
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "error: there is no bundle or shipped student 'nowhere'"),
        (("TINY", "--engine", "warp"), "error: there is no engine 'warp'"),
        (("TINY", "--precision", "int8"), "error: TINY holds no paint graph as int8 onnx (it holds style fp32 onnx"),
        (("TINY", "--min-psnr", "35"), "error: --min-psnr: TINY has no parity record of its fp32 onnx painter"),
        (("TINY", "--max-memory", "lots"), "error: --max-memory must be a size such as 200MB"),
        (("TINY", "--budget-ms", "-1"), "error: --budget-ms must be above 0, not -1"),
        (("TINY", "--budget-ms", "1", "--part", "style"), "error: --part must be end_to_end, model or files"),
        (("TINY", "--size", "-5"), "error: --size must be from 16 to 4123 pixels, not -5"),
        (("TINY", "-o", "file/record.json"), "error: cannot make the folder file"),
        (("TINY", "-o", "."), "error: cannot write .: it is not a file"),
    ],
)
def test_one_clear_line_and_a_status(tiny, tmp_path, arguments, said):
    (tmp_path / "file").write_text("not a folder")
    begin = time.monotonic()
    status, out, err = run(tmp_path, *(str(tiny) if word == "TINY" else word for word in arguments))
    assert (status, out) == (1, "")
    (line,) = errors(err)
    assert line.startswith(said.replace("TINY", str(tiny)))
    assert "Traceback" not in err
    assert time.monotonic() - begin < 15, "found out before measuring"


def test_worker_that_is_killed(tiny, tmp_path, find_worker):
    process = start(tmp_path, tiny, "--size", "32", "--seconds", "500", "-o", "r.json")
    for _ in range(3):  # the first process is over in a moment; the one that measures stays
        worker = find_worker(process.pid)
        time.sleep(1)
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert errors(err) == [
        "error: the measuring process was killed by SIGKILL: it may have run out of memory, try a smaller --size"
    ]
    assert list(tmp_path.iterdir()) == []


def test_timeout(tiny, tmp_path):
    status, _, err = run(tmp_path, tiny, "--seconds", "500", "--size", "32", "--timeout", "3", "-o", "r.json")
    assert status == 1
    assert "stopped after 3 s" in errors(err)[0]
    assert not (tmp_path / "r.json").exists()


def test_interrupt_ends_the_worker_too(tiny, tmp_path, find_worker, is_alive):
    process = start(tmp_path, tiny, "--size", "32", "--seconds", "500")
    worker = find_worker(process.pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    for _ in range(50):
        if not is_alive(worker):
            return
        time.sleep(0.1)
    pytest.fail("the measuring process is still there")


def test_module_is_light_to_import():
    code = "import sys, benchmarks.cli; print([m for m in ('numpy', 'rich.table', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

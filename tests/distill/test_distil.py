"""Whole runs, small: what they leave behind, what refuses them, and what survives a kill."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from rich.console import Console
from safetensors.torch import load_file

from distill import accelerator as accelerator_module
from distill import distil as distil_module
from distill.accelerator import accelerator_for
from distill.checkpoint import load_state, load_student
from distill.distil import check_folder, distil, start
from distill.progress import read_metrics
from distill.run import Request, settings_of
from distill.run_pictures import open_all
from distill.settings import Settings
from runtime.errors import UserError
from runtime.image_files import read_picture
from tests.distill import tiny

ROOT = Path(__file__).resolve().parents[2]


def options(pictures: Path) -> dict[str, object]:
    """The options of every run here."""
    return {
        "teacher": "negative",
        "preset": "tiny",
        "width": 0.125,
        "content": str(pictures / "photos"),
        "style": str(pictures / "paintings"),
        "seed": 5,
    }


def command(pictures: Path, out: Path, *more: str) -> list[str]:
    """The same run as arguments of `brushlet`."""
    pairs = [(f"--{name}", str(value)) for name, value in options(pictures).items()]
    return ["distill", *(word for pair in pairs for word in pair), "--out", str(out), "--device", "cpu", *more]


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        tiny.install(patch.setattr)
        patch.setenv("BRUSHLET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.fixture(scope="module")
def settings(installed, pictures) -> Settings:
    return settings_of(Request(), **options(pictures))


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory) -> Path:
    """A run of twelve steps that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    distil(settings, out, "cpu", console=quiet())
    return out


def same_student(one: Path, other: Path, tolerance: float = 1e-6) -> bool:
    a, b = (load_file(path / "student.safetensors") for path in (one, other))
    return a.keys() == b.keys() and all(torch.allclose(a[key], b[key], rtol=0, atol=tolerance) for key in a)


def losses_of(out: Path) -> dict[int, dict[str, float]]:
    rows = read_metrics(out / "metrics.jsonl")
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows}), "a step twice, or out of order"
    return {row.pop("step"): {k: v for k, v in row.items() if k != "pictures_per_s"} for row in rows}


def test_what_a_run_leaves_behind(finished, settings):
    files = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    assert files == {
        *("config.json", "checkpoint.pt", "metrics.jsonl", "evaluation.json", "student.safetensors"),
        *("sheets/step-000006.png", "sheets/step-000012.png", "sheets/final.png"),
    }
    assert Settings.from_json(json.loads((finished / "config.json").read_text())) == settings
    assert list(losses_of(finished)) == list(range(1, 13))
    assert load_state(finished / "checkpoint.pt")["step"] == 12


def test_the_student_is_the_average_and_knows_its_history(finished, settings, pictures):
    trained = load_student(finished)
    assert trained.student.width == 0.125
    assert trained.config == settings.to_json()
    assert trained.quality == json.loads((finished / "evaluation.json").read_text())
    history = trained.provenance
    assert history["teacher"]["name"] == "negative" and history["teacher"]["licence"] == "CC0"
    assert history["data"]["content"]["pictures"] == 2  # two of four are held back
    assert history["data"]["style"]["name"] == str(pictures / "paintings")
    assert (history["seed"], history["steps"]) == (5, 12)
    assert history["versions"]["torch"] == torch.__version__
    average = load_state(finished / "checkpoint.pt")["average"]
    for key, value in trained.student.state_dict().items():
        assert torch.equal(value, average[f"module.{key}"])


def test_the_evaluation_sets_teacher_and_student_side_by_side(finished):
    quality = load_student(finished).quality
    assert (quality["pairs"], quality["size"], quality["judge"]) == (2, 64, "compact")
    scores = quality["scores"]
    assert set(scores) == {"photo", "teacher", "student"}
    assert scores["photo"]["content"] == 0
    assert scores["teacher"]["teacher_psnr"] == 100 and scores["student"]["teacher_psnr"] < 60
    assert all(np.isfinite(value) for name in scores for value in scores[name].values())


def test_the_contact_sheets_show_teacher_and_student(finished):
    sheet = read_picture(finished / "sheets" / "final.png").rgb.astype(int)
    columns = [sheet[22:86, left : left + 64] for left in range(0, 4 * 68, 68)]
    assert abs(columns[0] + columns[2] - 255).max() <= 1  # the teacher is the photo's negative
    assert abs(columns[3] - columns[0]).mean() > 1
    early, late = (read_picture(finished / "sheets" / f"step-0000{n}.png").rgb for n in ("06", "12"))
    assert early.shape == late.shape and (early != late).any()


def test_the_same_seed_gives_the_same_student(finished, settings, tmp_path):
    """From a cache that is warm, too: what is read back is what was painted."""
    distil(settings, tmp_path / "again", "cpu", console=quiet())
    assert same_student(finished, tmp_path / "again", 0)
    assert losses_of(tmp_path / "again") == losses_of(finished)


def test_half_precision_is_for_the_losses_only(finished, settings, tmp_path):
    """Where bfloat16 is fast, the frozen networks use it; the student stays in float32."""
    AcceleratorState._reset_state(True)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(accelerator_module, "fast_dtype", lambda device: torch.bfloat16)
            assert accelerator_for("cpu").mixed_precision == "bf16"
            distil(replace(settings, steps=3), tmp_path, "cpu", console=quiet())
    finally:
        AcceleratorState._reset_state(True)
    for value in load_state(tmp_path / "checkpoint.pt")["student"].values():
        assert value.dtype == torch.float32
    lowered, plain = losses_of(tmp_path), losses_of(finished)
    assert lowered[1]["variation"] == pytest.approx(plain[1]["variation"], rel=0.01)
    assert lowered[1]["style"] == pytest.approx(plain[1]["style"], rel=0.05)
    assert lowered[1]["style"] != plain[1]["style"]


def test_a_run_is_not_trained_over(finished, settings):
    before = (finished / "student.safetensors").stat().st_mtime_ns
    with pytest.raises(UserError, match="already holds a run: continue it with --resume, or choose another --out"):
        distil(settings, finished, "cpu", console=quiet())
    assert (finished / "student.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"seed": 6}, "seed"), ({"width": 0.25, "size": 80}, "size, width"), ({"warm_start": "x"}, "warm_start")],
)
def test_a_run_does_not_go_on_with_other_settings(finished, settings, changes, names):
    with pytest.raises(UserError, match=rf"was started with other settings \({names}\): repeat them"):
        distil(replace(settings, **changes), finished, "cpu", resume=True, console=quiet())


def test_steps_and_rate_may_change_on_the_way(finished, settings):
    check_folder(finished, replace(settings, steps=99, muon_lr=0.001), resume=True)


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", "5", "\xff"])
def test_a_damaged_config_is_one_line(tmp_path, settings, record):
    (tmp_path / "config.json").write_bytes(record.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        check_folder(tmp_path, settings, resume=True)
    assert "\n" not in str(caught.value)


def test_there_must_be_a_run_to_resume(tmp_path, settings):
    with pytest.raises(UserError, match="there is no run in .* to resume"):
        distil(settings, tmp_path / "nothing", "cpu", resume=True, console=quiet())
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_may_go_on_for_longer(finished, settings, tmp_path):
    short = replace(settings, steps=4)
    distil(short, tmp_path, "cpu", console=quiet())
    distil(replace(settings, steps=6), tmp_path, "cpu", resume=True, console=quiet())
    assert list(losses_of(tmp_path)) == [1, 2, 3, 4, 5, 6]
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 6


def folder_with(path: Path, name: str, data: bytes) -> str:
    path.mkdir()
    (path / name).write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda tmp: {"teacher": "adian"}, "did you mean 'adain'"),
        (lambda tmp: {"content": str(tmp / "nowhere")}, "does not exist"),
        (lambda tmp: {"content": folder_with(tmp / "in", "notes.txt", b"hello")}, "holds no pictures"),
        (lambda tmp: {"style": folder_with(tmp / "in", "broken.png", b"\x89PNG\r\n\x1a\n")}, "none of the pictures"),
        (lambda tmp: {"warm_start": str(tmp / "nowhere")}, "does not exist; give a run directory"),
        (lambda tmp: {"pairs": 10**6}, "lower --pairs"),
    ],
    ids=["teacher", "missing", "empty", "corrupt", "start", "cache"],
)
def test_nothing_is_left_of_a_run_that_cannot_start(settings, tmp_path, wrong, reason):
    with pytest.raises(UserError, match=reason) as caught:
        distil(replace(settings, **wrong(tmp_path)), tmp_path / "run", "cpu", console=quiet())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_written(settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        distil(settings, tmp_path / "file" / "run", "cpu", console=quiet())


def test_a_fresh_student_is_calibrated_on_the_styles(settings):
    sets = open_all(settings, lambda line: None)
    lines: list[str] = []
    student = start(settings, sets.style, lines.append)
    assert lines == ["training from random weights"]
    wanted = distil_module.compact_perception().vgg.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in student.style.features.state_dict().items())
    assert student.style.centre.abs().max() > 0 and not torch.equal(student.style.spread, torch.ones(480))
    again = start(settings, sets.style, lines.append)
    assert torch.equal(student.style.centre, again.style.centre)


def test_a_warm_start_is_the_student_that_is_named(finished, settings):
    lines: list[str] = []
    student = start(replace(settings, warm_start=str(finished)), None, lines.append)
    assert lines == [f"warm start from {finished}"]  # only quick, which chose it itself, says how not to
    wanted = load_student(finished).student.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in student.state_dict().items())
    assert student.training and not student.style.features.convs[0].weight.requires_grad
    with pytest.raises(UserError, match=r"is a haar_painter of width 0.125: it cannot start .* of width 0.0625"):
        start(replace(settings, warm_start=str(finished), width=0.0625), None, lines.append)


def test_vgg19_is_a_loss_only_where_it_has_a_share(settings, monkeypatch):
    monkeypatch.setattr(distil_module, "vgg19_perception", lambda weights, beside: tiny.small_perception())
    losses, judge = distil_module.perceptions_for(settings)
    assert set(losses) == {"compact", "vgg19"} and judge.name == "vgg19"
    losses, judge = distil_module.perceptions_for(replace(settings, vgg_share=0.0))
    assert set(losses) == {"compact"} and judge.name == "vgg19"


def environment(cache: Path, slow: float = 0.0) -> dict[str, str]:
    plain = {"OMP_NUM_THREADS": "1", "BRUSHLET_CACHE": str(cache), "NO_COLOR": "1", "COLUMNS": "300"}
    return os.environ | plain | ({"BRUSHLET_SLOW": str(slow)} if slow else {})


def begin(arguments: list[str], cache: Path) -> subprocess.Popen[str]:
    """`brushlet distill …` as a process of its own, a tenth of a second per step."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.distill.tiny", *arguments],
        cwd=ROOT,
        env=environment(cache, 0.1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_row(process: subprocess.Popen[str], out: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        rows = read_metrics(out / "metrics.jsonl")
        if rows and rows[-1]["step"] >= step:
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"step {step} never came: {process.communicate()[1]}")


def test_after_a_kill_the_run_goes_on_to_the_same_student(finished, settings, pictures, tmp_path):
    """`kill -9` between two checkpoints, a picture of the cache half written; then --resume."""
    out, cache = tmp_path / "killed", tmp_path / "cache"
    process = begin(command(pictures, out), cache)
    wait_for_row(process, out, 5)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 3 <= load_state(out / "checkpoint.pt")["step"] < 12
    assert not list(out.rglob("*.tmp"))
    distil(settings, out, "cpu", resume=True, console=quiet())
    assert losses_of(out) == losses_of(finished)
    assert same_student(finished, out)


def test_an_interrupt_leaves_a_checkpoint_and_says_how_to_go_on(finished, settings, pictures, tmp_path):
    out, cache = tmp_path / "interrupted", tmp_path / "cache"
    process = begin(command(pictures, out), cache)
    wait_for_row(process, out, 1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "interrupted"
    assert f"stopped; the checkpoint is in {out}. Go on with the same command and --resume --out {out}" in stderr
    step = load_state(out / "checkpoint.pt")["step"]
    assert 1 <= step < 12
    assert list(losses_of(out)) == list(range(1, step + 1))
    distil(settings, out, "cpu", resume=True, console=quiet())
    assert same_student(finished, out)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_two_processes_train_like_one_with_the_whole_batch(finished, pictures, tmp_path):
    out = tmp_path / "two"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    address = ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    result = subprocess.run(
        [*launcher, *address, "-m", "tests.distill.tiny", *command(pictures, out, "--json")],
        cwd=ROOT,
        env=environment(tmp_path / "cache"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    one, two = losses_of(finished), losses_of(out)
    assert one.keys() == two.keys()
    for step in one:
        assert two[step] == pytest.approx(one[step], rel=5e-4, abs=2e-6), step
    assert same_student(finished, out, 1e-3)
    assert json.loads(result.stdout)["pairs"] == 2  # printed once

"""From options to settings, and from a finished run to its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from distill import checkpoint
from distill import run as run_module
from distill.checkpoint import Trained, save_student
from distill.losses import LossWeights
from distill.run import Request, loss_weights, report, run, settings_of, width_name
from distill.settings import PRESETS, Settings
from distill.students import build_student
from runtime.errors import UserError

SCORES = {"content": 1.5, "style": 2.25, "ssim": 0.5, "teacher_ssim": 0.6, "teacher_psnr": 18.04}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped students that holds `adain-w0125`."""
    torch.manual_seed(0)
    student = build_student("haar_painter", width=0.125)
    save_student(tmp_path / "adain-w0125.safetensors", Trained(student, {}, {}, {}), half=True)
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("width", "name"), [(0.125, "0125"), (0.25, "025"), (0.5, "05"), (1.0, "1"), (1.5, "15")])
def test_widths_in_names(width, name):
    assert width_name(width) == name


def test_options_win_over_the_preset():
    settings = settings_of(Request(losses=["style=2"]), preset="quick", teacher="adain", steps=7, size=None)
    assert settings.steps == 7 and settings.size == PRESETS["quick"]["size"]
    assert settings.loss == LossWeights(style=2.0)


def test_quick_starts_from_a_student_that_ships(shipped):
    settings = settings_of(Request(), preset="quick", width=0.125)
    assert settings.warm_start == "adain-w0125"
    assert settings.muon_lr == PRESETS["quick"]["muon_lr"]
    assert settings_of(Request(), preset="standard", width=0.125).warm_start is None


@pytest.mark.parametrize(
    ("request_", "options"),
    [(Request(from_scratch=True), {"width": 0.125}), (Request(), {"width": 0.25}), (Request(), {"teacher": "other"})],
    ids=["from scratch", "no such width", "no such teacher"],
)
def test_random_weights_get_the_rates_of_random_weights(shipped, request_, options):
    settings = settings_of(request_, preset="quick", **options)
    assert settings.warm_start is None
    assert (settings.muon_lr, settings.adam_lr) == (Settings().muon_lr, Settings().adam_lr)
    assert settings_of(request_, preset="quick", muon_lr=0.123, **options).muon_lr == 0.123


@pytest.mark.parametrize("options", [{"preset": "standard"}, {"preset": "standard", "warm_start": "runs/mine"}])
def test_adams_rate_follows_the_one_that_is_given(options):
    settings = settings_of(Request(), muon_lr=Settings().muon_lr / 4, **options)
    assert settings.adam_lr == pytest.approx(Settings().adam_lr / 4)
    assert settings_of(Request(), **options).adam_lr == Settings().adam_lr


def test_a_start_that_is_named_is_taken(shipped):
    settings = settings_of(Request(), preset="quick", width=0.125, warm_start="runs/mine")
    assert settings.warm_start == "runs/mine"
    with pytest.raises(UserError, match="--from-scratch and --warm-start exclude each other"):
        settings_of(Request(from_scratch=True), preset="quick", warm_start="runs/mine")


def test_loss_weights():
    assert loss_weights([]) == LossWeights()
    assert loss_weights(["style=2", "teacher=0", "style=3"]) == LossWeights(style=3.0, teacher=0.0)


@pytest.mark.parametrize(
    "entry", ["style", "style=", "style=much", "=2", "beauty=1", "style=-1", "style=nan", "style=inf"]
)
def test_loss_weights_that_are_none(entry):
    with pytest.raises(UserError, match=f"--loss {entry}: ") as caught:
        loss_weights([entry])
    assert "style" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [-1.0, float("nan"), float("inf")])
def test_cache_sizes_that_are_none(size):
    with pytest.raises(UserError, match="--cache-gb must be a number of at least 0"):
        run(Request(cache_gb=size), preset="quick")


@pytest.fixture
def distilled(monkeypatch, tmp_path):
    """`distilled(trained or exception)`: what training does; returns the arguments it got."""

    def set_result(result: Trained | BaseException) -> list[tuple]:
        calls: list[tuple] = []

        def distil(*arguments, teacher_processes=None):
            calls.append(arguments)
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr(run_module, "distil", distil)
        monkeypatch.chdir(tmp_path)
        return calls

    return set_result


def trained(quality: dict) -> Trained:
    return Trained(torch.nn.Identity(), {}, {}, quality)


def quality() -> dict:
    scores = {name: SCORES for name in ("photo", "teacher", "student")}
    return {"judge": "vgg19", "pairs": 32, "size": 256, "scores": scores}


def test_the_default_place_names_teacher_and_width(distilled):
    calls = distilled(trained({}))
    run(Request(cache_gb=0.5, device="cpu"), preset="quick", width=0.3)
    settings, out, device, resume, cache_bytes, _ = calls[0]
    assert out == Path("runs/adain-w03") and (device, resume, cache_bytes) == ("cpu", False, 1 << 29)
    assert settings.preset == "quick"


def test_the_report_is_a_table_and_says_what_comes_next(distilled, capsys):
    distilled(trained(quality()))
    run(Request(out=Path("my[runs]/a")), preset="quick")
    shown = capsys.readouterr().out
    assert "32 held-back pairs at 256 px, judged by vgg19" in shown
    row = next(line for line in shown.splitlines() if "student" in line)
    assert all(number in row for number in ("1.500", "2.250", "0.500", "18.0 dB"))
    assert "–" in next(line for line in shown.splitlines() if "teacher " in line and "1.500" in line)
    assert "brushlet export my[runs]/a" in shown


def test_json_is_all_that_is_printed(distilled, capsys):
    distilled(trained(quality()))
    run(Request(out=Path("a"), as_json=True), preset="quick")
    assert json.loads(capsys.readouterr().out) == {"out": "a", **quality()}


def test_processes_without_scores_report_nothing(distilled, capsys):
    distilled(trained({}))
    run(Request(), preset="quick")
    assert capsys.readouterr().out == ""


def test_an_interrupt_points_to_the_checkpoint_if_there_is_one(distilled, capsys, tmp_path):
    distilled(KeyboardInterrupt())
    for exists in (False, True):
        if exists:
            (tmp_path / "a").mkdir()
            (tmp_path / "a" / "checkpoint.pt").write_bytes(b"")
        with pytest.raises(KeyboardInterrupt):
            run(Request(out=Path("a")), preset="quick")
        assert ("--resume --out a" in capsys.readouterr().err) == exists


def test_reports_need_no_terminal(capsys):
    report(trained(quality()), Path("runs/a"), as_json=False)
    assert "next:     brushlet export runs/a" in capsys.readouterr().out


def test_artefacts_have_a_table_of_their_own(capsys):
    flaws = {"teacher": {"lattice": 0.5, "border": 1.0, "flat": None, "bleeding": 0.25}}
    report(trained({**quality(), "artefacts": flaws}), Path("runs/a"), as_json=False)
    out = capsys.readouterr().out
    assert "artefacts" in out and "0.25" in out and "–" in out


def test_vgg19_measures_as_many_of_the_last_steps_as_asked():
    assert settings_of(Request(), preset="standard", vgg_share=0.3).vgg_share == 0.3
    assert settings_of(Request(), preset="standard").vgg_share == Settings().vgg_share

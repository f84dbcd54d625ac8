"""`brushlet prune`: the plan before anything changes, recovery that survives interruptions, and errors of one line."""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from distill import checkpoint
from distill import prune as prune_module
from distill.checkpoint import Trained, load_student, save_student
from distill.distil import distil
from distill.progress import read_metrics
from distill.prune import Request as Pruning
from distill.prune import out_folder
from distill.prune_cli import app
from distill.prune_groups import channel_groups
from distill.prune_importance import taylor_importance
from distill.prune_plan import apply_plan, read_plan
from distill.run import Request, settings_of
from distill.settings import Settings
from distill.students import FrozenPainter, HaarPainter
from distill.train import Trainer
from runtime.errors import UserError
from tests.distill import tiny

pytest.importorskip("torch_pruning")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        tiny.install(patch.setattr)
        patch.setattr(prune_module, "IMPORTANCE_BATCHES", 2)
        patch.setenv("BRUSHLET_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COLUMNS", "300")
        yield


@pytest.fixture(scope="module")
def settings(installed, pictures) -> Settings:
    folders = {"content": str(pictures / "photos"), "style": str(pictures / "paintings")}
    return settings_of(Request(), teacher="negative", preset="tiny", width=0.25, seed=5, steps=2, **folders)


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory) -> Path:
    """A run to prune: 16 and 32 channels."""
    out = tmp_path_factory.mktemp("runs") / "wide"
    distil(settings, out, "cpu", console=Console(file=io.StringIO()))
    return out


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])


def done(*arguments: object) -> Result:
    result = invoke(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*arguments: object) -> str:
    error = invoke(*arguments).exception
    assert isinstance(error, UserError), error
    assert "\n" not in str(error)
    return str(error)


@pytest.fixture(scope="module")
def pruned(run, tmp_path_factory) -> tuple[Path, Result]:
    """That run's student with half the channels, six steps later."""
    out = tmp_path_factory.mktemp("runs") / "pruned"
    return out, done(run, "--ratio", 0.5, "--steps", 6, "--out", out)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "student.safetensors")


def test_what_pruning_leaves_behind(pruned, settings):
    out, _ = pruned
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {
        *("plan.json", "pruned.safetensors", "config.json", "checkpoint.pt", "metrics.jsonl", "evaluation.json"),
        *("student.safetensors", "sheets/step-000006.png", "sheets/final.png"),
    }
    config = Settings.from_json(json.loads((out / "config.json").read_text()))
    changed = {"width", "steps", "warm_start", "muon_lr", "adam_lr"}
    assert set(config.differences(settings)) == changed
    assert (config.width, config.steps, config.warm_start) == (0.125, 6, str(out / "pruned.safetensors"))


def test_the_student_is_half_and_has_learned(pruned, run):
    out, _ = pruned
    trained, start = load_student(out), load_student(out / "pruned.safetensors").student
    assert trained.student.shape == HaarPainter(0.125, grain=True).shape
    assert not torch.equal(trained.student.head.weight, start.head.weight)
    again = apply_plan(load_student(run).student, read_plan(out / "plan.json"))
    assert all(torch.equal(value, start.state_dict()[key]) for key, value in again.state_dict().items())


def test_provenance_says_what_was_pruned(pruned, run):
    trained = load_student(pruned[0])
    record = trained.provenance["pruning"]
    assert (record["from"], record["ratio"]) == (str(run), 0.5)
    assert set(record["scores"]) == {"before pruning", "pruned"}
    assert record["scores"]["before pruning"] == pytest.approx(load_student(run).quality["scores"]["student"], rel=1e-4)
    assert trained.provenance["teacher"]["name"] == "negative"


def test_the_plan_and_all_scores_are_shown(pruned):
    shown = pruned[1].stdout
    assert shown.index("pruning plan") < shown.index("held-back pairs")
    for row in ("blocks.0.inner", "32 → 32", "16 → 16", "before pruning", "recovered"):
        assert row in shown
    assert f"brushlet export {pruned[0]}" in shown


def test_the_plan_comes_before_the_deed(run, tmp_path, monkeypatch):
    """Nothing has been cut, judged or trained when the plan is on the screen."""
    printed = []
    monkeypatch.setattr("distill.prune_report.plan_table", lambda *costs: printed.append(list(tmp_path.iterdir())))
    monkeypatch.setattr(prune_module, "cut", lambda *_: (_ for _ in ()).throw(UserError("stop")))
    assert refused(run, "--out", tmp_path / "out", "--steps", 2) == "stop"
    assert printed == [[]]


def test_plan_only_stops_there_and_can_be_applied_later(pruned, run, tmp_path):
    out = tmp_path / "plan"
    result = done(run, "--plan-only", "--out", out, "--json")
    record = json.loads(result.stdout)
    assert [path.name for path in out.iterdir()] == ["plan.json"]
    assert record["plan"] == str(out / "plan.json") and "scores" not in record
    assert record["totals"]["macs"][1] < 0.3 * record["totals"]["macs"][0]
    assert read_plan(out / "plan.json") == read_plan(pruned[0] / "plan.json")  # the same seed, the same plan
    done(run, "--plan", out / "plan.json", "--steps", 6, "--out", tmp_path / "later")
    mine, wanted = weights(tmp_path / "later"), weights(pruned[0])
    assert all(torch.allclose(mine[key], wanted[key], atol=1e-6) for key in wanted)


def test_json_has_plan_and_scores(run, tmp_path):
    record = json.loads(done(run, "--steps", 1, "--out", tmp_path, "--json").stdout)
    assert set(record["scores"]) == {"photo", "teacher", "before pruning", "pruned", "recovered"}
    assert record["student"] == str(tmp_path / "student.safetensors")
    assert record["layers"][0]["channels"] == [[3, 16], [3, 8]]


def test_an_interrupted_recovery_goes_on_to_the_same_student(pruned, run, tmp_path, monkeypatch):
    """Ctrl-C during the third step; the same command with --resume ends where an undisturbed run did."""
    advance, out = Trainer.advance, tmp_path / "out"

    def interrupted(trainer: Trainer, batch: object) -> dict[str, float]:
        if trainer.step == 2:
            signal.raise_signal(signal.SIGINT)
        return advance(trainer, batch)

    monkeypatch.setattr(Trainer, "advance", interrupted)
    result = invoke(run, "--steps", 6, "--out", out)
    assert result.exit_code != 0 and not (out / "student.safetensors").exists()
    assert f"stopped; the checkpoint is in {out}. Go on with the same command and --resume" in result.stderr
    monkeypatch.setattr(Trainer, "advance", advance)
    assert "was pruned with --ratio 0.5: repeat that" in refused(
        run, "--steps", 6, "--out", out, "--resume", "--ratio", 0.4
    )
    result = done(run, "--steps", 6, "--out", out, "--resume")
    assert "resuming after step 3" in result.stderr and "recovered" in result.stdout
    assert [row["step"] for row in read_metrics(out / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]
    mine, wanted = weights(out), weights(pruned[0])
    assert all(torch.allclose(mine[key], wanted[key], atol=1e-6) for key in wanted)
    assert load_student(out).provenance["pruning"]["scores"] == load_student(pruned[0]).provenance["pruning"]["scores"]


def test_killed_before_the_first_step_it_starts_again(pruned, run, tmp_path):
    """Plan and cut weights are there, no run is: the same command starts from the cut again."""
    for name in ("plan.json", "pruned.safetensors"):
        shutil.copy(pruned[0] / name, tmp_path / name)
    assert "there is no run in" in refused(run, "--steps", 1, "--out", tmp_path, "--resume")
    done(run, "--steps", 1, "--out", tmp_path)


@pytest.mark.parametrize("ratio", [0, 1, -0.5, 1.5, "nan"])
def test_a_ratio_is_a_share(run, tmp_path, ratio):
    assert refused(run, "--ratio", ratio, "--out", tmp_path / "x").startswith("--ratio must lie between 0 and 1, got")
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_pruned_is_said(pruned, run, tmp_path, monkeypatch):
    out = tmp_path / "x"
    assert "does not exist; give a run directory" in refused(tmp_path / "nowhere", "--out", out)
    (tmp_path / "empty").mkdir()
    assert "holds no student.safetensors" in refused(tmp_path / "empty", "--out", out)
    assert "already holds a run" in refused(run, "--out", run)
    assert "there is no pruned student in" in refused(run, "--out", out, "--resume")
    assert "--steps, --batch and --pairs must be at least 1" in refused(run, "--steps", 0, "--out", out)
    assert "nothing to prune" in refused(run, "--ratio", 0.1, "--out", out)
    assert "nowhere.json cannot be read" in refused(run, "--plan", tmp_path / "nowhere.json", "--out", out)
    assert "made for a student with other weights" in refused(
        pruned[0], "--plan", pruned[0] / "plan.json", "--out", out
    )
    assert not out.exists()


def test_the_smallest_student_has_nothing_to_prune(run, tmp_path, monkeypatch):
    monkeypatch.setattr(prune_module, "open_sources", lambda *_: pytest.fail("got as far as the teacher"))
    save_student(tmp_path / "small.safetensors", replace(load_student(run), student=HaarPainter(0.0625)))
    assert "every layer of this student has 8 channels" in refused(tmp_path / "small.safetensors", "--out", tmp_path)


def test_a_style_that_is_folded_in_stays(tmp_path):
    save_student(tmp_path / "s.safetensors", Trained(FrozenPainter(0.25), {}, {}, {}))
    assert "has its style folded in: prune a student" in refused(tmp_path / "s.safetensors", "--out", tmp_path / "x")


def test_folders_of_a_shipped_students_maker_are_replaced_by_what_ships(run, tmp_path, monkeypatch):
    """Those of one's own run are not: their loss is an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path / "shipped")
    monkeypatch.setattr(prune_module, "open_sources", lambda settings, say: (_ for _ in ()).throw(UserError("stop")))
    trained = load_student(run)
    config = {**trained.config, "content": "../photos/of/mine", "style": str(run), "weights": "compact"}
    for file in (Path("shipped/negative-w025.safetensors"), Path("own/student.safetensors")):
        file.parent.mkdir()
        save_student(file, replace(trained, config=config))
    started = []
    monkeypatch.setattr(prune_module, "check_folder", lambda out, settings, resume: started.append(settings))
    result = invoke("negative-w025")
    assert (
        "negative-w025 was trained with pictures or weights that are not here (content): what ships takes their place"
        in result.stderr
    )
    assert (started[-1].content, started[-1].style, started[-1].weights) == (None, str(run), "compact")
    invoke("negative-w025", "--content", "elsewhere")
    invoke("own")
    assert [settings.content for settings in started[1:]] == ["elsewhere", "../photos/of/mine"]


def test_a_student_without_its_settings_cannot_recover(tmp_path):
    save_student(tmp_path / "s.safetensors", Trained(HaarPainter(0.25), {}, {}, {}))
    assert "does not say how it was trained" in refused(tmp_path / "s.safetensors", "--out", tmp_path / "x")


def test_without_the_extra_it_is_a_missing_module(run, tmp_path, monkeypatch):
    """The front door says which extra brings it."""
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    error = invoke(run, "--out", tmp_path / "x").exception
    assert isinstance(error, ModuleNotFoundError) and error.name == "torch_pruning"


def test_runs_have_a_default_place(tmp_path):
    assert out_folder(Pruning("adain-w025")) == Path("runs/adain-w025-pruned")
    assert out_folder(Pruning(str(tmp_path / "run" / "student.safetensors"))) == Path("runs/run-pruned")
    assert out_folder(Pruning("x", out=tmp_path)) == tmp_path


class PixelLoss(torch.nn.Module):
    """Squared distance to the photo's negative, in double precision: its small differences can be measured."""

    def __init__(self, student: HaarPainter):
        super().__init__()
        self.student = student.double()

    def forward(self, batch: tuple[torch.Tensor, torch.Tensor], perception: str) -> dict[str, torch.Tensor]:
        return {"pixels": (self.student(*batch) - 1 + batch[0]).square().mean()}


def test_importance_is_the_change_of_the_loss():
    """To first order: against the loss when what all readers of a channel read from it grows and shrinks a little."""
    torch.manual_seed(3)
    groups = channel_groups(HaarPainter(0.0625, 1))
    objective = PixelLoss(HaarPainter(0.0625, 1))
    batches = [tuple(torch.rand(2, 1, 3, 32, 32, dtype=torch.float64)) for _ in range(2)]
    importance = taylor_importance(objective, groups, batches, "compact")
    assert all(parameter.grad is None for parameter in objective.parameters())

    @torch.no_grad()
    def losses(layers: tuple[str, ...], channel: int, factor: float) -> torch.Tensor:
        weights = [objective.student.get_submodule(layer).weight for layer in layers]
        kept = [weight[:, channel].clone() for weight in weights]
        for weight in weights:
            weight[:, channel] *= factor
        found = torch.stack([objective(batch, "compact")["pixels"] for batch in batches])
        for weight, old in zip(weights, kept, strict=True):
            weight[:, channel] = old
        return found

    for group, scores in zip(groups, importance, strict=True):
        for channel in (0, 5):
            slopes = (losses(group.inputs, channel, 1.01) - losses(group.inputs, channel, 0.99)) / 0.02
            wanted = slopes.square().mean().item()
            assert scores[channel].item() == pytest.approx(wanted, rel=0.1, abs=1e-9), (group, channel)

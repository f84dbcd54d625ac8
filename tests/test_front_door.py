"""The command `brushlet`: light to start, and plain about what went wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import brushlet
from devices.errors import DeviceError
from runtime.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "numpy", "onnxruntime", "onnx", "PIL", "distill", "export", "runtime", "benchmarks", "devices")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return start([sys.executable, "-m", "brushlet", *arguments])


def run_code(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return start([sys.executable, "-c", code], **environment)


def start(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {"NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | plain | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def failing(monkeypatch):
    """`failing(error)` is the result of `brushlet stylize` when the stage raises `error`."""

    class Stage:
        pass

    def invoke(error: BaseException):
        import typer

        stage = typer.Typer()

        @stage.command()
        def fail() -> None:
            raise error

        module = Stage()
        module.app = stage
        monkeypatch.setattr(brushlet, "import_module", lambda name: module)
        return CliRunner().invoke(brushlet.app, ["stylize"])

    return invoke


def test_help_names_every_stage_and_imports_none():
    code = (
        "import sys; sys.argv = ['brushlet', '--help']\n"
        "import brushlet\n"
        "try: brushlet.main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('loaded:', [name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert result.stdout.rstrip().endswith("loaded: []")
    assert all(stage in result.stdout for stage in brushlet.STAGES)


@pytest.mark.parametrize("name", brushlet.STAGES)
def test_every_stage_is_there_and_helps(name):
    result = run(name, "--help")
    assert result.returncode == 0, result.stderr
    assert f"brushlet {name}" in result.stdout


@pytest.mark.parametrize("name", brushlet.STAGES)
def test_help_of_a_stage_needs_no_torch(name):
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = sys.modules['onnxruntime'] = None\n"
        f"sys.argv = ['brushlet', '{name}', '--help']\n"
        "import brushlet; brushlet.main()"
    )
    result = run_code(code)
    assert result.returncode == 0, result.stderr


def test_each_placeholder_is_replaced_by_its_stage():
    assert set(get_command(brushlet.app).commands) == set(brushlet.STAGES)


def test_version():
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("brushlet")


def test_a_mistyped_stage_gets_a_suggestion():
    result = run("stylise")
    assert result.returncode == 2
    assert "stylize" in result.stderr


@pytest.mark.parametrize("kind", [UserError, DeviceError])
def test_errors_for_the_user_are_one_line(failing, kind):
    result = failing(kind("the photo is upside down: turn it"))
    assert result.exit_code == 1
    assert result.stderr == "error: the photo is upside down: turn it\n"


def test_an_interrupt_is_one_line(failing):
    result = failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted"


def test_a_full_disk(failing):
    result = failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.png"))
    assert result.exit_code == 1
    assert result.stderr == "error: there is no space left on the disk (out.png)\n"


def test_other_errors_of_the_system(failing):
    assert (
        failing(PermissionError(errno.EACCES, "Permission denied", "x.png")).stderr
        == "error: Permission denied (x.png)\n"
    )
    assert failing(MemoryError()).stderr == "error: there is not enough memory\n"


@pytest.mark.parametrize(
    ("module", "stage", "extra"),
    [
        ("torch", "distill", "distill"),
        ("torch.nn", "bench", "distill"),
        ("torch", "export", "export"),
        ("matplotlib", "export", "export"),
        ("coremltools", "export", "coreml"),
        ("av", "stylize", "video"),
    ],
)
def test_a_missing_extra_is_named(module, stage, extra):
    message = brushlet.explain(ModuleNotFoundError(f"No module named {module!r}", name=module), stage)
    assert message is not None
    assert message.startswith(f"this needs the {extra} extra")
    assert message.endswith(f"pip install 'brushlet[{extra}]'")


def test_modules_that_no_extra_brings_are_bugs():
    assert brushlet.explain(ModuleNotFoundError("No module named 'typo'", name="typo")) is None


def test_every_named_extra_exists():
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in pyproject for extra in brushlet.EXTRAS)


@pytest.fixture
def stage_with_a_bug(tmp_path):
    """Runs `brushlet stylize` with a stage whose command raises KeyError."""
    (tmp_path / "buggy.py").write_text("import typer\napp = typer.Typer()\n@app.command()\ndef f(): {}['photo']\n")
    code = (
        "import sys, brushlet\n"
        "brushlet.STAGES['stylize'] = brushlet.Stage('buggy', '')\n"
        "sys.argv = ['brushlet', 'stylize']\n"
        "brushlet.main()"
    )

    paths = os.pathsep.join([str(ROOT), str(tmp_path)])
    return lambda debug: run_code(code, PYTHONPATH=paths, BRUSHLET_DEBUG=debug)


def test_distill_is_a_command_of_its_own(tmp_path):
    code = "import sys, brushlet; sys.argv = ['distill', *{arguments}]; brushlet.distill_alone()"
    helped = run_code(code.format(arguments=["--help"]))
    assert helped.returncode == 0
    assert "Usage: distill [OPTIONS]" in helped.stdout
    refused = run_code(code.format(arguments=["--teacher", "adani", "--out", str(tmp_path / "run")]))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: ")
    assert "'adain'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_distill_runs_as_a_module(tmp_path):
    refused = start([sys.executable, "-m", "distill", "--teacher", "adani", "--out", str(tmp_path / "run")])
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: ")


def test_a_bug_says_so_and_how_to_see_more(stage_with_a_bug):
    result = stage_with_a_bug(debug="")
    assert result.returncode == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("error: this is a bug in brushlet: KeyError: 'photo' (")
    assert first.endswith("/buggy.py:4)")
    assert "BRUSHLET_DEBUG=1" in second


def test_debugging_shows_the_traceback(stage_with_a_bug):
    result = stage_with_a_bug(debug="1")
    assert result.returncode == 1
    assert "Traceback" in result.stderr

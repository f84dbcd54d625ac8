"""The front door: one command, whose stages are loaded when they are asked for."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

__all__ = ["app", "distill_alone", "main"]

DEBUG_VARIABLE = "BRUSHLET_DEBUG"
EXIT_INTERRUPTED = 130


class Stage(NamedTuple):
    """A command: the module whose `app` it is, and the line that --help shows without loading it."""

    module: str
    help: str


STAGES = {
    "distill": Stage("distill.cli", "Teach a small student what a large stylizer does."),
    "teachers": Stage("distill.teachers_cli", "List the stylizers that a student can learn from."),
    "teach-demo": Stage("distill.teach_demo_cli", "See a teacher itself at work."),
    "teach-johnson": Stage("distill.teach_johnson_cli", "Train a teacher of one style from one painting."),
    "teach-spade": Stage("distill.teach_spade_cli", "Train a teacher that paints from label maps."),
    "teach-cyclegan": Stage("distill.teach_cyclegan_cli", "Train a CycleGAN on two folders of pictures."),
    "teach-styleswin": Stage("distill.teach_styleswin_cli", "Train a StyleSwin stylizer on photos and paintings."),
    "prune": Stage("distill.prune_cli", "Take channels out of a student and let it recover."),
    "export": Stage("export.cli", "Turn a trained student into a bundle that a device runs."),
    "stylize": Stage("runtime.cli", "Paint photos in a style."),
    "models": Stage("runtime.models_cli", "List the students that ship, with their sizes and scores."),
    "style": Stage("runtime.styles.cli", "Save styles, and show them side by side."),
    "personalize": Stage("distill.personalize_cli", "Make a style code from a few pictures of your own."),
    "bench": Stage("benchmarks.cli", "Measure a bundle on this machine."),
    "search": Stage("benchmarks.search_cli", "Find the largest student that keeps a latency budget."),
    "report": Stage("benchmarks.report.cli", "Show what records hold: a page, or a table."),
    "devices": Stage("devices.cli", "Say what a device is."),
    "doctor": Stage("devices.doctor.cli", "Say what is installed, what is missing, and the command that mends it."),
}

#: The modules that the base install lacks, by the extra that brings them.
EXTRAS = {
    "distill": ("accelerate", "filelock", "pooch", "requests", "safetensors", "skimage", "torch", "torchmetrics"),
    "prune": ("torch_pruning",),
    "export": ("jinja2", "matplotlib", "onnx", "onnxslim"),
    "coreml": ("coremltools",),
    "openvino": ("openvino",),
    "tensorrt-rtx": ("tensorrt_rtx",),
    "tensorrt": ("cuda", "tensorrt"),
    "video": ("av",),
    "camera": ("cv2",),
    "large": ("pyvips",),
    "bench": ("ai_edge_litert", "onnx", "scipy"),
}


class Stages(TyperGroup):
    """The stages by name: a stage's module is imported when it runs, and its errors end as one line."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, placeholder and get_command(import_module(STAGES[name].module).app), rest

    def invoke(self, ctx: Any) -> Any:
        with _said_plainly(lambda: ctx.invoked_subcommand):
            return super().invoke(ctx)


@contextmanager
def _said_plainly(stage: Callable[[], str | None]) -> Iterator[None]:
    """Turn an interrupt and what `explain` knows into one line and an exit code; BRUSHLET_DEBUG shows the traceback."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except Exception as error:
        message = explain(error, stage())
        if message is None or os.environ.get(DEBUG_VARIABLE):
            raise
        typer.echo(f"error: {message}", err=True)
        raise typer.Exit(1) from None


def explain(error: Exception, stage: str | None = None) -> str | None:
    """What went wrong in the user's words; None for a bug, a usage error and whatever else has its own handling."""
    from devices.errors import DeviceError
    from runtime.errors import UserError

    if isinstance(error, (UserError, DeviceError)):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return _missing_extra((error.name or "").split(".")[0], stage)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.errno not in (None, errno.EPIPE):
        where = f" ({error.filename})" if error.filename else ""
        if error.errno == errno.ENOSPC:
            return f"there is no space left on the disk{where}"
        return f"{error.strerror}{where}"
    return None


def _missing_extra(module: str, stage: str | None) -> str | None:
    bringing = [extra for extra, modules in EXTRAS.items() if module in modules]
    if not bringing:
        return None
    extra = stage if stage in bringing else bringing[0]
    if stage == "export" and extra == "distill":  # the extra of the export brings both
        extra = "export"
    return f"this needs the {extra} extra, which brings {module}: pip install 'brushlet[{extra}]'"


app = typer.Typer(
    cls=Stages,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        typer.echo(f"brushlet {version('brushlet')}")
    except PackageNotFoundError:
        typer.echo("brushlet, not installed: it runs from its folder")
    raise typer.Exit


@app.callback()
def brushlet(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version, and stop.")
    ] = False,
) -> None:
    """Style transfer that runs where the camera is: distil, export, stylize, measure.

    Example: brushlet stylize photo.jpg --style painting.jpg -o out.png
    """


def _placeholder() -> None:
    """Stands for a stage in --help; Stages.resolve_command puts the stage itself in its place."""


for _name, _stage in STAGES.items():
    app.command(_name, help=_stage.help)(_placeholder)


def main() -> None:
    """The console command `brushlet`."""
    _run(get_command(app), "brushlet")


def distill_alone() -> None:
    """The console command `distill`: that stage without the umbrella."""
    command = get_command(import_module(STAGES["distill"].module).app)
    invoke = command.invoke

    def plainly(ctx: Any) -> Any:
        with _said_plainly(lambda: "distill"):
            return invoke(ctx)

    command.invoke = plainly
    _run(command, "distill")


def _run(command: Any, name: str) -> NoReturn:
    """Run a command to its exit; what nobody expected is told as a bug."""
    try:
        command(prog_name=name)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # all that is expected was told and ended in SystemExit
        if os.environ.get(DEBUG_VARIABLE):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        where = next(frame for frame in reversed(frames) if os.path.exists(frame.filename))
        place = f"{os.path.basename(os.path.dirname(where.filename))}/{os.path.basename(where.filename)}:{where.lineno}"
        first = (str(error).splitlines() or [""])[0]
        print(f"error: this is a bug in brushlet: {type(error).__name__}: {first} ({place})", file=sys.stderr)
        print(f"Please report it; {DEBUG_VARIABLE}=1 before the command shows the traceback.", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()

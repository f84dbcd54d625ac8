"""``brushlet personalize``: reads the pictures, writes the code, and says what it scores."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from distill.checkpoint import load_student
from distill.personalize import DEFAULT_STEPS, Personal, personalize, read_images
from runtime.errors import UserError
from runtime.style_code import StyleCode


def run_and_report(
    images: Sequence[Path], model: str, output: Path, name: str | None, as_json: bool, **options: Any
) -> Personal:
    """Optimise a code for the images and write it.

    Where the encoder's own code scores better, that is told, and nothing is written.

    Raises:
        UserError: pictures, student or photos that cannot be read, or a code that is no better.
    """
    if output.suffix.lower() != ".json":
        raise UserError(f"{output} must end in .json: that is how a saved style is told from a picture")
    student = load_student(model).student
    pictures = read_images(images)
    steps, console = options.get("steps", DEFAULT_STEPS), Console(stderr=True)
    start = time.perf_counter()
    with Progress(console=console, transient=True, disable=as_json or not console.is_terminal) as bar:
        task = bar.add_task("optimising the style code", total=steps)
        personal = personalize(student, pictures, progress=lambda step: bar.update(task, completed=step), **options)
    seconds = time.perf_counter() - start
    if not personal.better:
        raise UserError(
            f"the style encoder's own code is as good (style loss {personal.own.style:.3f}, after optimising "
            f"{personal.personal.style:.3f}): brushlet style save keeps it, or give more --steps"
        )
    code = StyleCode(personal.code, Path(model).name, name or output.stem)
    code.save(output)
    if as_json:
        print(
            json.dumps(
                {"output": str(output), "model": code.student, "seconds": seconds, **personal.to_json()}, indent=1
            )
        )
    else:
        _print(personal, output, seconds)
    return personal


def _print(personal: Personal, output: Path, seconds: float) -> None:
    own, mine = personal.own, personal.personal
    ratio = mine.style / own.style
    print(f"{output}  in {seconds:.0f} s, on {personal.photos} held-back photos judged by {personal.judge}:")
    print(f"style loss    {own.style:.3f} with the encoder's own code, {mine.style:.3f} with this ({ratio:.2f}x)")
    print(f"content loss  {own.content:.3f} with the encoder's own code, {mine.content:.3f} with this")

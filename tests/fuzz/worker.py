"""A process that does what a user would do with a file from a stranger, and says how it ended.

Reads a JSON object per line, ``{"job": ..., "path": ...}``, and answers each with one: ``outcome`` is "ran", "refused"
(the one error that is meant for users) or "raised" (any other), ``text`` is the error, ``outside`` lists files that
were opened and are neither the bundle's nor Python's own. A crash in native code ends this process and not the tests.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from runtime.errors import UserError
from runtime.stylizer import Stylizer

#: Address space in bytes: far above what the small pictures here need, far below what a machine has.
MOST_MEMORY = 6 * 2**30
_ROOT = Path(__file__).resolve().parents[2]
_OWN = (sys.prefix, sys.base_prefix, str(_ROOT), "/dev/", "/proc/", "/sys/", "/etc/localtime", "/usr/")


class Watch:
    """Every file that Python code opens while ``bundle`` is being read."""

    def __init__(self) -> None:
        self.bundle: str | None = None
        self.outside: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.bundle is None or event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if not path.startswith((self.bundle + os.sep, *_OWN)):
            self.outside.append(path)


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Noise, uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stylize(path: str, engine: str, times: int = 1) -> None:
    """Load the bundle and paint a picture in a style of its own and in that of a picture."""
    with Stylizer.load(path, engine, threads=1) as stylizer:
        for style in (picture(40, 30, 1), *(held.name for held in stylizer.bundle.manifest.styles[:1])) * times:
            painted = stylizer(picture(20, 26, 0), style)
            assert painted.shape == (20, 26, 3)


def evaluate(path: str) -> None:
    """Run a Core ML package in the reference evaluator."""
    from export.coreml.mil_evaluator import MilEvaluator

    evaluator = MilEvaluator(path)
    feeds = {}
    for feature in evaluator.program.inputs:
        width, height = feature.sizes[0] if feature.sizes else (8, 8)
        shape = [max(1, min(size or 1, 64)) for size in feature.shape]
        feeds[feature.name] = picture(height, width, 0) if feature.colour else np.ones(shape, np.float32)
    evaluator.predict(feeds)


JOBS: dict[str, Callable[[str], None]] = {
    "onnxruntime": lambda path: stylize(path, "onnxruntime"),
    "openvino": lambda path: stylize(path, "openvino", times=3),  # it makes a graph for sizes that keep coming
    "package": evaluate,
}


def answer(job: str, path: str, watch: Watch) -> dict[str, object]:
    """Do the job and say how it ended."""
    watch.outside, watch.bundle = [], os.path.realpath(path)
    outcome, text = "ran", ""
    try:
        JOBS[job](path)
    except UserError as error:
        outcome, text = "refused", str(error)
    except BaseException as error:  # all that a user would see as a traceback
        outcome, text = "raised", repr(error)[:2000]
    finally:
        watch.bundle = None
    return {"outcome": outcome, "text": text, "outside": watch.outside}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what native code prints is no answer
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = Watch()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(answer(request["job"], request["path"], watch)), file=answers, flush=True)


if __name__ == "__main__":
    main()

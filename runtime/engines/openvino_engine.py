"""OpenVINO on the CPU: the faster engine for int8 graphs on x86. Reads the same ONNX files as ONNX Runtime."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock, Thread, local
from types import ModuleType
from typing import Any

import numpy as np

from runtime.engines.onnxruntime_engine import require_consistent
from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor

#: Shapes that come more often than this get a graph compiled for them, which pays for itself within tens of runs.
RUNS_BEFORE_FIXING = 4
#: As many shapes get one (a tiled picture has four), and as many more are counted; all others run the general graph.
MOST_FIXED_SHAPES, MOST_COUNTED_SHAPES = 4, 64

#: Whether pictures are bytes, and the shapes of the inputs as planes.
Key = tuple[bool, tuple[tuple[int, ...], ...]]
_CONTENT, _PICTURE, _SUM = "content", "picture", "sum of the picture"


class CompiledGraph:
    """A graph ready to run, with an inference request for each thread that uses it.

    By itself OpenVINO copies pictures on their way in and out, which an int8 painter feels. Here it reads inputs where
    they lie, and writes outputs whose shape is fixed where they are to lie.
    """

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self._requests = local()
        self._fixed_outputs = {
            port.get_any_name(): (tuple(port.shape), port.element_type.to_dtype())
            for port in compiled.outputs
            if port.partial_shape.is_static
        }

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        from openvino import Tensor

        if not hasattr(self._requests, "own"):
            self._requests.own = self.compiled.create_infer_request()
        request = self._requests.own
        outputs = {name: np.empty(*described) for name, described in self._fixed_outputs.items()}
        for name, array in outputs.items():
            request.set_tensor(name, Tensor(array, shared_memory=True))
        results = request.infer(dict(feeds), share_inputs=True, share_outputs=True)
        names = (port.get_any_name() for port in self.compiled.outputs)
        found = {name: outputs[name] if name in outputs else np.array(results[name]) for name in names}
        if not np.isfinite(found.pop(_SUM, 0)):
            raise ValueError("numbers that are not finite")
        return found


class OpenVinoEngine:
    """An ONNX graph compiled by OpenVINO.

    A graph of open sizes runs everything, but OpenVINO moves data between layouts around every multiplication whose
    shapes it does not know. So shapes that keep coming, such as a video's or a tile's, get a graph of their own. A
    painter's then also makes planes of bytes and bytes of planes, with all its threads.

    Args:
        path: the .onnx file.
        threads: threads inside an inference; None leaves it to OpenVINO, which takes one per physical core.
        device: OpenVINO's name of the device, such as "CPU" or "GPU".

    Raises:
        UserError: openvino is not installed, has no such device, or cannot load the graph.
    """

    def __init__(self, path: Path, threads: int | None = None, device: str = "CPU") -> None:
        self._core = _core()
        if threads is not None and threads < 1:
            raise UserError(f"threads must be 1 or more, not {threads}")
        self._path = path
        # float32 stays float32: a CPU with bfloat16 would otherwise compute in that, and the picture would move.
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            require_consistent(path)  # openvino reads values of another type or shape than it expects, and crashes
            self._model = self._core.read_model(path)
            self._general = self._compile(self._model, device, settings)
        except UserError:
            raise
        except Exception as error:  # openvino raises plain RuntimeErrors, with a stack of its own in the text
            raise UserError(f"openvino cannot load {path}: {_reason(error)}") from error
        self._device, self._settings = device, settings
        general = self._general.compiled
        self._inputs = {port.get_any_name(): port.get_partial_shape() for port in general.inputs}
        self._outputs = [port.get_any_name() for port in general.outputs]
        self._fixed: dict[Key, CompiledGraph] = {}
        self._seen: Counter[Key] = Counter()
        self._fixing = Lock()
        self._open = True

    @property
    def takes_bytes(self) -> bool:
        """Whether it is a painter, whose content may come as bytes: see `runtime.engines.Engine`."""
        return _CONTENT in self._inputs and _PICTURE in self._outputs

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name; each thread has an inference request of its own.

        Raises:
            UserError: the feeds do not fit the graph, it fails on them, or bytes are asked for and its numbers are not
                finite.
            ValueError: the engine is closed.
        """
        if not self._open:
            raise ValueError(f"the engine of {self._path} is closed")
        shapes = {name: array.shape for name, array in feeds.items()}
        in_bytes = self.takes_bytes and len(shapes.get(_CONTENT, ())) == 4 and feeds[_CONTENT].dtype == np.uint8
        if in_bytes:
            count, height, width, channels = shapes[_CONTENT]
            shapes[_CONTENT] = count, channels, height, width
        self._require_fitting(shapes)
        try:
            graph = self._graph_for(shapes, in_bytes)
            if graph is not None:
                return graph.infer(feeds)
            return self._run_on_bytes(feeds) if in_bytes else self._general.infer(feeds)
        except Exception as error:
            raise UserError(f"openvino failed on {self._path}: {_reason(error)}") from error

    def _run_on_bytes(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        painted = self._general.infer({**feeds, _CONTENT: to_tensor(feeds[_CONTENT][0])})
        return {**painted, _PICTURE: to_picture(painted[_PICTURE])[None]}

    def _graph_for(self, shapes: Mapping[str, tuple[int, ...]], in_bytes: bool) -> CompiledGraph | None:
        """The graph of just these shapes, made when they have come often enough."""
        key = in_bytes, tuple(shapes[name] for name in self._inputs)
        with self._fixing:
            if key not in self._fixed and len(self._fixed) < MOST_FIXED_SHAPES and self._keeps_coming(key):
                model = self._model.clone()
                model.reshape({name: list(shape) for name, shape in shapes.items()})
                fixed = from_bytes_to_bytes(model) if in_bytes else model
                self._fixed[key] = self._compile(fixed, self._device, self._settings)
            return self._fixed.get(key)

    def _keeps_coming(self, key: Key) -> bool:
        if key not in self._seen and len(self._seen) >= MOST_COUNTED_SHAPES:
            self._seen.clear()
        self._seen[key] += 1
        return self._seen[key] > RUNS_BEFORE_FIXING

    def _compile(self, model: Any, device: str, settings: dict[str, Any]) -> CompiledGraph:
        return CompiledGraph(self._core.compile_model(model, device, settings))

    def _require_fitting(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse what openvino itself would run with whatever lies in memory."""
        from openvino import PartialShape

        if shapes.keys() != self._inputs.keys():
            raise UserError(f"openvino failed on {self._path}: it takes {', '.join(self._inputs)}")
        for name, shape in self._inputs.items():
            if not shape.compatible(PartialShape(list(shapes[name]))):
                raise UserError(
                    f"openvino failed on {self._path}: '{name}' has shape {shapes[name]} instead of {shape}"
                )

    def close(self) -> None:
        """Free the compiled graphs."""
        self._open = False
        self._model = self._general = None
        self._fixed.clear()


def from_bytes_to_bytes(model: Any) -> Any:
    """A painter of a fixed size with content and picture as uint8 (1, H, W, 3), rounded as `to_picture` does.

    Its second output is the sum of the picture's numbers: not finite where one of them is not, which bytes would hide.
    """
    from openvino import Model
    from openvino import opset13 as ops

    planes, painted = model.input(_CONTENT), model.output(_PICTURE).get_node().input_value(0)
    count, channels, height, width = planes.get_shape()
    content = ops.parameter([count, height, width, channels], np.uint8, name=_CONTENT)
    levels = ops.convert(ops.transpose(content, np.array([0, 3, 1, 2])), "f32")
    scaled = ops.multiply(levels, np.float32(1 / 255))
    for reader in planes.get_target_inputs():
        reader.replace_source_output(scaled.output(0))
    rounded = ops.clamp(ops.add(ops.multiply(painted, np.float32(255)), np.float32(0.5)), 0, 255)
    picture = ops.transpose(ops.convert(rounded, "u8"), np.array([0, 2, 3, 1]))
    total = ops.reduce_sum(painted, np.arange(4))
    for port, name in ((content, _CONTENT), (picture, _PICTURE), (total, _SUM)):
        port.output(0).set_names({name})
    others = [each for each in model.get_parameters() if _CONTENT not in each.output(0).get_names()]
    return Model([picture.output(0), total.output(0)], [content, *others], model.get_friendly_name())


@cache
def _core() -> Any:
    """The process's one `openvino.Core`, its CPU plugin loaded.

    On a CPU with AMX the plugin gives the thread that loads it another stack for signals, and frees that stack on
    whichever thread drops the plugin. A thread that had it crashes at its next signal, such as Ctrl-C. So a thread that
    ends at once loads the plugin, and nobody drops it.
    """
    cores: list[Any] = []

    def load() -> None:
        core = _import_openvino().Core()
        cores.append(core)
        core.get_versions("CPU")

    _import_openvino()  # here, so that its errors reach the caller
    loader = Thread(target=load, name="openvino-plugin")
    loader.start()
    loader.join()
    return cores[0]


def _import_openvino() -> ModuleType:
    """OpenVINO without its telemetry.

    Importing it would report that to Google Analytics from a forked process, and keep an identifier in the user's home
    (openvino.tools.ovc). Where its telemetry package cannot be imported it does neither.
    """
    telemetry = "openvino_telemetry"
    silenced = "openvino" not in sys.modules and telemetry not in sys.modules
    if silenced:
        sys.modules[telemetry] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise UserError(f"openvino cannot be imported ({error}): pip install 'brushlet[openvino]'") from error
    finally:
        if silenced:
            del sys.modules[telemetry]
    return openvino


def _reason(error: Exception) -> str:
    """The last line that says something: the first ones name OpenVINO's own source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]

"""TensorRT and TensorRT-RTX on an NVIDIA GPU. Reads engine files (see `runtime.engines.engine_file`).

One class runs both: their Python modules differ in name only as far as running goes. Nothing of TensorRT or CUDA is
imported before an engine is opened. Not yet seen on a real GPU: tested against modules that imitate TensorRT and CUDA,
call by call, and against the recorded interfaces of TensorRT 10.3 to 11.4 and TensorRT-RTX 1.7.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from runtime.engines.cuda_memory import Cuda, GpuArray, GpuBuffer, gpu_array, on_gpu
from runtime.engines.engine_file import EngineFacts, read_engine_file
from runtime.errors import UserError
from runtime.tiles import SizeRange

#: The painter's input that is the picture.
_CONTENT = "content"
#: What to install for each module.
_EXTRAS = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx"}


class TensorRtEngine:
    """A painter that TensorRT compiled for this machine's GPU.

    `run` and `run_on_gpu` may be called from several threads; they take turns. Memory on the GPU is allocated when a
    shape is larger than all before, and kept until `close`.

    Args:
        path: the engine file.
        threads: accepted for the sake of the other engines; the GPU has its own.
        allow_host_code: run an engine that was built to run on later versions of TensorRT too. Such an engine holds
            code for the processor: allow it only for files that you built or whose maker you trust.

    Raises:
        UserError: the file is damaged, or was built for another version or GPU; TensorRT or a GPU is missing.
    """

    def __init__(self, path: Path, threads: int | None = None, allow_host_code: bool = False) -> None:
        if threads is not None and threads < 1:
            raise UserError(f"threads must be 1 or more, not {threads}")
        self._path = path
        file = read_engine_file(path)
        self.facts = file.facts
        self._trt = _import(file.facts.flavour)
        self._require_version(file.facts, allow_host_code)
        self._cuda = Cuda()
        self._lock = threading.Lock()
        self._closed = False
        self._profile = 0
        self._buffers: dict[str, GpuBuffer] = {}
        try:
            self._require_gpu(file.facts)
            self._load(file.plan, allow_host_code)
        except BaseException:
            self._release()
            raise

    @property
    def content_sizes(self) -> tuple[SizeRange, ...]:
        """The heights and widths of pictures that it was built for."""
        ranges = (profile[_CONTENT] for profile in self.facts.profiles if _CONTENT in profile)
        return tuple(SizeRange(shapes.least[-2:], shapes.most[-2:]) for shapes in ranges)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name.

        Args:
            feeds: numpy arrays, or arrays on the GPU (anything with ``__cuda_array_interface__``), which are not
                copied.

        Raises:
            UserError: the feeds do not fit the graph or lie outside the sizes it was built for, or the GPU fails.
            ValueError: the engine is closed.
        """
        with self._lock:
            kept = self._set_inputs(feeds)
            outputs = {name: np.empty(self._shape_of(name), self._dtypes[name]) for name in self._outputs}
            pointers = {name: self._buffer(name).reserve(array.nbytes) for name, array in outputs.items()}
            self._execute(pointers)
            for name, array in outputs.items():
                self._cuda.download(pointers[name], array)
            self._cuda.synchronize()
            del kept
            return outputs

    def run_on_gpu(self, feeds: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """The same with all that is on the GPU staying there.

        Args:
            feeds: as for `run`.
            outputs: by name, arrays on the GPU that are written to; they are ready when this returns.

        Raises:
            UserError: as `run`, or outputs that are of another shape or type than the graph's.
            ValueError: the engine is closed.
        """
        with self._lock:
            kept = self._set_inputs(feeds)
            if set(outputs) != set(self._outputs):
                raise self._failed(f"it gives {', '.join(self._outputs)}, not {', '.join(outputs) or 'nothing'}")
            found = {name: gpu_array(value, name, self._cuda) for name, value in outputs.items()}
            for name, array in found.items():
                wanted = GpuArray(array.pointer, self._shape_of(name), self._dtypes[name])
                if array != wanted:
                    raise self._failed(f"'{name}' takes {wanted.dtype} {wanted.shape}, not {array.dtype} {array.shape}")
            self._execute({name: array.pointer for name, array in found.items()})
            self._cuda.synchronize()
            del kept

    def close(self) -> None:
        """Free the engine and all its memory on the GPU."""
        with self._lock:
            if not self._closed:
                self._release()

    def _require_version(self, facts: EngineFacts, allow_host_code: bool) -> None:
        """Refuse an engine of another version before TensorRT does so in its own words."""
        name, here = self._trt.__name__, self._trt.__version__
        fits = _release(here) == _release(facts.version)
        if facts.version_compatible:
            fits = _numbers(here) >= _numbers(facts.version)
            if not allow_host_code:
                raise UserError(
                    f"{self._path} holds code for the processor, because it was built to run on later versions too: "
                    "pass allow_host_code=True if you trust who built it"
                )
        if not fits:
            raise UserError(f"{self._path} was built with {name} {facts.version}, this is {here}: build it again here")

    def _require_gpu(self, facts: EngineFacts) -> None:
        here = self._cuda.compute_capability()
        if not facts.runs_on(here):
            wanted = ", ".join(facts.compute_capabilities) + (" and newer" if facts.newer_gpus else "")
            raise UserError(
                f"{self._path} was built for GPUs of compute capability {wanted}, this one has {here}: build one for it"
            )

    def _load(self, plan: bytes, allow_host_code: bool) -> None:
        trt = self._trt
        self._log = _make_log(trt)
        self._runtime = trt.Runtime(self._log)
        self._runtime.engine_host_code_allowed = allow_host_code and self.facts.version_compatible
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise self._failed("it cannot be loaded")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._failed("the GPU has too little memory for it")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = {name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
        self._inputs = [name for name in names if name in inputs]
        self._outputs = [name for name in names if name not in inputs]
        self._dtypes = {name: np.dtype(trt.nptype(self._engine.get_tensor_dtype(name))) for name in names}
        if any(set(profile) != inputs for profile in self.facts.profiles) or not self.facts.profiles:
            raise self._failed("its sizes are not those of its inputs")

    def _set_inputs(self, feeds: Mapping[str, Any]) -> list[np.ndarray]:
        """Give TensorRT the inputs' shapes and addresses; what is returned has to live until the run is over."""
        if self._closed:
            raise ValueError(f"the engine of {self._path} is closed")
        self._log.forget()
        if set(feeds) != set(self._inputs):
            raise self._failed(f"it takes {', '.join(self._inputs)}, not {', '.join(feeds) or 'nothing'}")
        arrays = {name: self._array(name, value) for name, value in feeds.items()}
        self._choose_profile({name: tuple(array.shape) for name, array in arrays.items()})
        for name, array in arrays.items():
            self._accepted(self._context.set_input_shape(name, tuple(array.shape)), f"it refuses the shape of '{name}'")
            self._accepted(self._context.set_tensor_address(name, self._address(name, array)), f"it refuses '{name}'")
        return [array for array in arrays.values() if isinstance(array, np.ndarray)]

    def _array(self, name: str, value: Any) -> np.ndarray | GpuArray:
        array = gpu_array(value, name, self._cuda) if on_gpu(value) else np.ascontiguousarray(value)
        if array.dtype != self._dtypes[name]:
            raise self._failed(f"'{name}' takes {self._dtypes[name]}, not {array.dtype}")
        return array

    def _address(self, name: str, array: np.ndarray | GpuArray) -> int:
        if isinstance(array, GpuArray):
            return array.pointer
        pointer = self._buffer(name).reserve(array.nbytes)
        self._cuda.upload(array, pointer)
        return pointer

    def _choose_profile(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Switch to the first profile that holds these shapes, if another is set."""
        for index, profile in enumerate(self.facts.profiles):
            if all(profile[name].holds(shape) for name, shape in shapes.items()):
                if index != self._profile:
                    chosen = self._context.set_optimization_profile_async(index, int(self._cuda.stream))
                    self._accepted(chosen, f"it refuses its profile {index}")
                    self._cuda.synchronize()
                    self._profile = index
                return
        outside = (
            name
            for name, shape in shapes.items()
            if not any(profile[name].holds(shape) for profile in self.facts.profiles)
        )
        name = next(outside, self._inputs[0])
        if name != _CONTENT and shapes[name][-2:] != (1, 1):
            raise UserError(f"{self._path} takes one style for the whole picture: --engine onnxruntime paints regions")
        ranges = " or ".join(dict.fromkeys(str(profile[name]) for profile in self.facts.profiles))
        raise self._failed(f"'{name}' may have the shape {ranges}, not {shapes[name]}: build an engine for that --size")

    def _shape_of(self, name: str) -> tuple[int, ...]:
        """An output's shape, after the inputs' are set."""
        shape = tuple(self._context.get_tensor_shape(name))
        if any(size < 0 for size in shape):
            raise self._failed(f"the shape of '{name}' cannot be told")
        return shape

    def _execute(self, outputs: Mapping[str, int]) -> None:
        for name, pointer in outputs.items():
            self._accepted(self._context.set_tensor_address(name, pointer), f"it refuses '{name}'")
        self._accepted(self._context.execute_async_v3(int(self._cuda.stream)), "it does not run")

    def _buffer(self, name: str) -> GpuBuffer:
        if name not in self._buffers:
            self._buffers[name] = GpuBuffer(self._cuda)
        return self._buffers[name]

    def _accepted(self, answer: bool, complaint: str) -> None:
        if not answer:
            raise self._failed(complaint)

    def _failed(self, complaint: str) -> UserError:
        reason = f" ({self._log.worst})" if self._log.worst else ""
        return UserError(f"{self._trt.__name__} failed on {self._path}: {complaint}{reason}")

    def _release(self) -> None:
        """Give everything back, in the order that TensorRT asks for."""
        self._closed = True
        self._context = self._engine = self._runtime = None
        for give_back in (*(buffer.free for buffer in self._buffers.values()), self._cuda.close):
            with contextlib.suppress(UserError):  # a GPU that has failed refuses this too
                give_back()
        self._buffers.clear()


def _import(flavour: str) -> ModuleType:
    try:
        return import_module(flavour)
    except (ImportError, OSError) as error:  # a wheel without its libraries fails with OSError
        raise UserError(
            f"{flavour} cannot be imported ({str(error).splitlines()[0]}): pip install 'brushlet[{_EXTRAS[flavour]}]'"
        ) from error


def _make_log(trt: ModuleType) -> Any:
    """A logger that keeps the worst message instead of printing it."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.forget()

        def forget(self) -> None:
            self.worst = ""

        def log(self, severity: Any, message: str) -> None:
            if not self.worst and severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.worst = (message.splitlines() or [""])[0][:300]

    return Log()


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers: (10, 3, 0) of "10.3.0.post1"."""
    parts = []
    for part in version.split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)


def _release(version: str) -> tuple[int, ...]:
    """The numbers that have to agree for an engine to be loaded: major, minor and patch."""
    return (*_numbers(version), 0, 0, 0)[:3]

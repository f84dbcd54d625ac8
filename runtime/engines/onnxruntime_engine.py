"""ONNX Runtime, on the CPU unless told otherwise."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import numpy as np

from runtime.errors import UserError

DEFAULT_PROVIDERS = ("CPUExecutionProvider",)
#: What people call ONNX Runtime's execution providers.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
}
#: The package of onnxruntime that has them; only one of these packages can be installed at a time.
_PACKAGES = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "qnn": "onnxruntime-qnn",
    "openvino": "onnxruntime-openvino",
    "directml": "onnxruntime-directml",
}
_log = logging.getLogger(__name__)
_LOG_FATAL = 4  # errors reach the user as exceptions, not as log lines beside them


class OnnxRuntimeEngine:
    """An ONNX graph in an ONNX Runtime session.

    Args:
        path: the .onnx file.
        threads: threads inside an operator; None is one per physical core.
        providers: execution providers in order of preference, by a name of `PROVIDERS` or by ONNX Runtime's. One that
            this build or machine lacks is left out with one warning; what none of them runs, the CPU does.
        spinning: let idle threads spin. Off by default: several sessions that spin slow each other down many times.

    Raises:
        UserError: onnxruntime is not installed, there is no provider of that name, or the graph cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        providers: Sequence[str] = DEFAULT_PROVIDERS,
        spinning: bool = False,
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(f"onnxruntime cannot be imported ({error}): pip install onnxruntime") from error
        self._path = path
        wanted = usable_providers(providers, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
        if threads is not None:
            if threads < 1:
                raise UserError(f"threads must be 1 or more, not {threads}")
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=wanted)
        except Exception as error:  # onnxruntime raises a class of its own for every status, without a common base
            raise UserError(f"onnxruntime cannot load {path}: {_first_line(error)}") from error
        for provider in wanted:
            if provider not in self._session.get_providers():  # its libraries or its device are missing
                _warn_once(f"onnxruntime cannot start {provider} on this machine, and goes on without it")
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers at work, by ONNX Runtime's names."""
        return tuple(self._session.get_providers())

    @property
    def inputs(self) -> dict[str, tuple[int | None, ...]]:
        """Shapes by name; None where any size will do."""
        return {
            held.name: tuple(size if isinstance(size, int) else None for size in held.shape)
            for held in self._session.get_inputs()
        }

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name.

        Raises:
            UserError: the feeds do not fit the graph, or it fails on them.
            ValueError: the engine is closed.
        """
        session = self._session
        if session is None:
            raise ValueError(f"the engine of {self._path} is closed")
        try:
            return dict(zip(self._outputs, session.run(self._outputs, dict(feeds)), strict=True))
        except Exception as error:
            raise UserError(f"onnxruntime failed on {self._path}: {_first_line(error)}") from error

    def close(self) -> None:
        """Free the session."""
        self._session = None


def usable_providers(names: Sequence[str], available: Sequence[str]) -> list[str]:
    """ONNX Runtime's names of those providers that are in this build, and the CPU's last; warns of others.

    Raises:
        UserError: there is no provider of that name anywhere; the nearest one is suggested.
    """
    found: list[str] = []
    for name in names:
        provider = PROVIDERS.get(name.lower(), name)
        if provider not in PROVIDERS.values() and provider not in available:
            near = get_close_matches(name.lower(), PROVIDERS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(PROVIDERS)}"
            raise UserError(f"there is no execution provider {name!r}: {hint}")
        if provider in available:
            found.append(provider)
            continue
        package = _PACKAGES.get(name.lower())
        mend = f": pip install {package} in its place brings it" if package else ""
        _warn_once(f"this onnxruntime has no {provider}, and goes on without it{mend}")
    return list(dict.fromkeys([*found, *DEFAULT_PROVIDERS]))


@lru_cache(maxsize=64)
def _warn_once(message: str) -> None:
    """Through logging, which prints a warning on standard error unless the application says otherwise."""
    _log.warning("warning: %s", message)


def require_consistent(path: Path) -> None:
    """Check types and shapes throughout a graph without making it ready to run.

    Raises:
        ValueError: they do not fit each other; the text is ONNX Runtime's reason, one line.
        UserError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"onnxruntime cannot be imported ({error}): pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_FATAL
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        onnxruntime.InferenceSession(path, options, providers=list(DEFAULT_PROVIDERS))
    except Exception as error:
        raise ValueError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]

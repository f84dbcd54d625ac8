"""ONNX Runtime, on the CPU unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from runtime.errors import UserError

DEFAULT_PROVIDERS = ("CPUExecutionProvider",)
_LOG_FATAL = 4  # errors reach the user as exceptions, not as log lines beside them


class OnnxRuntimeEngine:
    """An ONNX graph in an ONNX Runtime session.

    Args:
        path: the .onnx file.
        threads: threads inside an operator; None is one per physical core.
        providers: execution providers in order of preference, such as ``["CUDAExecutionProvider"]``.
        spinning: let idle threads spin. Off by default: several sessions that spin slow each other down many times.

    Raises:
        UserError: onnxruntime is not installed, a provider is not in this build, or the graph cannot be loaded.
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
        available = onnxruntime.get_available_providers()
        missing = [provider for provider in providers if provider not in available]
        if missing:
            # ONNX Runtime itself would fall back to the CPU with a warning.
            raise UserError(f"this onnxruntime has no {', '.join(missing)}: it has {', '.join(available)}")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
        if threads is not None:
            if threads < 1:
                raise UserError(f"threads must be 1 or more, not {threads}")
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=list(providers))
        except Exception as error:  # onnxruntime raises a class of its own for every status, without a common base
            raise UserError(f"onnxruntime cannot load {path}: {_first_line(error)}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

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

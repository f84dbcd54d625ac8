"""ONNX Runtime sessions on graphs that are not files yet."""

from __future__ import annotations

import onnx
import onnxruntime


def open_session(model: onnx.ModelProto, threads: int = 0) -> onnxruntime.InferenceSession:
    """A session on the CPU whose idle threads sleep.

    Args:
        threads: inside an operator; 0 is one per physical core.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

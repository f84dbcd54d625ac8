"""Record which names a version of TensorRT's Python module has, from its wheel, without its libraries or a GPU.

    pip download --no-deps tensorrt-cu12-bindings==10.3.0 && unzip -d wheel tensorrt_cu12_bindings-10.3.0-*.whl
    python tests/runtime/engines/record_interface.py wheel > tests/runtime/engines/interfaces/tensorrt-10.3.0.json

The wheel of bindings holds the real extension module. It registers its classes when it is imported and calls
TensorRT's libraries only later, through nine C functions; libraries that define those nine, compiled here with ``cc``,
let it load. What comes out is the interface itself, not a copy from documentation.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

#: Classes that brushlet uses, or looks for names in.
CLASSES = (
    "Builder",
    "BuilderFlag",
    "ComputeCapability",
    "DataType",
    "DeviceType",
    "EngineInspector",
    "HardwareCompatibilityLevel",
    "IBuilderConfig",
    "ICudaEngine",
    "IExecutionContext",
    "IHostMemory",
    "ILayer",
    "ILogger",
    "INetworkDefinition",
    "IOptimizationProfile",
    "ITensor",
    "ITimingCache",
    "LayerInformationFormat",
    "LayerType",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "OnnxParser",
    "ParserError",
    "ProfilingVerbosity",
    "Runtime",
    "TensorIOMode",
)
USED_FUNCTIONS = ("nptype",)
#: What the extension module takes from TensorRT's libraries.
C_FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = (
    *(f"lib{name}.so.{major}" for major in (10, 11) for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser")),
    *(f"libtensorrt_{name}.so.1" for name in ("rtx", "onnxparser_rtx")),
)


def main(wheel: Path) -> None:
    """Print the interface of the unpacked wheel as JSON."""
    _stand_in_for_libraries()
    sys.path.insert(0, str(wheel))
    (package,) = (path.name for path in wheel.iterdir() if path.name.endswith("_bindings"))
    module = importlib.import_module(package)
    record = {
        "module": package.removesuffix("_bindings"),
        "version": module.__version__,
        "functions": [name for name in USED_FUNCTIONS if hasattr(module, name)],
        "classes": {name: _members(getattr(module, name)) for name in CLASSES if hasattr(module, name)},
    }
    print(json.dumps(record, indent=1).replace(",\n   ", ", "))


def _members(cls: type) -> list[str]:
    return [name for name in dir(cls) if not name.startswith("_")]


def _stand_in_for_libraries() -> None:
    source = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in C_FUNCTIONS)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "empty.c").write_text(source)
        for name in LIBRARIES:
            library = Path(folder) / name
            command = [
                "cc",
                "-shared",
                "-fPIC",
                f"-Wl,-soname,{name}",
                "-o",
                str(library),
                str(Path(folder) / "empty.c"),
            ]
            subprocess.run(command, check=True)
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

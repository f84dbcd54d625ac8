"""A TensorRT that runs on the processor, with exactly the names that a recorded version of the real one has.

Whatever is used and was not recorded raises AttributeError, so code that works here uses no name that its version
lacks. A plan is JSON: what the builder was told, and the graph. An execution reads and writes the memory of a
`FakeCuda` by address, computes with ONNX Runtime, and does so when the stream is synchronised.
"""

from __future__ import annotations

import base64
import json
import sys
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.runtime.engines.fake_cuda import FakeCuda

INTERFACES = Path(__file__).with_name("interfaces")
VERSIONS = sorted(path.stem for path in INTERFACES.glob("*.json"))
CLASSIC = [version for version in VERSIONS if not version.startswith("tensorrt-rtx")]
MAGIC = b"fake plan "
_ENUMS = (
    "BuilderFlag",
    "ComputeCapability",
    "DataType",
    "DeviceType",
    "HardwareCompatibilityLevel",
    "LayerInformationFormat",
    "LayerType",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "ProfilingVerbosity",
    "TensorIOMode",
)


def install(monkeypatch: pytest.MonkeyPatch, version: str, cuda: FakeCuda | None) -> ModuleType:
    """Stand in for the real module until the test is over.

    Args:
        version: name of a recorded interface, such as "tensorrt-10.3.0".
        cuda: the GPU; None for a machine without one.
    """
    interface = json.loads((INTERFACES / f"{version}.json").read_text())
    module = ModuleType(interface["module"])
    module.__version__ = interface["version"]
    module._cuda, module.dla_cores = cuda, 0
    for name in _ENUMS:
        if names := interface["classes"].get(name):
            members = [member for member in names if member not in ("name", "value")]
            setattr(module, name, IntEnum(name, members, start=0))
    for cls in (Builder, Config, Context, Engine, Inspector, Layer, Network, Parser, ParserError, Profile, Runtime):
        real = cls.real
        made = type(real, (cls,), {"_allowed": frozenset(interface["classes"][real]), "_trt": module})
        setattr(module, real, made)
    for cls in (Tensor, TimingCache, HostMemory):
        made = type(cls.real, (cls,), {"_allowed": frozenset(interface["classes"][cls.real]), "_trt": module})
        setattr(module, cls.real, made)
    severities = [name for name in ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO") if name in _of(interface, "ILogger")]
    module.ILogger = type("ILogger", (), {name: index for index, name in enumerate(severities)})
    if "nptype" in interface["functions"]:
        module.nptype = lambda dtype: {"FLOAT": np.float32, "HALF": np.float16, "INT8": np.int8}[dtype.name]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def plan_of(data: bytes) -> dict[str, Any]:
    """What the builder was told when it made this plan."""
    assert data.startswith(MAGIC)
    return json.loads(data[len(MAGIC) :])


def _of(interface: dict[str, Any], name: str) -> list[str]:
    return interface["classes"][name]


class Checked:
    """Has no public attribute that its class in the recorded interface lacks; keeps its state under other names."""

    _allowed: frozenset[str]
    _trt: ModuleType

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in type(self)._allowed:
            raise AttributeError(f"{type(self).__name__} of {type(self)._trt.__version__} has no {name}")
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in type(self)._allowed:
            raise AttributeError(f"{type(self).__name__} of {type(self)._trt.__version__} has no {name}")
        object.__setattr__(self, name, value)


class HostMemory(Checked):
    real = "IHostMemory"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data


class Tensor(Checked):
    real = "ITensor"

    def __init__(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.name, self.shape, self.dtype = name, shape, dtype


class Layer(Checked):
    real = "ILayer"

    def __init__(self, node: onnx.NodeProto, types: dict[str, bool]) -> None:
        """``types`` says which tensors are fp16, and learns of this node's output."""
        trt = self._trt
        names = {"QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE", "Conv": "CONVOLUTION", "Cast": "CAST"}
        self.type = trt.LayerType[names.get(node.op_type, "ELEMENTWISE")]
        to_half = any(given.name == "to" and given.i == onnx.TensorProto.FLOAT16 for given in node.attribute)
        self.num_outputs, self.num_inputs = 1, len(node.input)
        half = to_half or any(types.get(name) for name in node.input)
        types[node.output[0]] = half and not (node.op_type == "Cast" and not to_half)
        self._names, self._types = node, types

    def get_output(self, index: int) -> Tensor:
        return self._tensor(self._names.output[index])

    def get_input(self, index: int) -> Tensor:
        return self._tensor(self._names.input[index])

    def _tensor(self, name: str) -> Tensor:
        return self._trt.ITensor(
            name, (), self._trt.DataType.HALF if self._types.get(name) else self._trt.DataType.FLOAT
        )


class Network(Checked):
    real = "INetworkDefinition"

    def __init__(self, flags: int) -> None:
        self._flags, self._onnx = flags, b""
        self._inputs: list[Tensor] = []
        self._layers: list[Layer] = []
        self._outputs: list[str] = []

    num_inputs = property(lambda self: len(self._inputs))
    num_outputs = property(lambda self: len(self._outputs))
    num_layers = property(lambda self: len(self._layers))

    def get_input(self, index: int) -> Tensor:
        return self._inputs[index]

    def get_layer(self, index: int) -> Layer:
        return self._layers[index]


class ParserError(Checked):
    real = "ParserError"

    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text

    def node_name(self) -> str:
        return "/first/Conv"


class Parser(Checked):
    real = "OnnxParser"

    def __init__(self, network: Network, logger: Any) -> None:
        self._network, self._errors = network, []

    num_errors = property(lambda self: len(self._errors))

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse(self, model: bytes) -> bool:
        try:
            graph = onnx.load_from_string(model).graph
        except Exception:
            self._errors.append(self._trt.ParserError("Failed to parse\nthe ONNX model. In parse at /_src/x.cpp:1"))
            return False
        trt, network = self._trt, self._network
        for held in graph.input:
            dims = tuple(dim.dim_value or -1 for dim in held.type.tensor_type.shape.dim)
            network._inputs.append(trt.ITensor(held.name, dims, trt.DataType.FLOAT))
        types: dict[str, bool] = {}
        network._layers = [trt.ILayer(node, types) for node in graph.node]
        network._outputs = [held.name for held in graph.output]
        network._onnx = model
        return True


class Profile(Checked):
    real = "IOptimizationProfile"

    def __init__(self) -> None:
        self._shapes: dict[str, list[tuple[int, ...]]] = {}

    def set_shape(self, name: str, min: tuple[int, ...], opt: tuple[int, ...], max: tuple[int, ...]) -> None:
        self._shapes[name] = [min, opt, max]


class TimingCache(Checked):
    real = "ITimingCache"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> HostMemory:
        return self._trt.IHostMemory(self._data)


class Config(Checked):
    real = "IBuilderConfig"

    def __init__(self) -> None:
        self._flags = {"TF32"}
        self._profiles: list[dict[str, Any]] = []
        self._pools: dict[str, int] = {}
        self._cache: TimingCache | None = None
        self._capabilities: list[str] = []

    def set_flag(self, flag: Any) -> None:
        self._flags.add(flag.name)

    def clear_flag(self, flag: Any) -> None:
        self._flags.discard(flag.name)

    def add_optimization_profile(self, profile: Profile) -> int:
        ordered = all(
            low <= usual <= most
            for shapes in profile._shapes.values()
            for low, usual, most in zip(*shapes, strict=True)
        )
        if not ordered:
            return -1
        self._profiles.append(profile._shapes)
        return len(self._profiles) - 1

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self._pools[pool.name] = size

    def set_compute_capability(self, capability: Any, index: int) -> bool:
        self._capabilities.append(capability.name)
        return index < self.num_compute_capabilities

    def create_timing_cache(self, data: bytes) -> TimingCache | None:
        good = data in (b"",) or data.startswith(b"timings")
        return self._trt.ITimingCache(data or b"timings of " + self._trt.__version__.encode()) if good else None

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        fits = ignore_mismatch or cache._data.endswith(self._trt.__version__.encode())
        self._cache = cache if fits else self._cache
        return fits

    def get_timing_cache(self) -> TimingCache | None:
        return self._cache


class Builder(Checked):
    real = "Builder"

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        trt = self._trt
        if trt._cuda is None and trt.__name__ == "tensorrt":
            logger.log(trt.ILogger.ERROR, "CUDA initialization failure with error: 35. Please check\nyour installation")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    num_DLA_cores = property(lambda self: self._trt.dla_cores)

    def create_network(self, flags: int) -> Network:
        return self._trt.INetworkDefinition(flags)

    def create_builder_config(self) -> Config:
        return self._trt.IBuilderConfig()

    def create_optimization_profile(self) -> Profile:
        return self._trt.IOptimizationProfile()

    def build_serialized_network(self, network: Network, config: Config) -> HostMemory | None:
        trt = self._trt
        if config._pools.get("WORKSPACE", 2**30) < 2**21:
            self._logger.log(trt.ILogger.ERROR, "no tactics within workspace limit. In run at /_src/y.cpp:2")
            return None
        self._logger.log(trt.ILogger.INFO, "Total Weights Memory: 1234 bytes")
        typed = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
        told = {
            "strongly_typed": network._flags == 1 << int(typed),
            "flags": sorted(config._flags),
            "profiles": config._profiles,
            "pools": config._pools,
            "capabilities": config._capabilities,
            "verbosity": config.profiling_verbosity.name,
            "hardware": getattr(getattr(config, "hardware_compatibility_level", None), "name", "NONE"),
            "dla": getattr(config, "DLA_core", None),
            "device": getattr(getattr(config, "default_device_type", None), "name", "GPU"),
            "onnx": base64.b64encode(network._onnx).decode(),
        }
        return trt.IHostMemory(MAGIC + json.dumps(told).encode())


class Inspector(Checked):
    real = "EngineInspector"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get_engine_information(self, format: Any) -> str:
        assert format.name == "JSON"
        operations = {node.op_type for node in self._engine._graph.node}
        kind = "Int8" if "QuantizeLinear" in operations else "Half" if "Cast" in operations else "Float"
        new = int(self._trt.__version__.split(".")[0]) >= 11
        tensor = {"Format": "Row major", "DataType": kind} if new else {"Format/Datatype": f"Row major {kind} format"}
        layer = {"Name": "c", "LayerType": "CaskConvolution", "Inputs": [tensor], "Outputs": [tensor]}
        return json.dumps({"Layers": [{**layer, "Weights": {"Type": kind}, "TacticName": "i8i8"}]})


class Runtime(Checked):
    real = "Runtime"

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        trt = self._trt
        if not plan.startswith(MAGIC):
            self._logger.log(trt.ILogger.ERROR, "Magic tag does not match")
            return None
        told = plan_of(plan)
        if "VERSION_COMPATIBLE" in told["flags"] and not self.engine_host_code_allowed:
            self._logger.log(trt.ILogger.ERROR, "host code is not allowed")
            return None
        return trt.ICudaEngine(told)


class Engine(Checked):
    real = "ICudaEngine"

    def __init__(self, told: dict[str, Any]) -> None:
        model = base64.b64decode(told["onnx"])
        self._told, self._graph = told, onnx.load_from_string(model).graph
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    num_io_tensors = property(lambda self: len(self._graph.input) + len(self._graph.output))

    def get_tensor_name(self, index: int) -> str:
        return [*self._graph.input, *self._graph.output][index].name

    def get_tensor_mode(self, name: str) -> Any:
        held = any(given.name == name for given in self._graph.input)
        return self._trt.TensorIOMode.INPUT if held else self._trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return self._trt.DataType.FLOAT

    def create_execution_context(self) -> Context | None:
        return self._trt.IExecutionContext(self)

    def create_engine_inspector(self) -> Inspector:
        return self._trt.EngineInspector(self)


class Context(Checked):
    real = "IExecutionContext"

    def __init__(self, engine: Engine) -> None:
        self._engine, self._profile = engine, 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._profile, self._shapes = profile_index, {}
        return profile_index < len(self._engine._told["profiles"])

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self._engine._told["profiles"][self._profile][name]
        fits = len(shape) == len(low) and all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))
        if fits:
            self._shapes[name] = shape
        return fits

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert isinstance(memory, int)
        self._addresses[name] = memory
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        sizes: dict[str, int] = {}
        for held in self._engine._graph.input:
            dims = held.type.tensor_type.shape.dim
            shape = self._shapes.get(held.name, (-1,) * len(dims))
            sizes.update({dim.dim_param: size for dim, size in zip(dims, shape, strict=True) if dim.dim_param})
        (found,) = (held for held in self._engine._graph.output if held.name == name)
        return tuple(dim.dim_value or sizes[dim.dim_param] for dim in found.type.tensor_type.shape.dim)

    def execute_async_v3(self, stream_handle: int) -> bool:
        engine, cuda = self._engine, self._trt._cuda
        inputs = [held.name for held in engine._graph.input]
        outputs = [held.name for held in engine._graph.output]
        if any(name not in self._shapes for name in inputs) or any(
            name not in self._addresses for name in inputs + outputs
        ):
            return False
        shapes, addresses = dict(self._shapes), dict(self._addresses)

        def compute() -> None:
            feeds = {
                name: np.frombuffer(cuda.view(addresses[name], 4 * int(np.prod(shapes[name]))), np.float32)
                .reshape(shapes[name])
                .copy()
                for name in inputs
            }
            for name, array in zip(outputs, engine._session.run(outputs, feeds), strict=True):
                cuda.view(addresses[name], array.nbytes)[:] = array.tobytes()

        cuda.enqueue(stream_handle, compute)
        return True

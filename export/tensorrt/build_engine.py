"""An ONNX graph becomes a TensorRT engine: for this machine's GPU, or, with TensorRT-RTX, for any from anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from export.tensorrt.build_log import Heard, make_logger, one_line
from export.tensorrt.flavours import AMPERE, FLAVOURS, PRECISIONS, CannotBuildHere, Flavour, load_flavour
from export.tensorrt.gpus import compute_capability
from export.tensorrt.layer_report import Layer, layers_of_inspector, layers_of_program, precisions_of
from export.tensorrt.network_types import convolutions_asked, require_asked, shortfall
from export.tensorrt.profiles import CONTENT, Inputs, Profile, parse_sizes, profile_for
from export.tensorrt.timing_cache import attach_cache, save_cache
from runtime.engines.cuda_memory import Cuda
from runtime.engines.engine_file import EngineFacts, seal
from runtime.errors import UserError

Log = Callable[[str], None]


@dataclass(frozen=True)
class EngineOptions:
    """What to build, and with what means.

    Attributes:
        flavour: "tensorrt" or "tensorrt-rtx".
        precision: "fp32", "fp16" or "int8"; the graph has to be of that precision already (casts, Q/DQ).
        sizes: of pictures, see `export.tensorrt.profiles.parse_size`; one profile for each.
        multiple: both sides of a picture's shape are multiples of this: the student's ``size_multiple``.
        gpu: what TensorRT-RTX builds for, such as ``sm89`` or ``rtx4090``; None for all from Ampere on.
        dla: a DLA core that runs what it can, in one size; None for the GPU alone.
        workspace_mb: most scratch memory of one layer, in MiB; None leaves it to TensorRT.
        timing_cache: a file that keeps the builder's measurements.
        version_compatible: later versions of TensorRT run the engine too; it then holds code for the processor.
        hardware_compatible: all GPUs from Ampere on run it; it may be slower.
    """

    flavour: str = "tensorrt"
    precision: str = "fp32"
    sizes: tuple[str, ...] = ()
    multiple: int = 4
    gpu: str | None = None
    dla: int | None = None
    workspace_mb: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False

    def __post_init__(self) -> None:
        """Raises UserError for what no version of this flavour can do."""
        if self.flavour not in FLAVOURS:
            raise UserError(f"there is no TensorRT called '{self.flavour}': there is {', '.join(FLAVOURS)}")
        if self.precision not in PRECISIONS:
            raise UserError(f"TensorRT has no precision '{self.precision}': it has {', '.join(PRECISIONS)}")
        parse_sizes(self.sizes)
        if self.flavour == "tensorrt-rtx":
            self._require_nothing_of_tensorrt()
        elif self.gpu is not None:
            raise UserError("--gpu is for --format tensorrt-rtx: TensorRT builds for the GPU of the machine it runs on")
        if self.dla is not None:
            self._require_fit_for_dla()

    def _require_nothing_of_tensorrt(self) -> None:
        if self.gpu is not None:
            compute_capability(self.gpu)
        if self.dla is not None:
            raise UserError("TensorRT-RTX has no DLA: use --format tensorrt on the Jetson itself")
        if self.version_compatible:
            raise UserError("engines of TensorRT-RTX run on the version that built them only: leave the option out")
        if self.hardware_compatible:
            raise UserError("TensorRT-RTX builds for all GPUs from Ampere on where no --gpu is given: leave it out")

    def _require_fit_for_dla(self) -> None:
        sizes = parse_sizes(self.sizes)
        if len(sizes) > 1 or not sizes[0].fixed:
            raise UserError("a DLA core runs one size only: give one, such as --size 512")
        if self.precision == "fp32":
            raise UserError("a DLA core has no fp32: use --precision fp16 with --dla")


@dataclass(frozen=True)
class BuiltEngine:
    """An engine.

    Attributes:
        engine: contents of an engine file, see `runtime.engines.engine_file`.
        layers: what is known of its layers; empty if nothing is.
        facts: what it was built for, by what, and what the builder said of it: JSON.
    """

    engine: bytes
    layers: list[Layer] = field(repr=False)
    facts: dict[str, Any] = field(repr=False)


def build_engine(onnx: bytes, options: EngineOptions, log: Log = lambda line: None) -> BuiltEngine:
    """Build an engine.

    Args:
        onnx: a serialised model: fp32; fp16 with casts; or int8 as Q/DQ with zero zero-points and float biases.
        log: gets a line for the user now and then.

    Raises:
        CannotBuildHere: TensorRT is missing, or has no GPU where it needs one.
        UserError: it refuses the graph or the options; its own reason is in the message.
    """
    return _Build(load_flavour(options.flavour), options, log).run(onnx)


def adopt_plan(plan: bytes, onnx: bytes, options: EngineOptions, inputs: Inputs) -> BuiltEngine:
    """An engine that NVIDIA's own tool built from the same graph with the same options on this machine.

    Args:
        inputs: shapes of the graph's inputs by name.

    Raises:
        UserError: the TensorRT that is to run it is not installed, or no GPU answers.
    """
    flavour = load_flavour(options.flavour)
    facts = _facts(flavour, options, _runs_on(flavour, options), _profiles(options, inputs), onnx)
    return _described(flavour, facts, Heard(), plan)


class _Build:
    """One build with one installed TensorRT."""

    def __init__(self, flavour: Flavour, options: EngineOptions, log: Log) -> None:
        flavour.require_precision(options.precision)
        self.flavour, self.options, self.log = flavour, options, log
        self.heard = Heard()
        self.logger = make_logger(flavour.trt, self.heard)
        try:
            self.builder = flavour.trt.Builder(self.logger)
        except Exception as error:  # pybind11's own TypeError where TensorRT gave nothing back
            reason = self.heard.reason or f" ({one_line(str(error))})"
            raise CannotBuildHere(
                f"{flavour.name} {flavour.version} cannot build here{reason}: it needs an NVIDIA GPU"
            ) from error

    def run(self, onnx: bytes) -> BuiltEngine:
        """Parse, configure, build, and say what came out."""
        runs_on = _runs_on(self.flavour, self.options)  # before the work: it may want a package
        network, parser = self._parsed(onnx)
        asked = convolutions_asked(self.flavour.trt, network)
        require_asked(asked, self.options.precision, self.flavour)
        config = self.builder.create_builder_config()
        profiles = self._add_profiles(network, config)
        self._configure(config)
        plan = self.builder.build_serialized_network(network, config)
        if plan is None:
            raise self._refused("does not build this graph")
        if self.options.timing_cache and not self.flavour.rtx:
            save_cache(config, self.options.timing_cache)
        del parser  # it owns the weights until here
        facts = _facts(self.flavour, self.options, runs_on, profiles, onnx)
        built = _described(self.flavour, facts, self.heard, bytes(plan))
        if remark := shortfall(asked, built.facts["precisions"]["convolutions"], self.options.precision):
            self.log(remark)
        return built

    def _parsed(self, onnx: bytes) -> tuple[Any, Any]:
        """The network, and the parser that owns its weights."""
        network = self.flavour.create_network(self.builder)
        parser = self.flavour.trt.OnnxParser(network, self.logger)
        if not parser.parse(onnx):
            problems = [parser.get_error(index) for index in range(parser.num_errors)]
            self.heard.errors[:0] = [one_line(f"{problem.node_name()} {problem.desc()}") for problem in problems]
            raise self._refused("cannot read this graph")
        if not network.num_outputs or not network.num_inputs:  # bytes that are no model can parse as an empty one
            raise self._refused("finds no graph in this file")
        return network, parser

    def _add_profiles(self, network: Any, config: Any) -> list[Profile]:
        tensors = [network.get_input(index) for index in range(network.num_inputs)]
        profiles = _profiles(self.options, {tensor.name: tuple(tensor.shape) for tensor in tensors})
        for profile in profiles:
            wanted = self.builder.create_optimization_profile()
            for name, shapes in profile.items():
                wanted.set_shape(name, shapes.least, shapes.usual, shapes.most)
            if config.add_optimization_profile(wanted) < 0:
                raise self._refused(f"refuses pictures of {profile[CONTENT]}")
        return profiles

    def _configure(self, config: Any) -> None:
        trt, options = self.flavour.trt, self.options
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        self.flavour.set_precision(config, options.precision)
        if options.workspace_mb is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb * 2**20)
        if options.dla is not None:
            self.flavour.set_dla(self.builder, config, options.dla, options.precision)
        if options.gpu is not None:
            self.flavour.set_compute_capability(config, compute_capability(options.gpu))
        if options.version_compatible:
            config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        if options.hardware_compatible:
            config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
        self._attach_cache(config)

    def _attach_cache(self, config: Any) -> None:
        if self.options.timing_cache is None:
            return
        if self.flavour.rtx:
            self.log("TensorRT-RTX measures nothing while it builds: the timing cache is not used")
        else:
            attach_cache(config, self.options.timing_cache, self.log)

    def _refused(self, complaint: str) -> UserError:
        reason = self.heard.reason
        if "workspace limit" in reason:
            complaint += " within its scratch memory, give it more with --workspace"
        return UserError(f"{self.flavour.name} {self.flavour.version} {complaint}{reason}")


def _profiles(options: EngineOptions, inputs: Inputs) -> list[Profile]:
    if CONTENT not in inputs:
        raise UserError(f"the graph has no input called '{CONTENT}': only paint graphs become engines")
    static = options.dla is not None
    return [profile_for(size, inputs, options.multiple, static) for size in parse_sizes(options.sizes)]


def _facts(
    flavour: Flavour,
    options: EngineOptions,
    runs_on: tuple[tuple[str, ...], bool],
    profiles: list[Profile],
    onnx: bytes,
) -> EngineFacts:
    capabilities, newer = runs_on
    return EngineFacts(
        flavour=flavour.trt.__name__,
        version=flavour.version,
        precision=options.precision,
        compute_capabilities=capabilities,
        newer_gpus=newer,
        version_compatible=options.version_compatible,
        profiles=tuple(profiles),
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
    )


def _described(flavour: Flavour, facts: EngineFacts, heard: Heard, plan: bytes) -> BuiltEngine:
    """Seal a plan with what it was built for, and say what is known of it."""
    layers, source = _layers(flavour, facts, heard, plan)
    said = {
        **facts.to_json(),
        "plan_bytes": len(plan),
        **heard.sizes,
        "precisions": precisions_of(layers),
        "layers_from": source,
        "warnings": heard.warnings,
    }
    return BuiltEngine(seal(facts, plan), layers, said)


def _runs_on(flavour: Flavour, options: EngineOptions) -> tuple[tuple[str, ...], bool]:
    """The compute capabilities that the engine runs on, and whether higher ones count too."""
    if options.gpu is not None:
        return (compute_capability(options.gpu),), False
    if flavour.rtx or options.hardware_compatible:
        return (AMPERE,), True
    cuda = Cuda()
    try:
        return (cuda.compute_capability(),), False
    finally:
        cuda.close()


def _layers(flavour: Flavour, facts: EngineFacts, heard: Heard, plan: bytes) -> tuple[list[Layer], str]:
    """The layers, and where they are known from; no build fails for want of a report."""
    if flavour.rtx:
        layers = layers_of_program(plan)
        return layers, "the program in the plan" if layers else "nothing: the plan of this version is not understood"
    runtime = flavour.trt.Runtime(make_logger(flavour.trt, heard))
    runtime.engine_host_code_allowed = facts.version_compatible  # it was built here
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        return [], f"nothing: the engine could not be loaded{heard.reason}"
    report = engine.create_engine_inspector().get_engine_information(flavour.trt.LayerInformationFormat.JSON)
    layers = layers_of_inspector(report)
    return layers, "the engine inspector" if layers else "nothing: the engine inspector names no layers"

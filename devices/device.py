"""What is known of a device: figures, each with where it comes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

KINDS = ("jetson", "board", "phone", "laptop", "gpu", "cpu")
UNITS = ("gpu", "npu", "dla", "cpu")
#: ``unstated`` is for vendors who print a number of operations and not of what.
PRECISIONS = ("fp32", "fp16", "bf16", "int8", "unstated")
#: What the export can write: its formats, and the precisions of each.
EXPORTS = {
    "onnx": ("fp32", "fp16", "int8"),
    "tensorrt": ("fp32", "fp16", "int8"),
    "tensorrt-rtx": ("fp32", "fp16", "int8"),
    "coreml": ("fp16", "int8", "palettized"),
}
RULE_OF_THUMB = "rule of thumb"
#: How well a recommendation is founded; all but a rule of thumb name their source.
BASES = ("measured", "documented", RULE_OF_THUMB)


@dataclass(frozen=True)
class Source:
    """A document: ``key`` is what the figures of the same file call it, ``section`` where in it to look."""

    key: str
    title: str
    url: str | None
    section: str | None


@dataclass(frozen=True)
class Part:
    """A processor in words; ``count`` is of accelerators that work side by side, as DLA cores do."""

    description: str
    source: str
    count: int | None
    note: str | None


@dataclass(frozen=True)
class Peak:
    """Most arithmetic a unit can do, dense (no sparsity counted), a multiply-add counted as two operations.

    ``tera`` is in 10^12 operations per second (TFLOPS, TOPS), of the whole unit: all its cores, both of two DLAs. For
    classes of processors whose cores and clock differ it is None and ``per_core_cycle`` is operations per core and
    clock cycle. ``computed`` is the formula where the source gives its terms and not the figure. ``mode`` is the power
    mode it holds in; None means the fastest that the device's title promises.
    """

    unit: str
    precision: str
    tera: float | None
    per_core_cycle: float | None
    source: str
    computed: str | None
    mode: str | None
    note: str | None


@dataclass(frozen=True)
class Bandwidth:
    """Peak of the memory that the peaks' unit works on, in 10^9 bytes per second."""

    gb_s: float
    source: str
    computed: str | None
    mode: str | None
    note: str | None


@dataclass(frozen=True)
class Memory:
    """``gigabytes`` are the sizes it is sold with; ``shared`` says that processor and GPU share it."""

    gigabytes: tuple[float, ...]
    type: str | None
    shared: bool
    source: str


@dataclass(frozen=True)
class PowerMode:
    """A power mode by the vendor's name; ``watts`` is its budget, None where it has none."""

    name: str
    watts: float | None
    source: str
    note: str | None


@dataclass(frozen=True)
class Engine:
    """An inference engine and which version comes with what (``TensorRT`` ``10.3`` with ``JetPack 6.2``)."""

    name: str
    version: str
    comes_with: str
    source: str


@dataclass(frozen=True)
class Precisions:
    """Precisions that the hardware computes in natively; ``compute_capability`` ("8.7") is of NVIDIA GPUs."""

    native: tuple[str, ...]
    compute_capability: str | None
    source: str
    note: str | None


@dataclass(frozen=True)
class Recommendation:
    """An export for this device, as ``brushlet export`` names it; the first of a device is the one to begin with.

    ``source`` is where it was measured or is documented, None for a rule of thumb.
    """

    format: str
    precision: str
    reason: str
    basis: str
    source: str | None


@dataclass(frozen=True)
class Note:
    """A sourced remark."""

    text: str
    source: str


@dataclass(frozen=True)
class Recognition:
    """How a machine shows that it is this device. Empty fields say nothing.

    ``compatible`` are device-tree compatible strings, ``device_tree_model`` beginnings of the tree's model,
    ``apple_model`` values of sysctl hw.model or hw.machine, ``cpu_name`` whole processor names, ``android_soc`` and
    ``android_model`` the properties ro.soc.model and ro.product.model, ``gpu_name`` names that NVML gives.
    ``cpu_flags`` are alternatives, each a set of /proc/cpuinfo flags that must all be there; ``cpu_flags_absent``
    must not. ``source`` is where the strings were seen.
    """

    source: str
    compatible: tuple[str, ...] = ()
    device_tree_model: tuple[str, ...] = ()
    apple_model: tuple[str, ...] = ()
    cpu_name: tuple[str, ...] = ()
    android_soc: tuple[str, ...] = ()
    android_model: tuple[str, ...] = ()
    gpu_name: tuple[str, ...] = ()
    cpu_flags: tuple[tuple[str, ...], ...] = ()
    cpu_flags_absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Device:
    """One device, as its file describes it. What is not known is None or empty: nothing here is guessed.

    ``name`` is the file's name, ``file`` where it lies; ``own`` says that it is the user's and not of the catalogue.
    """

    name: str
    title: str
    kind: str
    aliases: tuple[str, ...]
    sources: tuple[Source, ...]
    cpu: Part | None
    gpu: Part | None
    npu: Part | None
    peaks: tuple[Peak, ...]
    memory: Memory | None
    bandwidths: tuple[Bandwidth, ...]
    power_modes: tuple[PowerMode, ...]
    engines: tuple[Engine, ...]
    precisions: Precisions | None
    recommended: tuple[Recommendation, ...]
    thermal: Note | None
    recognition: Recognition | None
    file: Path
    own: bool

    @property
    def dla_cores(self) -> int:
        """How many deep-learning accelerators TensorRT may target: 0 where there are none."""
        return (self.npu.count or 0) if self.kind == "jetson" and self.npu else 0

    @property
    def sm(self) -> str | None:
        """``sm87``, as engines and compilers name the GPU's architecture; None without a compute capability."""
        capability = self.precisions and self.precisions.compute_capability
        return "sm" + capability.replace(".", "") if capability else None

    def source(self, key: str) -> Source:
        """The source of that key; every key that a figure of this device names is there."""
        return next(source for source in self.sources if source.key == key)

    def peak(self, precision: str, unit: str | None = None, mode: str | None = None) -> Peak | None:
        """The first peak that fits, which a file puts before slower ones of the same precision; None without one."""
        fitting = (
            peak
            for peak in self.peaks
            if peak.precision == precision and unit in (None, peak.unit) and mode in (None, peak.mode)
        )
        return next(fitting, None)

    def bandwidth(self, mode: str | None = None) -> Bandwidth | None:
        """The first bandwidth, of that power mode if one is named; None where it is not known."""
        return next((figure for figure in self.bandwidths if mode in (None, figure.mode)), None)

    def to_json(self) -> dict[str, Any]:
        """A dictionary that ``json.dumps`` takes."""
        return {**asdict(self), "file": str(self.file)}

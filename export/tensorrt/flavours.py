"""The calls that differ between TensorRT 10.3, 10.12 and later, 11, and TensorRT-RTX; the rest is `build_engine`'s.

=====================  =============  ====================  ============  =====================
what differs           10.3 .. 10.11  10.12 .. 10.16        11            TensorRT-RTX 1.7
=====================  =============  ====================  ============  =====================
where precision is     builder flags  the graph             the graph     the graph
network flag           none           STRONGLY_TYPED        none          STRONGLY_TYPED
GPU that it builds on  needed         needed                needed        not needed
GPU that it builds for this one       this one              this one      any of its own list
timing cache           yes            yes                   yes           does nothing
later versions         can be asked   can be asked          can be asked  never
other GPUs             can be asked   can be asked          can be asked  unless one is named
DLA                    up to 10.7     none                  from 11.4.1   none
=====================  =============  ====================  ============  =====================

10.12 deprecates the precision flags and 11 has none; STRONGLY_TYPED is known to 10.3 and deprecated in 11, where no
network is anything else. The names used on each version are checked against that version's recorded interface.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from runtime.errors import UserError

#: Flavours by the name that a user writes: the Python module, and the extra that brings it.
FLAVOURS = {"tensorrt": ("tensorrt", "tensorrt"), "tensorrt-rtx": ("tensorrt_rtx", "tensorrt-rtx")}
PRECISIONS = ("fp32", "fp16", "int8")
#: Precision flags are gone in 11, and advised against from here.
STRONGLY_TYPED_FROM = (10, 12)
#: The first TensorRT-RTX that takes convolutions of int8 numbers; 1.4, 1.5 and 1.6 refuse them.
RTX_INT8_FROM = (1, 7)
#: The lowest compute capability of engines that are to run on other GPUs too.
AMPERE = "8.0"


class CannotBuildHere(UserError):
    """This machine lacks TensorRT, or the GPU that it needs; another one may build the same."""


@dataclass(frozen=True)
class Flavour:
    """One installed TensorRT.

    Attributes:
        name: as the user writes it.
        trt: its Python module.
    """

    name: str
    trt: ModuleType

    @property
    def rtx(self) -> bool:
        return self.name == "tensorrt-rtx"

    @property
    def version(self) -> str:
        return str(self.trt.__version__)

    @property
    def strongly_typed(self) -> bool:
        """Whether a graph's own types decide the precision, rather than flags."""
        return self.rtx or _numbers(self.version) >= STRONGLY_TYPED_FROM

    def require_precision(self, precision: str) -> None:
        """Raises UserError if this version cannot build it."""
        if self.rtx and precision == "int8" and _numbers(self.version) < RTX_INT8_FROM:
            raise UserError(
                f"TensorRT-RTX {self.version} refuses int8 convolutions: pip install 'tensorrt-rtx-cu13>=1.7'"
            )

    def create_network(self, builder: Any) -> Any:
        """An empty network of the kind that this version wants."""
        implied = not self.rtx and _numbers(self.version) >= (11,)
        if not self.strongly_typed or implied:
            return builder.create_network(0)
        return builder.create_network(1 << int(self.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))

    def set_precision(self, config: Any, precision: str) -> None:
        """What the builder has to be told about precision beside the graph.

        fp32 means all of its 23 bits: TF32, which TensorRT would use, keeps 10 of them. With flags, int8 allows fp16
        for what has no Q/DQ around it.
        """
        flags = self.trt.BuilderFlag
        if precision == "fp32":
            config.clear_flag(flags.TF32)
        elif not self.strongly_typed:
            config.set_flag(flags.FP16)
            if precision == "int8":
                config.set_flag(flags.INT8)

    def set_compute_capability(self, config: Any, capability: str) -> None:
        """Build for that GPU instead of the one in this machine; TensorRT-RTX only.

        Raises:
            UserError: this version does not build for it.
        """
        known = self.compute_capabilities()
        if capability not in known:
            raise UserError(
                f"TensorRT-RTX {self.version} does not build for compute capability {capability}, "
                f"only for {', '.join(known)}: use --format tensorrt on a machine with that GPU"
            )
        config.num_compute_capabilities = 1
        member = getattr(self.trt.ComputeCapability, "SM" + capability.replace(".", ""))
        if not config.set_compute_capability(member, 0):
            raise UserError(f"TensorRT-RTX {self.version} refuses compute capability {capability}")

    def compute_capabilities(self) -> tuple[str, ...]:
        """Those that TensorRT-RTX builds for, lowest first."""
        names = [name[2:] for name in self.trt.ComputeCapability.__members__ if name.startswith("SM")]
        return tuple(f"{name[:-1]}.{name[-1]}" for name in sorted(names, key=int))

    def set_dla(self, builder: Any, config: Any, core: int, precision: str) -> None:
        """Run what a DLA core can on that core, and the rest on the GPU.

        Raises:
            UserError: there is no such core, or it does not take such a graph.
        """
        if core >= builder.num_DLA_cores:
            raise UserError(f"there is no DLA core {core} here: TensorRT {self.version} finds {builder.num_DLA_cores}")
        if precision == "int8" and not self.strongly_typed:
            raise UserError(f"the DLA of TensorRT {self.version} takes no Q/DQ graph: use --precision fp16 with --dla")
        config.default_device_type = self.trt.DeviceType.DLA
        config.DLA_core = core
        config.set_flag(self.trt.BuilderFlag.GPU_FALLBACK)


def load_flavour(name: str) -> Flavour:
    """Import a TensorRT.

    Raises:
        UserError: there is no such flavour.
        CannotBuildHere: it is not installed.
    """
    if name not in FLAVOURS:
        raise UserError(f"there is no TensorRT called '{name}': there is {', '.join(FLAVOURS)}")
    module, extra = FLAVOURS[name]
    try:
        trt = import_module(module)
    except (ImportError, OSError) as error:  # a wheel without its libraries fails with OSError
        reason = str(error).splitlines()[0]
        raise CannotBuildHere(f"{module} cannot be imported ({reason}): pip install 'brushlet[{extra}]'") from error
    return Flavour(name, trt)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())

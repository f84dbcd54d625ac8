"""What the processor is: its name, the instructions that matter to inference, and how its CPUs form cores."""

from __future__ import annotations

from dataclasses import dataclass

from devices.errors import DeviceError
from devices.host import Host

#: Instruction sets that change how fast (or, for int8, how exactly) a network runs, as /proc/cpuinfo names them.
X86_FLAGS = (
    "sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni",
    "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16",
)  # fmt: skip
ARM_FLAGS = ("neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme")
#: The same on Apple silicon, where sysctl answers one question at a time.
APPLE_FLAGS = {"asimdhp": "FEAT_FP16", "asimddp": "FEAT_DotProd", "i8mm": "FEAT_I8MM", "bf16": "FEAT_BF16"}

#: (implementer, part) -> name, as in the kernel's arch/arm64/include/asm/cputype.h: Arm's cpuinfo carries no name.
ARM_CORES = {
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse N1",
    ("0x41", "0xd40"): "Neoverse V1",
    ("0x41", "0xd41"): "Cortex-A78",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd44"): "Cortex-X1",
    ("0x41", "0xd46"): "Cortex-A510",
    ("0x41", "0xd47"): "Cortex-A710",
    ("0x41", "0xd48"): "Cortex-X2",
    ("0x41", "0xd49"): "Neoverse N2",
    ("0x41", "0xd4d"): "Cortex-A715",
    ("0x41", "0xd4e"): "Cortex-X3",
    ("0x41", "0xd4f"): "Neoverse V2",
    ("0x41", "0xd80"): "Cortex-A520",
    ("0x41", "0xd81"): "Cortex-A720",
    ("0x41", "0xd82"): "Cortex-X4",
    ("0x41", "0xd83"): "Neoverse V3AE",
    ("0x41", "0xd85"): "Cortex-X925",
    ("0x41", "0xd87"): "Cortex-A725",
    ("0x4e", "0x003"): "Denver 2",
    ("0x4e", "0x004"): "Carmel",
}


@dataclass(frozen=True)
class Cpu:
    """``name`` for people; ``isa`` in /proc/cpuinfo's words; ``logical`` CPUs of the whole machine."""

    name: str
    isa: tuple[str, ...]
    logical: int


@dataclass(frozen=True)
class Cores:
    """Physical cores this process may use, fastest first; each a tuple of its logical CPU numbers.

    ``quota`` is the number of CPUs' worth of time a container grants, or None without a limit.
    """

    cores: tuple[tuple[int, ...], ...]
    quota: float | None

    @property
    def threads(self) -> int:
        """Threads that each have a core and its time to themselves: at least 1."""
        granted = len(self.cores) if self.quota is None else min(len(self.cores), int(self.quota))
        return max(1, granted)

    def pick(self, count: int) -> tuple[int, ...]:
        """``count`` logical CPUs: one per core first, fastest cores first, then the cores' second threads.

        Raises DeviceError when this process may not use that many.
        """
        usable = sum(len(core) for core in self.cores)
        if not 1 <= count <= usable:
            raise DeviceError(f"{count} threads do not fit this machine: choose 1 to {usable}")
        deepest = max(len(core) for core in self.cores)
        by_turn = [core[turn] for turn in range(deepest) for core in self.cores if turn < len(core)]
        return tuple(by_turn[:count])


def read_cpu(host: Host) -> Cpu:
    """The processor of ``host``. Unknown parts are described by what is known, never guessed."""
    if host.system == "Darwin":
        return _apple_cpu(host)
    blocks = _cpuinfo_blocks(host.read("proc/cpuinfo") or "")
    present = set(" ".join(block.get("flags", block.get("Features", "")) for block in blocks).split())
    isa = tuple(flag for flag in X86_FLAGS + ARM_FLAGS if flag in present)
    name = _x86_name(blocks) if any("flags" in block for block in blocks) else _arm_name(blocks)
    return Cpu(name or f"unknown {host.architecture} processor", isa, len(blocks) or host.logical_cpus)


def _cpuinfo_blocks(text: str) -> list[dict[str, str]]:
    """One dictionary per logical CPU; the board's own paragraph (Raspberry Pi) has no ``processor`` and is left out."""
    blocks = []
    for paragraph in text.split("\n\n"):
        pairs = (line.split(":", 1) for line in paragraph.splitlines() if ":" in line)
        block = {key.strip(): value.strip() for key, value in pairs}
        if "processor" in block:
            blocks.append(block)
    return blocks


def _x86_name(blocks: list[dict[str, str]]) -> str:
    return next((block["model name"] for block in blocks if block.get("model name")), "")


def _arm_name(blocks: list[dict[str, str]]) -> str:
    """As in ``4x Cortex-A78 + 2x Cortex-X1``, in the order of the CPUs."""
    counts: dict[str, int] = {}
    for block in blocks:
        implementer, part = block.get("CPU implementer"), block.get("CPU part")
        if implementer and part:
            core = ARM_CORES.get((implementer, part), f"Arm core {implementer}:{part}")
            counts[core] = counts.get(core, 0) + 1
    return " + ".join(f"{count}x {core}" for core, count in counts.items())


def _apple_cpu(host: Host) -> Cpu:
    if host.architecture == "arm64":
        isa = ("asimd", *(f for f, key in APPLE_FLAGS.items() if host.sysctl(f"hw.optional.arm.{key}") == "1"))
    else:
        words = f"{host.sysctl('machdep.cpu.features') or ''} {host.sysctl('machdep.cpu.leaf7_features') or ''}"
        present = {word.lower().replace(".", "_") for word in words.split()} | {"avx" if "AVX1.0" in words else ""}
        isa = tuple(flag for flag in X86_FLAGS if flag in present)
    logical = host.sysctl("hw.logicalcpu") or ""
    name = host.sysctl("machdep.cpu.brand_string") or f"unknown {host.architecture} processor"
    return Cpu(name, isa, int(logical) if logical.isdigit() else host.logical_cpus)


def read_cores(host: Host) -> Cores:
    """Cores this process may use. Falls back to one core per logical CPU where the system does not tell."""
    if host.system == "Darwin":
        physical = host.sysctl("hw.physicalcpu") or ""
        count = int(physical) if physical.isdigit() else host.logical_cpus
        return Cores(tuple((number,) for number in range(count)), None)
    allowed = host.allowed_cpus if host.allowed_cpus is not None else frozenset(range(host.logical_cpus))
    cores = {_siblings(host, number) & allowed for number in allowed}
    fastest_first = sorted(cores, key=lambda core: (-_speed(host, min(core)), min(core)))
    return Cores(tuple(tuple(sorted(core)) for core in fastest_first), _cpu_quota(host))


def _siblings(host: Host, number: int) -> frozenset[int]:
    """Logical CPUs that share a core. (core_id repeats from cluster to cluster on Arm, so it cannot serve.)"""
    text = host.read(f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
    return parse_cpu_list(text or "") | {number}


def parse_cpu_list(text: str) -> frozenset[int]:
    """``0-3,8`` -> {0, 1, 2, 3, 8}; parts that are no numbers are left out."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _speed(host: Host, number: int) -> int:
    """A CPU's rank among its peers: the scheduler's capacity, or the highest clock, or 0 where neither is told."""
    for file in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        text = host.read(f"sys/devices/system/cpu/cpu{number}/{file}")
        if text and text.isdigit():
            return int(text)
    return 0


def _cpu_quota(host: Host) -> float | None:
    """CPUs' worth of time granted by cgroup v2 or v1."""
    limit, _, period = (host.read("sys/fs/cgroup/cpu.max") or "").partition(" ")
    if not limit:
        limit = host.read("sys/fs/cgroup/cpu/cpu.cfs_quota_us") or ""
        period = host.read("sys/fs/cgroup/cpu/cpu.cfs_period_us") or ""
    if limit.isdigit() and period.isdigit() and int(period) > 0:
        return int(limit) / int(period)
    return None

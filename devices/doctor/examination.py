"""What is installed, what works, and what would mend what does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any

from devices.doctor.environment import Environment
from devices.doctor.requirements import BASE, Requirement, numbers
from devices.identify import Match, identify_here

READY, MISSING, ELSEWHERE = "ready", "missing", "elsewhere"


@dataclass(frozen=True)
class Need:
    """A stage, an export format or an engine: the extras that bring what it needs, and whether an NVIDIA GPU is needed.

    ``without_gpu`` says what to do on a machine that has none; ``mac`` that it works on macOS only.
    """

    kind: str
    name: str
    extras: tuple[str, ...] = ()
    without_gpu: str | None = None
    mac: bool = False


NEEDS = (
    Need("stage", "distill", ("distill",)),
    Need("stage", "teachers", ("distill",)),
    Need("stage", "teach-demo", ("distill",)),
    Need("stage", "teach-johnson", ("distill",)),
    Need("stage", "teach-spade", ("distill",)),
    Need("stage", "teach-cyclegan", ("distill",)),
    Need("stage", "teach-styleswin", ("distill",)),
    Need("stage", "prune", ("prune",)),
    Need("stage", "export", ("export",)),
    Need("stage", "stylize"),
    Need("stage", "stylize videos", ("video",)),
    Need("stage", "stylize large files", ("large",)),
    Need("stage", "models"),
    Need("stage", "style"),
    Need("stage", "personalize", ("distill",)),
    Need("stage", "bench", ("bench",)),
    Need("stage", "search", ("bench",)),
    Need("stage", "report", ("bench",)),
    Need("export", "onnx", ("export",)),
    Need("export", "coreml", ("coreml",)),
    Need("export", "tensorrt", ("export", "tensorrt"), "export with --recipe-only, and build where it will run"),
    Need("export", "tensorrt-rtx", ("export", "tensorrt-rtx")),
    Need("engine", "onnxruntime"),
    Need("engine", "openvino", ("openvino",)),
    Need("engine", "coreml", ("coreml",), mac=True),
    Need("engine", "tensorrt", ("tensorrt",), "run it on a machine that has one"),
    Need("engine", "tensorrt-rtx", ("tensorrt-rtx",), "run it on a machine that has one"),
)  # fmt: skip


@dataclass(frozen=True)
class Package:
    """A distribution that brushlet can use: ``version`` is None where it is not installed."""

    name: str
    version: str | None
    wanted: str
    fits: bool


@dataclass(frozen=True)
class Tool:
    """Something that is no Python package: ``found`` is its version or place, ``fix`` a command that brings it."""

    name: str
    found: str | None
    purpose: str
    fix: str | None


@dataclass(frozen=True)
class Ability:
    """Whether a stage, an export format or an engine works here.

    ``state`` is "ready"; "missing", with what is missing and the command that mends it; or "elsewhere" where no command
    can (there is no GPU), with what to do instead.
    """

    kind: str
    name: str
    state: str
    missing: tuple[str, ...]
    fix: str | None


@dataclass(frozen=True)
class Report:
    """All that the doctor found."""

    python: str
    system: str
    brushlet: str | None
    match: Match
    packages: tuple[Package, ...]
    tools: tuple[Tool, ...]
    abilities: tuple[Ability, ...]

    @property
    def base_works(self) -> bool:
        """Whether what the install without extras promises is there."""
        return all(ability.state == READY for ability in self.abilities if ability.name == "stylize")

    def to_json(self) -> dict[str, Any]:
        """A dictionary that ``json.dumps`` takes."""
        return {
            "python": self.python,
            "system": self.system,
            "brushlet": self.brushlet,
            "match": self.match.to_json(),
            "packages": [asdict(package) for package in self.packages],
            "tools": [asdict(tool) for tool in self.tools],
            "abilities": [{**asdict(ability), "missing": list(ability.missing)} for ability in self.abilities],
        }


def examine(environment: Environment | None = None) -> Report:
    """Look at this machine (or at ``environment``).

    Raises:
        DeviceError: what brushlet requires can be read neither from its metadata nor from its checkout.
    """
    env = environment or Environment()
    return Report(
        python=env.host.python,
        system=f"{env.host.system} {env.host.kernel}, {env.host.architecture}",
        brushlet=env.version("brushlet"),
        match=identify_here(env.host),
        packages=tuple(_packages(env)),
        tools=tuple(_tools(env)),
        abilities=tuple(_ability(env, need) for need in NEEDS if _known(env, need)),
    )


def _known(env: Environment, need: Need) -> bool:
    """An installed version may lack an extra that this list has."""
    return all(extra in env.requirements.by_extra for extra in need.extras)


def _packages(env: Environment) -> Iterator[Package]:
    extras = [BASE, *dict.fromkeys(extra for need in NEEDS for extra in need.extras)]
    for requirement in env.requirements.of(extras):
        version = env.version(requirement.name)
        fits = version is not None and requirement.fits(version)
        yield Package(requirement.name, version, requirement.wanted, fits)


def _tools(env: Environment) -> Iterator[Tool]:
    trtexec = env.trtexec()
    adb = "android-platform-tools" if env.platform == "darwin" else "adb"
    found = [
        ("NVIDIA driver", env.driver or env.tegra, "TensorRT", _driver_fix(env) if env.has_nvidia_gpu else None),
        ("TensorRT of the system", env.system_tensorrt, "TensorRT", _system_tensorrt_fix(env) if env.tegra else None),
        ("trtexec", str(trtexec) if trtexec else None, "TensorRT by hand", None),
        ("ssh", env.which("ssh"), "other machines", _install(env, "openssh-client")),
        ("adb", env.which("adb"), "Android devices", _install(env, adb)),
    ]
    for name, value, purpose, fix in found:
        yield Tool(name, value, purpose, None if value else fix)


def _install(env: Environment, package: str) -> str | None:
    manager = env.package_manager()
    return f"{manager} {package}" if manager else None


def _driver_fix(env: Environment) -> str:
    """Where the distribution has no command of its own, the page with NVIDIA's drivers."""
    return "sudo ubuntu-drivers install" if env.which("ubuntu-drivers") else "https://www.nvidia.com/drivers"


def _system_tensorrt_fix(env: Environment) -> str:
    """On a Jetson TensorRT belongs to JetPack: its Python package is the system's, which a plain venv does not see."""
    packages = "sudo apt-get install python3-libnvinfer"
    return f"{packages} && python3 -m venv --system-site-packages {quote(env.venv)}" if env.venv else packages


def _tensorrt_fixes(env: Environment) -> list[str]:
    """The same, and the bindings of the CUDA that the release has: 13 from L4T 38 on."""
    fixes = [] if env.version("tensorrt") else [_system_tensorrt_fix(env)]
    if not env.version("cuda-bindings"):
        cuda = 13 if numbers((env.tegra or "").removeprefix("L4T ")) >= (38,) else 12
        fixes.append(f"pip install 'cuda-bindings=={cuda}.*'")
    return fixes


def _ability(env: Environment, need: Need) -> Ability:
    if any(extra in env.requirements.foreign for extra in need.extras):
        missing = ("packages that do not exist for this system",)
        return Ability(need.kind, need.name, ELSEWHERE, missing, need.without_gpu or "do it on Linux")
    if need.mac and env.platform != "darwin":
        return Ability(need.kind, need.name, ELSEWHERE, ("macOS",), "run it on a Mac")
    if need.without_gpu and not env.has_nvidia_gpu:
        return Ability(need.kind, need.name, ELSEWHERE, ("an NVIDIA GPU",), need.without_gpu)
    missing = _missing_packages(env, need)
    fixes = _fixes(env, need) if missing else []
    if need.without_gpu and not (env.driver or env.tegra):
        missing = ("a working NVIDIA driver", *missing)
        fixes = [_driver_fix(env), *fixes]
    return Ability(need.kind, need.name, MISSING if missing else READY, missing, " && ".join(fixes) or None)


def _missing_packages(env: Environment, need: Need) -> tuple[str, ...]:
    """As in ``torch`` (absent) or ``numpy 1.20 (>=1.26)`` (of a version that does not fit)."""
    return tuple(
        requirement.name if version is None else f"{requirement.name} {version} ({requirement.wanted})"
        for requirement in env.requirements.of([BASE, *need.extras])
        if (version := env.version(requirement.name)) is None or not requirement.fits(version)
    )


def _fixes(env: Environment, need: Need) -> list[str]:
    """Commands that bring what is missing: only the extras that lack something are named."""
    lacking = [extra for extra in need.extras if _lacks(env, env.requirements.of([extra]))]
    fixes = []
    if env.tegra and "tensorrt" in lacking:
        lacking.remove("tensorrt")
        fixes = _tensorrt_fixes(env)
    if lacking:
        fixes.append(f"pip install 'brushlet[{','.join(lacking)}]'")
    return fixes or ["pip install --upgrade brushlet"]


def _lacks(env: Environment, requirements: tuple[Requirement, ...]) -> bool:
    return any((version := env.version(need.name)) is None or not need.fits(version) for need in requirements)

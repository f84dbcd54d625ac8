"""Which device of the catalogue a machine is, how sure that is, and by what signs.

The signs are read here from the machine this process runs on; whoever reads them from another one (over SSH, adb) fills
``Signs`` and calls ``match_device``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from devices.cpu import read_cpu
from devices.device import Device, Recognition
from devices.here import describe_this_machine
from devices.host import Host
from devices.named_devices import read_devices

#: From surest to least sure. "certain": a code that only this device has. "likely": a name that variants may share, or
#: a certain sign that the memory's size contradicts. "class": only what sort of device it is.
CERTAIN, LIKELY, CLASS, UNKNOWN = "certain", "likely", "class", "unknown"
CERTAINTIES = (CERTAIN, LIKELY, CLASS, UNKNOWN)

#: What a system shows of the memory that was sold: firmware may take a fifth, and sold GB are often GiB (1.074).
SHOWN_MEMORY = (0.80, 1.08)


@dataclass(frozen=True)
class Signs:
    """What a machine shows of itself; empty where it does not. ``memory_gb`` (10^9 bytes) is the system's.

    ``gpus`` are (NVML name, memory in 10^9 bytes or None).
    """

    compatible: tuple[str, ...] = ()
    device_tree_model: str | None = None
    board_release: str | None = None
    apple_model: str | None = None
    cpu_name: str | None = None
    cpu_flags: tuple[str, ...] = ()
    android_soc: str | None = None
    android_model: str | None = None
    gpus: tuple[tuple[str, float | None], ...] = ()
    memory_gb: float | None = None


@dataclass(frozen=True)
class Match:
    """A device (None where the catalogue knows none), how certain that is, and the signs for and against it."""

    device: Device | None
    certainty: str
    evidence: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A dictionary that ``json.dumps`` takes: the device by its name."""
        name = self.device.name if self.device else None
        return {"device": name, "certainty": self.certainty, "evidence": list(self.evidence)}


def identify_here(host: Host | None = None, devices: Iterable[Device] | None = None) -> Match:
    """The device that this process runs on (or ``host``, which may be a recorded one). Raises nothing.

    A machine with a GPU of the catalogue is that GPU: it is what the export is for. ``devices`` are the candidates; by
    default all that the catalogue and the user's folders hold.
    """
    return match_device(read_signs(host or Host()), devices)


def match_device(signs: Signs, devices: Iterable[Device] | None = None) -> Match:
    """The surest match for those signs; among equals a device of the user's own."""
    candidates = read_devices()[0] if devices is None else devices
    matches = [match for device in candidates if (match := _match(device, signs)) is not None]
    if not matches:
        return Match(None, UNKNOWN, _all_signs(signs))
    return min(matches, key=lambda match: (CERTAINTIES.index(match.certainty), not (match.device and match.device.own)))


def read_signs(host: Host) -> Signs:
    """The signs that ``host`` shows. Raises nothing."""
    machine, cpu = describe_this_machine(host), read_cpu(host)
    tree = host.system != "Darwin"
    return Signs(
        compatible=tuple(host.read_list("proc/device-tree/compatible")) if tree else (),
        device_tree_model=machine.board if tree else None,
        board_release=machine.board_release,
        apple_model=None if tree else machine.board,
        cpu_name=cpu.name,
        cpu_flags=cpu.isa,
        android_soc=_android_property(host, "ro.soc.model"),
        android_model=_android_property(host, "ro.product.model"),
        gpus=_gpus(host),
        memory_gb=machine.memory_bytes / 1e9 if machine.memory_bytes else None,
    )


def _android_property(host: Host, name: str) -> str | None:
    """A property of the Android system that this runs under, as in Termux; None on every other."""
    return host.run(("getprop", name)) or None


def _gpus(host: Host) -> tuple[tuple[str, float | None], ...]:
    """NVIDIA GPUs, as NVML names them; memory is printed in MiB."""
    answer = host.run(("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")) or ""
    found = []
    for line in answer.splitlines():
        name, comma, memory = line.rpartition(",")
        if comma and name.strip():
            size = memory.strip()
            found.append((name.strip(), int(size) * 2**20 / 1e9 if size.isdigit() else None))
    return tuple(found)


def _match(device: Device, signs: Signs) -> Match | None:
    recognition = device.recognition
    if recognition is None:
        return None
    for certainty, evidence, memory_gb in _found(device, recognition, signs):
        return _weigh(device, certainty, evidence, memory_gb)
    return None


def _found(device: Device, known: Recognition, signs: Signs) -> Iterable[tuple[str, str, float | None]]:
    """(certainty, evidence, the memory that has to fit), the surest first."""
    for sign in known.compatible:
        if any(sign in _codes(shown) for shown in signs.compatible):
            yield CERTAIN, f"the device tree is compatible with {sign}", signs.memory_gb
    for name, memory in signs.gpus:
        if name in known.gpu_name:
            yield CERTAIN, f"NVML names the GPU {name}", memory
    if signs.apple_model in known.apple_model:
        yield CERTAIN, f"the model is {signs.apple_model}", None
    if signs.cpu_name in known.cpu_name:
        yield CERTAIN, f"the processor is {signs.cpu_name}", signs.memory_gb
    if signs.android_model in known.android_model:
        yield CERTAIN, f"Android's model is {signs.android_model}", None
    if signs.android_soc in known.android_soc:
        yield LIKELY, f"Android's chip is {signs.android_soc}", None
    model = signs.device_tree_model or ""
    if any(model.startswith(beginning) for beginning in known.device_tree_model):
        yield LIKELY, f"the device tree's model is {model}", signs.memory_gb
    flags = _flags(known, signs)
    if flags:
        yield CLASS, f"the processor has {' and '.join(flags)}", None


def _codes(compatible: str) -> set[str]:
    """A compatible string, and the board codes in it: ``nvidia,p3768-0000+p3767-0005-super`` has p3767-0005."""
    _, _, codes = compatible.partition(",")
    return {compatible, *(code.removesuffix("-super") for code in codes.split("+"))}


def _flags(known: Recognition, signs: Signs) -> tuple[str, ...]:
    if any(flag in signs.cpu_flags for flag in known.cpu_flags_absent):
        return ()
    return next((flags for flags in known.cpu_flags if set(flags) <= set(signs.cpu_flags)), ())


def _weigh(device: Device, certainty: str, evidence: str, memory_gb: float | None) -> Match:
    """A memory of another size means a variant: the sign still holds, and is no longer certain."""
    if memory_gb is None or device.memory is None:
        return Match(device, certainty, (evidence,))
    low, high = SHOWN_MEMORY
    sizes = " or ".join(f"{size:g}" for size in device.memory.gigabytes)
    if any(low * size <= memory_gb <= high * size for size in device.memory.gigabytes):
        return Match(device, certainty, (evidence, f"its memory of {memory_gb:.1f} GB fits {sizes} GB"))
    weaker = CERTAINTIES[min(CERTAINTIES.index(certainty) + 1, CERTAINTIES.index(CLASS))]
    doubt = f"but its memory of {memory_gb:.1f} GB is not the {sizes} GB of this device: it is a variant of it"
    return Match(device, weaker, (evidence, doubt))


def _all_signs(signs: Signs) -> tuple[str, ...]:
    """What was seen of a machine that nothing in the catalogue fits."""
    named = [
        ("device tree's model", signs.device_tree_model),
        ("device tree's compatible strings", " ".join(signs.compatible)),
        ("release", signs.board_release),
        ("model", signs.apple_model),
        ("processor", signs.cpu_name),
        ("Android's chip", signs.android_soc),
        ("Android's model", signs.android_model),
        ("GPU", ", ".join(name for name, _ in signs.gpus)),
    ]
    return tuple(f"{label}: {value}" for label, value in named if value)

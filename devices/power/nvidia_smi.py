"""NVIDIA GPUs through nvidia-smi, which prints what the driver's NVML tells.

``man nvidia-smi``; the reasons are NVML's nvmlClocksEventReasons (before driver 535: nvmlClocksThrottleReasons).
"""

from __future__ import annotations

from collections.abc import Sequence

from devices.host import Host
from devices.power.reading import Reading, merge
from devices.power.repeating_command import RepeatingCommand

_FIELDS = "index,power.draw,temperature.gpu,clocks.sm,clocks.mem,{reasons}"
#: The field's name today, and before.
REASON_FIELDS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
#: Those that hold clocks down; idling, clocks that somebody set and the display's are not among them.
REASONS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal slowdown by software",
    0x40: "thermal slowdown by hardware",
    0x80: "power brake",
}


def command_here(host: Host) -> tuple[str, ...] | None:
    """The nvidia-smi command whose fields this driver knows; None without an NVIDIA GPU that answers.

    A Jetson's nvidia-smi knows nothing of power; tegrastats does.
    """
    for name in REASON_FIELDS:
        command = ("nvidia-smi", f"--query-gpu={_FIELDS.format(reasons=name)}", "--format=csv,noheader,nounits")
        answer = host.run(command)
        if answer and parse_gpus(answer).watts:
            return command
    return None


def parse_gpus(text: str) -> Reading:
    """One line for each GPU: ``0, 71.22, 41, 1980, 2619, 0x0000000000000000``."""
    return merge(_parse_gpu(line) for line in text.splitlines())


def _parse_gpu(line: str) -> Reading:
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 6 or not parts[0].isdigit():
        return Reading()
    gpu = f"gpu{parts[0]}"
    watts, celsius, core, memory = (_number(part) for part in parts[1:5])
    return Reading(
        watts={} if watts is None else {gpu: watts},
        whole=() if watts is None else (gpu,),
        megahertz={name: value for name, value in ((gpu, core), (f"{gpu} memory", memory)) if value is not None},
        celsius={} if celsius is None else {gpu: celsius},
        throttled=_reasons(gpu, parts[5]),
    )


def _number(text: str) -> float | None:
    """None for ``[N/A]`` and ``[Not Supported]``."""
    try:
        return float(text)
    except ValueError:
        return None


def _reasons(gpu: str, mask: str) -> tuple[str, ...] | None:
    try:
        bits = int(mask, 16)
    except ValueError:
        return None
    return tuple(f"{gpu}: {reason}" for bit, reason in REASONS.items() if bits & bit)


def open_nvidia_smi(command: Sequence[str], interval_s: float) -> RepeatingCommand:
    """The command that ``command_here`` found, running. Raises OSError."""
    return RepeatingCommand("nvidia-smi", (*command, f"--loop-ms={interval_s * 1000:.0f}"), parse_gpus)

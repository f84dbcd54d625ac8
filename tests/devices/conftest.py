"""Recorded machines: the few system files that `devices` reads, as these machines show them.

Sources: the cpuinfo of a Raspberry Pi 5 and its model string as posted in github.com/raspberrypi/bookworm-feedback
issue 129; model, L4T release and kernel of a Jetson Orin Nano as public logs of that board show them; Cortex-A78AE
features and part number as the kernel prints them. Serial numbers are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devices import Host

ORIN_CPU = """processor\t: {number}
model name\t: ARMv8 Processor rev 1 (v8l)
BogoMIPS\t: 62.50
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp uscat \
ilrcpc flagm paca pacg
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd42
CPU revision\t: 1
"""
PI_CPU = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1
"""
X86_CPU = """processor\t: {number}
vendor_id\t: GenuineIntel
cpu family\t: 6
model name\t: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz
flags\t\t: fpu vme de pse tsc msr sse sse2 ht pni fma sse4_1 sse4_2 movbe popcnt avx f16c rdrand bmi1 avx2 bmi2
"""


def jetson_orin_nano() -> dict[str, str]:
    """Six cores in two clusters, where core_id would repeat; the governor of JetPack."""
    cpus = {f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n}\n" for n in range(6)}
    governors = {f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_governor": "schedutil\n" for n in range(6)}
    return {
        "proc/cpuinfo": "\n".join(ORIN_CPU.format(number=n) for n in range(6)),
        "proc/meminfo": "MemTotal:        7802884 kB\nMemFree:         1234567 kB\n",
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64, "
        "DATE: Thu Sep 18 22:54:44 UTC 2025\n# KERNEL_VARIANT: oot\n",
        "etc/os-release": 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nNAME="Ubuntu"\n',
        **cpus,
        **governors,
    }


def raspberry_pi_5() -> dict[str, str]:
    """Four cores; the board's own paragraph at the end of cpuinfo, whose Hardware line is known to be wrong."""
    board = "Hardware\t: BCM2835\nRevision\t: d04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
    return {
        "proc/cpuinfo": "\n".join([PI_CPU.format(number=n) for n in range(4)] + [board]),
        "proc/meminfo": "MemTotal:        8255584 kB\n",
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    }


def laptop() -> dict[str, str]:
    """Two cores with two threads each, numbered as Linux does (0,2 and 1,3), on the powersave governor."""
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    cpus = {f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": text for n, text in siblings.items()}
    return {
        "proc/cpuinfo": "\n".join(X86_CPU.format(number=n) for n in range(4)),
        "proc/meminfo": "MemTotal:       16155360 kB\n",
        "etc/os-release": "PRETTY_NAME='Arch'\n".replace("'", '"'),
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        **cpus,
    }


MACHINES = {
    "jetson-orin-nano": (jetson_orin_nano, "aarch64", "5.15.148-tegra", 6),
    "raspberry-pi-5": (raspberry_pi_5, "aarch64", "6.1.0-rpi7-rpi-2712", 4),
    "laptop": (laptop, "x86_64", "6.9.1-arch1-1", 4),
}


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Host]:
    """``recorded("laptop", {"proc/loadavg": ...}, allowed={0, 1})`` -> a Host that shows this machine's files."""

    def build(name: str | None, extra: dict[str, str] | None = None, allowed: set[int] | None = None) -> Host:
        files, architecture, kernel, cpus = MACHINES[name] if name else (dict, "riscv64", "6.6", 2)
        for path, text in {**files(), **(extra or {})}.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return Host(
            root=tmp_path,
            system="Linux",
            architecture=architecture,
            kernel=kernel,
            logical_cpus=cpus,
            allowed_cpus=frozenset(range(cpus) if allowed is None else allowed),
            sysctl=lambda name: None,
            run=lambda command: None,
        )

    return build

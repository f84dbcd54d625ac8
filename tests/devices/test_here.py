"""`devices.here` and `devices.cpu` on recorded machines."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import DeviceError, Host, describe_this_machine, read_cores
from devices.cpu import parse_cpu_list, read_cpu


def test_jetson_orin_nano(recorded):
    machine = describe_this_machine(recorded("jetson-orin-nano"))
    assert machine.name == machine.board == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert machine.board_release == "L4T 36.4.7"
    assert machine.cpu == "6x Cortex-A78AE"
    assert machine.isa == ("asimd", "asimdhp", "asimddp")
    assert (machine.logical_cpus, machine.usable_cores, machine.default_threads) == (6, 6, 6)
    assert machine.governor == "schedutil"
    assert machine.memory_bytes == 7802884 * 1024
    assert machine.os == "Ubuntu 22.04.5 LTS"
    assert (machine.kernel, machine.architecture) == ("5.15.148-tegra", "aarch64")
    assert not machine.virtual_machine


def test_raspberry_pi_5_is_not_taken_for_the_chip_its_cpuinfo_names(recorded):
    machine = describe_this_machine(recorded("raspberry-pi-5"))
    assert machine.name == "Raspberry Pi 5 Model B Rev 1.0"
    assert machine.cpu == "4x Cortex-A76"
    assert machine.logical_cpus == machine.usable_cores == 4
    assert machine.board_release is None
    assert machine.governor == "ondemand"


def test_laptop_counts_cores_not_threads(recorded):
    machine = describe_this_machine(recorded("laptop"))
    assert machine.name == machine.cpu == "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz"
    assert (machine.logical_cpus, machine.usable_cores, machine.default_threads) == (4, 2, 2)
    assert machine.isa == ("sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2")
    assert machine.board is None


def test_virtual_machine_and_container_limits(recorded):
    limits = {"sys/fs/cgroup/cpu.max": "150000 100000\n", "sys/fs/cgroup/memory.max": "1073741824\n"}
    cpuinfo = "processor : 0\nmodel name : AMD EPYC\nflags : fpu hypervisor avx2 avx512_vnni\n"
    machine = describe_this_machine(recorded("laptop", {**limits, "proc/cpuinfo": cpuinfo}))
    assert machine.virtual_machine
    assert machine.isa == ("avx2", "avx512_vnni")
    assert machine.cpu_quota == 1.5
    assert machine.default_threads == 1, "a second thread would be stopped half of the time"
    assert machine.memory_limit_bytes == 2**30


@pytest.mark.parametrize(("limit", "quota"), [("max 100000", None), ("300000 100000", 3.0), ("nonsense", None)])
def test_cpu_quota(recorded, limit, quota):
    assert read_cores(recorded("laptop", {"sys/fs/cgroup/cpu.max": limit})).quota == quota


def test_cpu_quota_of_cgroup_v1(recorded):
    old = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
    assert read_cores(recorded("laptop", old)).threads == 1
    old["sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1"
    assert read_cores(recorded("laptop", old)).quota is None


def test_unknown_machine_is_described_by_what_is_known(recorded):
    machine = describe_this_machine(recorded(None))
    assert machine.name == "unknown riscv64 processor"
    assert machine.memory_bytes is machine.governor is machine.board is None
    assert machine.isa == ()
    assert (machine.logical_cpus, machine.usable_cores) == (2, 2)
    assert machine.os == "Linux"


def test_unknown_arm_core_shows_its_numbers(recorded):
    block = "processor : 0\nCPU implementer : 0x61\nCPU part : 0x022\nFeatures : fp asimd\n"
    assert read_cpu(recorded(None, {"proc/cpuinfo": block})).name == "1x Arm core 0x61:0x022"


def test_apple_silicon():
    answers = {
        "machdep.cpu.brand_string": "Apple M2",
        "hw.model": "Mac14,2",
        "hw.memsize": str(8 * 2**30),
        "hw.physicalcpu": "8",
        "hw.logicalcpu": "8",
        "hw.optional.arm.FEAT_DotProd": "1",
        "hw.optional.arm.FEAT_FP16": "1",
        "hw.optional.arm.FEAT_I8MM": "1",
        "hw.optional.arm.FEAT_BF16": "0",
    }
    host = Host(root=Path("/nonexistent"), system="Darwin", architecture="arm64", allowed_cpus=None, sysctl=answers.get)
    machine = describe_this_machine(host)
    assert (machine.name, machine.cpu) == ("Mac14,2", "Apple M2")
    assert machine.isa == ("asimd", "asimdhp", "asimddp", "i8mm")
    assert (machine.usable_cores, machine.memory_bytes) == (8, 8 * 2**30)


def test_intel_mac():
    answers = {"machdep.cpu.features": "FPU SSE4.1 AVX1.0 FMA", "machdep.cpu.leaf7_features": "AVX2 BMI1"}
    host = Host(root=Path("/nonexistent"), system="Darwin", architecture="x86_64", logical_cpus=4, sysctl=answers.get)
    assert read_cpu(host).isa == ("sse4_1", "avx", "fma", "avx2")
    assert len(read_cores(host).cores) == 4


def test_one_thread_per_core_before_second_threads(recorded):
    cores = read_cores(recorded("laptop"))
    assert cores.pick(1) == (0,)
    assert cores.pick(2) == (0, 1)
    assert cores.pick(4) == (0, 1, 2, 3)
    for count in (0, -1, 5):
        with pytest.raises(DeviceError, match="choose 1 to 4"):
            cores.pick(count)


def test_only_allowed_cpus_are_used(recorded):
    cores = read_cores(recorded("laptop", allowed={1, 3}))
    assert cores.cores == ((1, 3),)
    assert cores.threads == 1


def test_big_cores_come_first(recorded):
    capacity = {f"sys/devices/system/cpu/cpu{n}/cpu_capacity": c for n, c in enumerate(["400", "400", "1024", "900"])}
    assert read_cores(recorded("raspberry-pi-5", capacity)).pick(3) == (2, 3, 0)


def test_clocks_rank_cores_where_there_is_no_capacity(recorded):
    clocks = {f"sys/devices/system/cpu/cpu{n}/cpufreq/cpuinfo_max_freq": str(1000 + n) for n in range(4)}
    assert read_cores(recorded("raspberry-pi-5", clocks)).pick(2) == (3, 2)


@given(st.frozensets(st.integers(0, 300)))
def test_cpu_list_round_trip(numbers):
    assert parse_cpu_list(",".join(str(number) for number in numbers)) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-3,8", {0, 1, 2, 3, 8}), ("", set()), ("x,2", {2}), ("1-", {1}), ("3-1", set())],
)
def test_cpu_list(text, numbers):
    assert parse_cpu_list(text) == numbers


def test_this_machine():
    machine = describe_this_machine()
    assert machine.architecture == platform.machine()
    assert 1 <= machine.default_threads <= machine.logical_cpus
    assert json.loads(json.dumps(machine.to_json()))["python"] == platform.python_version()


def test_package_needs_only_the_standard_library():
    code = (
        "import sys, devices; devices.describe_this_machine();"
        "print([m for m in ('numpy', 'typer', 'rich', 'torch', 'PIL', 'onnxruntime') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

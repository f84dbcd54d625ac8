"""`devices.identify` on the signs of real machines, written down from public sources.

The device trees are those of the vendors' kernels and of logs that owners posted (Jetson.GPIO and jetson_stats issues,
linux-tegra and linux-rpi mailing lists, nvidia-smi listings); serial numbers are left out. No machine was at hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devices import Host, identify_here, load_device
from devices.device_file import read_device
from devices.identify import CERTAINTIES, Signs, match_device, read_signs

MODEL, COMPATIBLE, RELEASE = "proc/device-tree/model", "proc/device-tree/compatible", "etc/nv_tegra_release"


def tree(model: str, *compatible: str, memory_kb: int) -> dict[str, str]:
    return {
        MODEL: model + "\0",
        COMPATIBLE: "".join(f"{code}\0" for code in compatible),
        "proc/meminfo": f"MemTotal:        {memory_kb} kB\n",
    }


MACHINES = {
    # A first Jetson Nano with JetPack 4.6.1.
    "jetson-nano": tree(
        "NVIDIA Jetson Nano Developer Kit",
        "nvidia,p3449-0000-b00+p3448-0000-b00", "nvidia,jetson-nano", "nvidia,tegra210",
        memory_kb=4059428,
    ),
    "jetson-tx2": tree("quill", "nvidia,quill", "nvidia,tegra186", memory_kb=8042636),
    "jetson-xavier-nx": tree(
        "NVIDIA Jetson Xavier NX Developer Kit",
        "nvidia,p3509-0000+p3668-0000", "nvidia,tegra194",
        memory_kb=6983568,
    ),
    "jetson-agx-xavier": tree("Jetson-AGX", "nvidia,p2972-0000", "nvidia,tegra194", memory_kb=32686644),
    # JetPack 6.2 in the Super configuration: a suffix on the board's code.
    "jetson-orin-nano": tree(
        "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        "nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234",
        memory_kb=7802884,
    ),
    "jetson-orin-nx": tree(
        "NVIDIA Jetson Orin NX Engineering Reference Developer Kit",
        "nvidia,p3768-0000+p3767-0000", "nvidia,p3767-0000", "nvidia,tegra234",
        memory_kb=15655816,
    ),
    # Jetson Linux 35: the module's code appears only beside its carrier's.
    "jetson-agx-orin": tree(
        "NVIDIA Jetson AGX Orin Developer Kit",
        "nvidia,p3737-0000+p3701-0005", "nvidia,tegra234",
        memory_kb=64349988,
    ),
    "jetson-thor": tree(
        "NVIDIA Jetson AGX Thor Developer Kit",
        "nvidia,p4071-0000+p3834-0008", "nvidia,p3834-0008", "nvidia,tegra264",
        memory_kb=128825804,
    ),
    "raspberry-pi-4": tree(
        "Raspberry Pi 4 Model B Rev 1.4", "raspberrypi,4-model-b", "brcm,bcm2711", memory_kb=3884280
    ),
    "raspberry-pi-5": tree(
        "Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b", "brcm,bcm2712", memory_kb=8255584
    ),
}  # fmt: skip


@pytest.fixture
def arm(recorded) -> Callable[[dict[str, str]], Host]:
    return lambda files: replace(recorded(None, files), architecture="aarch64")


@pytest.mark.parametrize("name", MACHINES)
def test_boards_are_known_for_certain(arm, name):
    match = identify_here(arm(MACHINES[name]))
    assert match.device.name == name
    assert match.certainty == "certain", match.evidence
    assert "the device tree is compatible with" in match.evidence[0]
    assert "fits" in match.evidence[1]


def test_the_same_board_with_less_memory_is_a_variant(arm):
    small = MACHINES["jetson-nano"] | {"proc/meminfo": "MemTotal: 2029714 kB\n"}
    match = identify_here(arm(small))
    assert (match.device.name, match.certainty) == ("jetson-nano", "likely")
    assert match.evidence[1] == "but its memory of 2.1 GB is not the 4 GB of this device: it is a variant of it"


def test_another_module_on_the_same_carrier_is_no_more_than_its_class(arm):
    """Orin Nano 4GB: its own code, half of the GPU, the same model text."""
    files = tree(
        "NVIDIA Jetson Orin Nano Developer Kit",
        "nvidia,p3768-0000+p3767-0004", "nvidia,p3767-0004", "nvidia,tegra234",
        memory_kb=3800000,
    )  # fmt: skip
    match = identify_here(arm(files))
    assert (match.device.name, match.certainty) == ("jetson-orin-nano", "class")
    assert match.evidence[0].startswith("the device tree's model is NVIDIA Jetson Orin Nano")


def test_without_codes_the_model_makes_it_likely(arm):
    match = identify_here(arm({MODEL: "Raspberry Pi 5 Model B Rev 1.1\0"}))
    assert (match.device.name, match.certainty) == ("raspberry-pi-5", "likely")


def test_an_unknown_jetson_tells_what_it_shows(arm):
    files = tree("Vendor Board", "vendor,board", "nvidia,tegra999", memory_kb=8000000)
    files[RELEASE] = "# R40 (release), REVISION: 1.0, GCID: 1, BOARD: generic, EABI: aarch64\n"
    match = identify_here(arm(files))
    assert (match.device, match.certainty) == (None, "unknown")
    assert match.evidence[:3] == (
        "device tree's model: Vendor Board",
        "device tree's compatible strings: vendor,board nvidia,tegra999",
        "release: L4T 40.1.0",
    )


def x86(flags: str) -> dict[str, str]:
    return {"proc/cpuinfo": f"processor : 0\nmodel name : A processor\nflags : fpu sse sse4_2 {flags}\n"}


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("avx fma avx2", "x86-avx2"),
        ("avx fma avx2 avx512f avx512bw avx512vl", "x86-avx512"),
        ("avx fma avx2 avx512f avx512bw avx512vl avx512_vnni", "x86-vnni"),
        ("avx fma avx2 avx_vnni", "x86-vnni"),
        ("avx", None),
        ("", None),
    ],
)
def test_x86_is_known_by_its_instructions(recorded, flags, name):
    match = identify_here(recorded("laptop", x86(flags)))
    assert (match.device and match.device.name) == name
    assert match.certainty == ("class" if name else "unknown")


def smi(answer: str) -> Callable[..., str | None]:
    return lambda command: answer if command[0] == "nvidia-smi" else None


@pytest.mark.parametrize(
    ("listing", "name"),
    [
        ("NVIDIA H100 80GB HBM3, 81559", "h100"),
        ("NVIDIA H200, 143771\nNVIDIA H200, 143771", "h200"),
        ("NVIDIA A100-SXM4-80GB, 81920", "a100"),
        ("Tesla T4, 15360", "t4"),
        ("NVIDIA L4, 23034", "l4"),
        ("NVIDIA GeForce RTX 4090, 24564", "rtx-4090"),
        ("NVIDIA GeForce RTX 3060, 12288", "rtx-3060"),
    ],
)
def test_a_gpu_is_what_counts(recorded, listing, name):
    host = replace(recorded("laptop", x86("avx2 fma avx512f avx512_vnni")), run=smi(listing))
    match = identify_here(host)
    assert (match.device.name, match.certainty) == (name, "certain")
    assert match.evidence[0].startswith("NVML names the GPU")
    assert len(match.evidence) == 2


def test_a_gpu_with_another_memory_is_a_variant(recorded):
    host = replace(recorded("laptop"), run=smi("NVIDIA GeForce RTX 3060, 8192"))
    match = identify_here(host)
    assert (match.device.name, match.certainty) == ("rtx-3060", "likely")
    assert "8.6 GB is not the 12 GB" in match.evidence[1]


@pytest.mark.parametrize("listing", ["NVIDIA GeForce GTX 1080, 8192", "[N/A]", ", ", "Orin (nvgpu), [N/A]", "\n\n"])
def test_other_gpus_leave_the_processor(recorded, listing):
    match = identify_here(replace(recorded("laptop"), run=smi(listing)))
    assert match.device.name == "x86-avx2"


@pytest.mark.parametrize(
    ("processor", "name", "certainty"),
    [("Apple M2", "mac-m2", "certain"), ("Apple M4", "mac-m4", "certain"), ("Apple M2 Pro", None, "unknown")],
)
def test_macs(processor, name, certainty):
    answers = {"machdep.cpu.brand_string": processor, "hw.model": "Mac14,2", "hw.memsize": str(16 * 2**30)}
    host = Host(
        root=Path("/nonexistent"), system="Darwin", architecture="arm64", sysctl=answers.get, run=lambda command: None
    )
    match = identify_here(host)
    assert (match.device and match.device.name, match.certainty) == (name, certainty)


@pytest.mark.parametrize(
    ("soc", "model", "name", "certainty"),
    [
        ("Tensor G3", "Pixel 8", "pixel-8", "certain"),
        ("Tensor G3", "Pixel 8 Pro", "pixel-8", "likely"),
        ("SM8650", "SM-S928B", "snapdragon-8-gen-3", "likely"),
        ("SM8750", "SM-S938B", "snapdragon-8-elite", "likely"),
        ("MT6893", "ares", None, "unknown"),
    ],
)
def test_android(arm, soc, model, name, certainty):
    properties = {"ro.soc.model": soc, "ro.product.model": model}
    host = replace(arm({}), run=lambda command: properties.get(command[-1]) if command[0] == "getprop" else None)
    match = identify_here(host)
    assert (match.device and match.device.name, match.certainty) == (name, certainty)


def test_an_iphone_from_elsewhere():
    """Nothing of ours runs on a phone: what reaches one fills the signs in."""
    assert match_device(Signs(apple_model="iPhone16,1")).device.name == "iphone-15-pro"
    assert match_device(Signs(apple_model="iPhone17,3")).device.name == "iphone-16"


def test_nothing_shown_is_no_match():
    assert match_device(Signs()).device is None
    assert match_device(Signs()).evidence == ()


def test_own_device_wins_a_draw(tmp_path):
    file = tmp_path / "zz-own.toml"
    file.write_text(
        'title = "t"\nkind = "jetson"\n[sources.s]\ntitle = "t"\n'
        '[recognise]\ncompatible = ["p3767-0005"]\nsource = "s"\n'
    )
    own, shipped = read_device(file, own=True), load_device("jetson-orin-nano")
    signs = Signs(compatible=("nvidia,p3767-0005",))
    assert match_device(signs, [shipped, own]).device == own


def test_json(recorded):
    match = identify_here(recorded("raspberry-pi-5"))
    assert json.loads(json.dumps(match.to_json())) == {
        "device": "raspberry-pi-5",
        "certainty": "likely",
        "evidence": [
            "the device tree's model is Raspberry Pi 5 Model B Rev 1.0",
            "its memory of 8.5 GB fits 1 or 2 or 4 or 8 or 16 GB",
        ],
    }


def test_broken_files_are_read_as_nothing(recorded, tmp_path):
    host = recorded(None)
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / COMPATIBLE).write_bytes(b"\xff\xfe\0\0,\0+-super\0")
    (tmp_path / "proc/meminfo").write_text("MemTotal: much\n")
    signs = read_signs(host)
    assert signs.memory_gb is None
    assert match_device(signs).certainty == "unknown"


def test_this_machine():
    assert identify_here().certainty in CERTAINTIES

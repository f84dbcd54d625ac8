"""The catalogue that ships: every file is valid, every figure has a source, and no two devices look alike."""

from __future__ import annotations

import pytest

from devices import Device, device_names
from devices.device import EXPORTS
from devices.device_file import SIGNS, read_device
from devices.named_devices import CATALOGUE

FILES = sorted(CATALOGUE.glob("*.toml"))
WANTED = {
    "jetson-nano", "jetson-tx2", "jetson-xavier-nx", "jetson-agx-xavier", "jetson-orin-nano", "jetson-orin-nx",
    "jetson-agx-orin", "jetson-thor", "raspberry-pi-4", "raspberry-pi-5", "iphone-12", "iphone-13", "iphone-15",
    "iphone-15-pro", "iphone-16", "iphone-17", "mac-m1", "mac-m2", "mac-m4", "pixel-6", "pixel-8", "pixel-9",
    "snapdragon-8-gen-1", "snapdragon-8-gen-2", "snapdragon-8-gen-3", "snapdragon-8-elite", "rtx-3060", "rtx-4090",
    "t4", "l4", "a100", "h100", "h200", "x86-avx2", "x86-avx512", "x86-vnni",
}  # fmt: skip


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def device(request) -> Device:
    return read_device(request.param, own=False)


def test_all_of_them_ship():
    assert {path.stem for path in FILES} == WANTED
    assert set(device_names()) >= WANTED


def test_every_figure_names_a_source_and_every_source_is_used(device):
    figures = (*device.peaks, *device.bandwidths, *device.power_modes, *device.engines)
    parts = (device.cpu, device.gpu, device.npu, device.memory, device.precisions, device.thermal, device.recognition)
    used = {figure.source for figure in (*figures, *filter(None, parts))}
    used |= {advice.source for advice in device.recommended if advice.source}
    assert used == {source.key for source in device.sources}


def test_sources_can_be_found(device):
    for source in device.sources:
        assert source.url or len(source.title) > 20, f"{source.key}: an address, or a title one can search for"


def test_a_device_says_what_to_export_and_how_it_is_recognised(device):
    assert device.recommended, "brushlet export --target-device needs it"
    for advice in device.recommended:
        assert advice.precision in EXPORTS[advice.format]
        assert advice.basis == "rule of thumb" or advice.source
    assert device.recognition
    assert device.cpu or device.gpu
    assert device.precisions


def test_what_is_not_stated_as_dense_is_not_taken_for_it(device):
    for peak in device.peaks:
        words = f"{peak.note} {peak.computed}"
        if device.gpu and peak.unit in ("gpu", "dla") and peak.precision == "int8":
            assert "dense" in words or peak.unit == "dla", "NVIDIA prints sparse figures beside dense ones"


def test_int8_is_not_recommended_where_the_hardware_has_none(device):
    first = device.recommended[0]
    if first.precision == "int8":
        assert "int8" in device.precisions.native


def test_modes_of_figures_are_power_modes(device):
    modes = {mode.name for mode in device.power_modes}
    assert {figure.mode for figure in (*device.peaks, *device.bandwidths) if figure.mode} <= modes


def test_peaks_grow_as_precision_shrinks(device):
    """A figure in the wrong field would stand out: fp16 is never slower than fp32, int8 never slower than fp16."""
    for unit in ("gpu", "cpu"):
        rates = [device.peak(precision, unit) for precision in ("fp32", "fp16", "int8")]
        speeds = [peak.tera or peak.per_core_cycle for peak in rates if peak]
        assert speeds == sorted(speeds)


def test_compute_capabilities():
    """As CUDA names these architectures."""
    known = {device.name: device.sm for device in (read_device(path, own=False) for path in FILES) if device.sm}
    assert known == {
        "jetson-nano": "sm53", "jetson-tx2": "sm62", "jetson-xavier-nx": "sm72", "jetson-agx-xavier": "sm72",
        "jetson-orin-nano": "sm87", "jetson-orin-nx": "sm87", "jetson-agx-orin": "sm87", "jetson-thor": "sm110",
        "t4": "sm75", "a100": "sm80", "rtx-3060": "sm86", "rtx-4090": "sm89", "l4": "sm89", "h100": "sm90",
        "h200": "sm90",
    }  # fmt: skip


def test_dla_cores():
    known = {
        device.name: device.dla_cores for device in (read_device(path, own=False) for path in FILES) if device.dla_cores
    }
    assert set(known) == {"jetson-xavier-nx", "jetson-agx-xavier", "jetson-orin-nx", "jetson-agx-orin"}
    assert set(known.values()) == {2}


def test_names_and_aliases_are_told_apart():
    devices = [read_device(path, own=False) for path in FILES]
    names = [name for device in devices for name in (device.name, *device.aliases)]
    assert len(names) == len(set(names))


def test_no_sign_points_to_two_devices():
    owner: dict[tuple[str, str], str] = {}
    for path in FILES:
        device = read_device(path, own=False)
        for kind in SIGNS[:-1]:
            for sign in getattr(device.recognition, kind):
                assert owner.setdefault((kind, sign), device.name) == device.name

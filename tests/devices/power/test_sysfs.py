"""Sensors that are files: power monitors, energy counters, clocks, temperatures and signs of throttling."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices import Host
from devices.power.clocks import find_clocks
from devices.power.ina3221 import find_ina3221
from devices.power.power_mode import read_power_mode
from devices.power.rapl import find_rapl
from devices.power.reading import merge
from devices.power.temperature import find_temperatures
from devices.power.throttling import find_throttling

MONITOR = "sys/class/hwmon/hwmon4"


def write(root: Path, files: dict[str, object]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{text}\n")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(root=tmp_path, system="Linux", allowed_cpus=frozenset({0, 1}), run=lambda command: None)


def orin_nano(volts: int = 5088) -> dict[str, object]:
    """Channels, and the sums and shunt voltages that the driver shows beside them."""
    rails = {1: ("VDD_IN", volts, 1200), 2: ("VDD_CPU_GPU_CV", volts, 160), 3: ("VDD_SOC", volts, 280)}
    files: dict[str, object] = {f"{MONITOR}/name": "ina3221", f"{MONITOR}/in7_label": "sum of shunt voltages"}
    for channel, (label, millivolts, milliamperes) in rails.items():
        files[f"{MONITOR}/in{channel}_label"] = label
        files[f"{MONITOR}/in{channel}_input"] = millivolts
        files[f"{MONITOR}/curr{channel}_input"] = milliamperes
        files[f"{MONITOR}/in{channel + 3}_input"] = 12
    return files


def test_power_is_volts_times_amperes(host, tmp_path):
    write(tmp_path, orin_nano())
    reading = find_ina3221(host).read()
    assert reading.watts == pytest.approx({"VDD_IN": 6.1056, "VDD_CPU_GPU_CV": 0.81408, "VDD_SOC": 1.42464})
    assert reading.whole == ("VDD_IN",)


def test_the_board_input_of_thor(host, tmp_path):
    write(tmp_path, {**orin_nano(), "sys/class/hwmon/hwmon5/name": "ina238"})
    write(tmp_path, {"sys/class/hwmon/hwmon5/power1_input": 26_686_000})
    reading = find_ina3221(host).read()
    assert reading.watts["VIN"] == pytest.approx(26.686)
    assert reading.whole == ("VIN",)


def test_the_monitor_of_old_kernels(host, tmp_path):
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    for channel, (name, milliwatts) in enumerate((("POM_5V_IN", 2148), ("POM_5V_GPU", 41), ("POM_5V_CPU", 415))):
        write(tmp_path, {f"{folder}/rail_name_{channel}": name, f"{folder}/in_power{channel}_input": milliwatts})
    reading = find_ina3221(host).read()
    assert reading.watts == pytest.approx({"POM_5V_IN": 2.148, "POM_5V_GPU": 0.041, "POM_5V_CPU": 0.415})
    assert reading.whole == ("POM_5V_IN",)


def test_a_monitor_that_may_not_be_read_is_none(host, tmp_path):
    assert find_ina3221(host) is None
    write(tmp_path, {f"{MONITOR}/name": "ina3221", f"{MONITOR}/in1_label": "VDD_IN"})
    assert find_ina3221(host) is None


RAPL = "sys/class/powercap/intel-rapl:0"


def rapl_files(package: int, dram: int, core: int) -> dict[str, object]:
    return {
        f"{RAPL}/name": "package-0",
        f"{RAPL}/energy_uj": package,
        f"{RAPL}/max_energy_range_uj": 262_143_328_850,
        f"{RAPL}:0/name": "core",
        f"{RAPL}:0/energy_uj": core,
        f"{RAPL}:0/max_energy_range_uj": 262_143_328_850,
        f"{RAPL}:1/name": "dram",
        f"{RAPL}:1/energy_uj": dram,
        f"{RAPL}:1/max_energy_range_uj": 65_712_999_613,
        "sys/class/powercap/intel-rapl-mmio:0/name": "package-0",
    }


def test_power_is_energy_over_time_and_a_full_counter_begins_again(host, tmp_path):
    write(tmp_path, rapl_files(262_143_000_000, 1_000_000, 5_000_000))
    rapl, reason = find_rapl(host)
    times = iter([10.0, 10.0, 10.0, 10.5, 10.5, 10.5, 11.5, 11.5, 11.5])
    rapl._clock = lambda: next(times)
    assert reason is None
    assert rapl.read().watts == {}, "there is no interval yet"
    # 328850 uJ to the end of the range and 5671150 from its beginning: 6 J in half a second
    write(tmp_path, rapl_files(5_671_150, 2_000_000, 6_000_000))
    reading = rapl.read()
    assert reading.watts == pytest.approx({"package-0": 12.0, "package-0 core": 2.0, "package-0 dram": 2.0})
    assert set(reading.whole) == {"package-0", "package-0 dram"}, "cores are inside the package"
    rapl.close()
    assert rapl.read().watts == {}, "the time in between was nobody's"


def test_counters_that_only_root_may_read_are_told(host, tmp_path):
    write(tmp_path, {f"{RAPL}/name": "package-0"})  # energy_uj unreadable is, to us, the same as absent
    rapl, reason = find_rapl(host)
    assert rapl is None
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj" in reason
    assert find_rapl(Host(root=tmp_path / "other")) == (None, None)


def test_the_clock_is_that_of_the_cpus_that_measure(host, tmp_path):
    for number, khz in enumerate((1_500_000, 2_400_000, 600_000)):
        write(tmp_path, {f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq": khz})
    write(tmp_path, {"sys/class/devfreq/17000000.gpu/cur_freq": 1_020_000_000})
    write(tmp_path, {"sys/class/devfreq/17000000.nvdec/cur_freq": 5})
    reading = merge(sensor.read() for sensor in find_clocks(host, {0, 1}))
    assert reading.megahertz == pytest.approx({"cpu": 1950, "gpu": 1020})


def test_a_virtual_machine_tells_its_promised_clock(host, tmp_path):
    write(tmp_path, {"proc/cpuinfo": "processor\t: 0\ncpu MHz\t\t: 2445.4\n\nprocessor\t: 1\ncpu MHz\t\t: 9.0"})
    (sensor,) = find_clocks(host, {0})
    assert sensor.read().megahertz == {"cpu": 2445.4}
    assert sensor.every_s >= 1
    assert find_clocks(Host(root=tmp_path / "other"), {0}) == []


def test_temperatures_of_parts_that_are_on(host, tmp_path):
    zones = {"cpu-thermal": 48531, "gpu-thermal": -256000, "PMIC-Die": 100000, "Tboard_tegra": 37000}
    for number, (kind, temp) in enumerate(zones.items()):
        write(tmp_path, {f"sys/class/thermal/thermal_zone{number}/type": kind})
        write(tmp_path, {f"sys/class/thermal/thermal_zone{number}/temp": temp})
    write(tmp_path, {"sys/class/hwmon/hwmon0/name": "k10temp", "sys/class/hwmon/hwmon0/temp1_input": 61250})
    reading = find_temperatures(host).read()
    assert reading.celsius == {"cpu": 48.531, "Tboard_tegra": 37.0, "k10temp": 61.25}
    assert find_temperatures(Host(root=tmp_path / "other")) is None


def test_a_counter_that_grows_is_throttling(host, tmp_path):
    file = "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
    write(tmp_path, {file: 7, "sys/class/hwmon/hwmon1/name": "soctherm_oc", "sys/class/hwmon/hwmon1/oc1_event_cnt": 0})
    (sensor,) = find_throttling(host)
    assert sensor.read().throttled == (), "what happened before does not count"
    assert sensor.read().throttled == ()
    write(tmp_path, {file: 9, "sys/class/hwmon/hwmon1/oc1_event_cnt": 1})
    assert sensor.read().throttled == ("heat: package", "over-current")
    assert sensor.read().throttled == ()


def test_a_cooling_device_at_work_is_throttling_and_a_fan_is_not(host, tmp_path):
    for number, kind in enumerate(("pwm-fan", "gpu-throttle-alert", "cpufreq-cpu0")):
        write(tmp_path, {f"sys/class/thermal/cooling_device{number}/type": kind})
        write(tmp_path, {f"sys/class/thermal/cooling_device{number}/cur_state": 0 if kind == "cpufreq-cpu0" else 1})
    (sensor,) = find_throttling(host)
    assert sensor.read().throttled == ("gpu-throttle-alert",)


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [("throttled=0x0", ()), ("throttled=0x50005", ("under-voltage", "throttled")), ("throttled=0x80000", ())],
)
def test_a_raspberry_pi_says_what_holds_now(tmp_path, answer, reasons):
    write(tmp_path, {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0"})
    pi = Host(root=tmp_path, run=lambda command: answer if command == ("vcgencmd", "get_throttled") else None)
    (sensor,) = find_throttling(pi)
    assert sensor.read().throttled == reasons


def test_where_nothing_tells_there_is_nothing(host):
    assert find_throttling(host) == []
    assert read_power_mode(host) is None


@pytest.mark.parametrize(
    ("answer", "mode"),
    [
        ("NV Power Mode: MAXN\n0", "MAXN"),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W_6CORE\n2", "MODE_15W_6CORE"),
        ("NVPM VERB: Current mode: NV Power Mode: 15W\n0\nNVPM VERB: PARAM CPU_ONLINE", "15W"),
        ("something else", None),
    ],
)
def test_the_power_mode_of_a_jetson(tmp_path, answer, mode):
    asked = []
    jetson = Host(root=tmp_path, run=lambda command: asked.append(command) or answer)
    assert read_power_mode(jetson) == mode
    assert asked == [("nvpmodel", "-q")], "it only asks"


def test_the_profile_of_a_laptop(host, tmp_path):
    write(tmp_path, {"sys/firmware/acpi/platform_profile": "low-power"})
    assert read_power_mode(host) == "low-power"

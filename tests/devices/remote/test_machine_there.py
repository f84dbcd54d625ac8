"""The device's system as `devices` sees it: the same facts as on the device itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from devices import Host, describe_this_machine, identify_here, load_device
from devices.cpu import read_cores
from devices.doctor.environment import Environment
from devices.errors import DeviceError
from devices.load import measure_load
from devices.remote import connect, host_there, require_device
from devices.remote.machine_there import EXISTING, FILES, _matches
from tests.devices.conftest import jetson_orin_nano, raspberry_pi_5

ORIN = {**jetson_orin_nano(), "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005-super\0nvidia,tegra234\0"}
TENSORRT = {"usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0": "", "usr/src/tensorrt/bin/trtexec": ""}


def test_a_jetson_is_recognised(server, device):
    device.show(ORIN | TENSORRT)
    with connect("jetson", exclusive=False) as jetson, host_there(jetson) as host:
        machine, match = describe_this_machine(host), identify_here(host)
        environment = Environment(host=host, venv=None)
        assert environment.system_tensorrt == "10.3.0"
        assert environment.trtexec() is not None
    assert (match.device.name, match.certainty) == ("jetson-orin-nano", "certain")
    assert (machine.board_release, machine.cpu, machine.governor) == ("L4T 36.4.7", "6x Cortex-A78AE", "schedutil")
    assert not device.cache.exists()
    assert not host.root.exists()


class Watched(Host):
    """A host that notes what is read of it."""

    def _text(self, path: str) -> str | None:
        self.sysctl(path)
        return super()._text(path)


def test_all_that_is_read_of_a_machine_comes_along(tmp_path: Path):
    """Whoever reads another file has to add it to the list, or it would be missing on other machines only."""
    read: set[str] = set()
    for system in ("Linux", "Darwin"):
        host = replace(Host(root=Path("/"), system=system, run=lambda command: None), sysctl=read.add)
        watched = Watched(**{name: getattr(host, name) for name in Host.__dataclass_fields__})
        describe_this_machine(watched)
        identify_here(watched)
        read_cores(watched)
        measure_load(watched, 0.0)
        Environment(host=watched, venv=None).has_nvidia_gpu  # noqa: B018
    paths = {path for path in read if "/" in path}
    assert len(paths) > 10
    assert not [path for path in paths if not any(_matches(path, pattern) for pattern in (*FILES, *EXISTING))]


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "etc/shadow", "proc/cpuinfo/../../x", "sys/bus/pci/devices/a/b/vendor"]
)
def test_a_file_that_was_not_asked_for_is_refused(server, monkeypatch, path):
    with connect("jetson", exclusive=False) as jetson:
        monkeypatch.setattr(jetson, "read_facts", lambda patterns, existing: {path: "x"})
        with pytest.raises(DeviceError, match="not asked for"), host_there(jetson):
            pass


def test_endless_files_are_cut(server, device):
    device.show({"proc/cpuinfo": "x" * 10**6})
    with connect("jetson", exclusive=False) as jetson, host_there(jetson) as host:
        assert len(host.read("proc/cpuinfo")) == 2**16


def test_the_device_that_was_named(recorded):
    host = recorded("jetson-orin-nano", {"proc/device-tree/compatible": ORIN["proc/device-tree/compatible"]})
    assert require_device(host, load_device("jetson-orin-nano"), "H").certainty == "certain"
    assert require_device(host, load_device("jetson-orin-nano-super"), "H").device.name == "jetson-orin-nano"


def test_the_device_by_its_model_alone(recorded):
    match = require_device(recorded("jetson-orin-nano"), load_device("jetson-orin-nano"), "H")
    assert match.certainty == "likely"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("raspberry-pi-5", r"^H is not raspberry-pi-5: it is jetson-orin-nano \(likely: .*\); name what it is"),
        ("jetson-orin-nx", r"^H is not jetson-orin-nx: it is jetson-orin-nano"),
        ("x86-avx2", r"^H is not x86-avx2: it is jetson-orin-nano"),
    ],
)
def test_another_device_than_was_named(recorded, name, line):
    with pytest.raises(DeviceError, match=line):
        require_device(recorded("jetson-orin-nano"), load_device(name), "H")


def test_a_device_that_nothing_is_known_of(recorded):
    with pytest.raises(DeviceError, match="^H is not raspberry-pi-5: it shows none of its signs"):
        require_device(recorded(None), load_device("raspberry-pi-5"), "H")


def test_a_device_of_the_users_own(recorded, tmp_path):
    path = tmp_path / "board.toml"
    path.write_text(
        'title = "Board"\nkind = "board"\n[sources.s]\ntitle = "x"\nurl = "https://example.org"\n'
        '[recognise]\ndevice_tree_model = ["Raspberry Pi 5"]\nsource = "s"\n'
    )
    assert require_device(recorded("raspberry-pi-5"), load_device(path), "H").device.name == "board"


def test_the_doctor_looks_at_a_jetson(server, device, capsys):
    from devices.doctor.cli import doctor

    device.show(raspberry_pi_5())
    doctor(host="jetson", as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["match"]["device"] == "raspberry-pi-5"
    states = {(each["kind"], each["name"]): each["state"] for each in report["abilities"]}
    assert states["stage", "stylize"] == "ready"
    assert states["engine", "tensorrt"] == "elsewhere"
    assert not device.cache.exists()


def test_devices_here_of_a_jetson(server, device, capsys):
    from devices.cli import devices

    device.show(ORIN)
    devices(name=None, here=True, host="jetson", as_json=True)
    assert json.loads(capsys.readouterr().out)["match"]["device"] == "jetson-orin-nano"
    with pytest.raises(DeviceError, match="--host goes with --here"):
        devices(name=None, here=False, host="jetson", as_json=True)

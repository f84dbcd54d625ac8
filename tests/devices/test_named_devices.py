"""`devices.named_devices`: names, aliases, the user's own files."""

from __future__ import annotations

import pytest

from devices import DeviceError, device_names, load_device, read_devices
from devices.named_devices import replaces_catalogue

OWN = """
title = "My own"
kind = "board"
aliases = ["mine"]
[sources.me]
title = "my own measurement"
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without devices, and no folder named by the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BRUSHLET_DEVICES", raising=False)
    return tmp_path


def put(folder, name, text=OWN):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_by_name_and_alias(home):
    device = load_device("jetson-orin-nano")
    assert device.name == "jetson-orin-nano"
    assert not device.own
    assert load_device("jetson-orin-nano-super") == device


def test_names_are_sorted_and_load(home):
    names = device_names()
    assert list(names) == sorted(names)
    devices, problems = read_devices()
    assert tuple(device.name for device in devices) == names
    assert problems == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jetson-orin-nan", "there is no device 'jetson-orin-nan': did you mean 'jetson-orin-nano'?"),
        ("Raspberry-Pi-5", "did you mean 'raspberry-pi-5'?"),
        ("toaster", "there is no device 'toaster': brushlet devices lists them"),
        ("", "there is no device '': brushlet devices lists them"),
        ("a\x1b[31m\n", r"there is no device 'a\x1b[31m\n': brushlet devices lists them"),
    ],
)
def test_unknown_names(home, name, message):
    with pytest.raises(DeviceError) as error:
        load_device(name)
    assert str(error.value).endswith(message)


def test_own_device_at_home(home):
    put(home / ".config/brushlet/devices", "my-board.toml")
    device = load_device("my-board")
    assert (device.title, device.own) == ("My own", True)
    assert load_device("mine") == device
    assert "my-board" in device_names()
    assert not replaces_catalogue(device)


def test_own_device_in_place_of_the_catalogues(home):
    put(home / ".config/brushlet/devices", "raspberry-pi-5.toml")
    device = load_device("raspberry-pi-5")
    assert (device.title, device.own) == ("My own", True)
    assert replaces_catalogue(device)
    assert device_names().count("raspberry-pi-5") == 1


def test_the_environments_folder_comes_first(home, monkeypatch):
    put(home / ".config/brushlet/devices", "my-board.toml")
    put(home / "other", "my-board.toml", OWN.replace("My own", "My other"))
    monkeypatch.setenv("BRUSHLET_DEVICES", str(home / "other"))
    assert load_device("my-board").title == "My other"


def test_an_absent_folder_is_no_error(home, monkeypatch):
    monkeypatch.setenv("BRUSHLET_DEVICES", str(home / "absent"))
    assert load_device("raspberry-pi-5").title == "Raspberry Pi 5"


def test_by_path(home, monkeypatch):
    put(home / "somewhere", "my-board.toml")
    assert load_device(home / "somewhere" / "my-board.toml").own
    monkeypatch.chdir(home / "somewhere")
    assert load_device("my-board.toml").title == "My own"
    with pytest.raises(DeviceError, match="No such file"):
        load_device("./absent.toml")


def test_a_mistake_in_an_own_file_hides_no_other_device(home):
    put(home / ".config/brushlet/devices", "broken.toml", "title = 3")
    assert load_device("jetson-orin-nano-super").name == "jetson-orin-nano"
    with pytest.raises(DeviceError, match="broken.toml: 'sources' is missing"):
        load_device("broken")
    devices, problems = read_devices()
    assert len(devices) == len(device_names()) - 1
    assert [str(problem) for problem in problems] == ["broken.toml: 'sources' is missing"]

"""`brushlet devices`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from devices import DeviceError, describe_this_machine, device_names, load_device
from devices.cli import app
from devices.identify import Signs, match_device
from devices.table import machine_table, match_table

ROOT = Path(__file__).resolve().parents[2]
OWN = 'title = "My own"\nkind = "board"\n[sources.me]\ntitle = "my own measurement"\n'


def run(*arguments: str, **environment: str) -> Any:
    """The command in this process. Its DeviceErrors are the front door's to print: they are the result's exception."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "120", "NO_COLOR": "1"} | environment)


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "devices", *arguments], cwd=ROOT, capture_output=True, text=True)


def printed(table: object, width: int = 100) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_lists_every_device():
    done = run()
    assert done.exit_code == 0, done.output
    for name in device_names():
        assert name in done.stdout
    line = next(line for line in done.stdout.splitlines() if "jetson-orin-nano " in line)
    assert line.split() == [
        "jetson-orin-nano", "NVIDIA", "Jetson", "Orin", "Nano", "8GB", "jetson", "33", "17", "102", "tensorrt", "int8",
    ]  # fmt: skip


def test_the_list_fits_a_narrow_terminal():
    lines = run(COLUMNS="80").stdout.splitlines()
    line = next(line for line in lines if "jetson-orin-nano " in line)
    assert line.split() == ["jetson-orin-nano", "jetson", "33", "17", "102", "tensorrt", "int8"]
    assert max(map(len, lines)) <= 80


def test_list_as_json():
    document = json.loads(run("--json").stdout)
    assert [device["name"] for device in document] == list(device_names())


def test_a_device_with_the_source_of_every_figure():
    done = run("jetson-orin-nano-super")
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert "NVIDIA Jetson Orin Nano 8GB jetson-orin-nano (also jetson-orin-nano-8gb, jetson-orin-nano-super)" in text
    assert "33 TOPS (in mode MAXN_SUPER; dense; 67 with sparsity) [super]" in text
    assert "2.09 TFLOPS (in mode MAXN_SUPER; computed: 1024 cores x 2 (multiply-add) x 1.02 GHz) [super]" in text
    assert "compute capability 8.7" in text
    assert "tensorrt int8 (rule of thumb)" in text
    assert "TensorRT 10.3, with JetPack 6.1 and 6.2" in text
    device = load_device("jetson-orin-nano")
    for source in device.sources:
        assert source.title in text


@pytest.mark.parametrize("name", ["x86-avx2", "iphone-12", "pixel-6", "h100"])
def test_every_kind_of_device_can_be_shown(name):
    done = run(name)
    assert done.exit_code == 0, done.output
    assert load_device(name).title in done.stdout


def test_a_device_as_json():
    document = json.loads(run("jetson-orin-nano", "--json").stdout)
    assert document == json.loads(json.dumps(load_device("jetson-orin-nano").to_json()))


def test_an_unknown_device():
    done = start("jetson-orin-nan")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: there is no device 'jetson-orin-nan': did you mean 'jetson-orin-nano'?\n"


def test_own_devices(tmp_path):
    for name in ("my-board", "raspberry-pi-4", "broken"):
        (tmp_path / f"{name}.toml").write_text(OWN if name != "broken" else "title = 1")
    folder = {"BRUSHLET_DEVICES": str(tmp_path)}
    listed = run(**folder)
    assert listed.exit_code == 0
    assert "my-board*" in listed.stdout
    assert listed.stderr == "warning: broken.toml: 'sources' is missing\n"
    assert f"your own: {tmp_path}/my-board.toml\n" in run("my-board", COLUMNS="300", **folder).stdout
    instead = run("raspberry-pi-4", COLUMNS="300", **folder).stdout
    assert f"your own: {tmp_path}/raspberry-pi-4.toml, in place of the catalogue's" in instead
    assert "My own" in run(str(tmp_path / "my-board.toml")).stdout


def test_markup_in_a_file_is_printed_as_it_stands(tmp_path):
    (tmp_path / "x.toml").write_text(OWN.replace("My own", "My [red]own[/nonsense]"))
    assert "My [red]own[/nonsense]" in run(str(tmp_path / "x.toml")).stdout
    assert "My [red]own[/nonsense]" in run(BRUSHLET_DEVICES=str(tmp_path)).stdout


def test_here_is_a_table_for_people():
    done = run("--here")
    assert done.exit_code == 0
    assert describe_this_machine().cpu.split()[0] in done.stdout
    assert "threads" in done.stdout
    assert "certainty" in done.stdout


def test_here_as_json_is_the_description_and_the_match():
    document = json.loads(run("--here", "--json").stdout)
    match = document.pop("match")
    assert document == describe_this_machine().to_json()
    assert set(match) == {"device", "certainty", "evidence"}


def test_here_and_a_name_exclude_each_other():
    done = run("--here", "jetson-nano")
    assert isinstance(done.exception, DeviceError)
    assert str(done.exception) == "--here describes this machine and NAME another: leave one of them out"


def test_help_has_examples():
    done = run("--help")
    assert done.exit_code == 0
    assert "brushlet devices jetson-orin-nano" in done.stdout
    assert "brushlet devices --here" in done.stdout


def test_table_of_a_recorded_machine(recorded):
    text = printed(machine_table(describe_this_machine(recorded("jetson-orin-nano"))))
    assert "L4T 36.4.7" in text
    assert "7.4 GiB" in text
    assert "virtual" not in text, "what is not so, or not known, is left out"


def test_table_of_a_match():
    text = printed(match_table(match_device(Signs(compatible=("nvidia,p3767-0005",), memory_gb=4.0))))
    assert "jetson-orin-nano: NVIDIA Jetson Orin Nano 8GB" in text
    assert "likely, a variant is possible" in text
    assert "tensorrt int8 (rule of thumb)" in text


def test_table_without_a_match():
    text = printed(match_table(match_device(Signs(device_tree_model="Vendor [b]Board"))))
    assert "docs/devices.md" in text
    assert "device tree's model: Vendor [b]Board" in text

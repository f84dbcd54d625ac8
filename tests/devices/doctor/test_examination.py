"""`devices.doctor`: what it says of machines that are not this one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from devices import DeviceError, Host
from devices.doctor import Environment, examine, read_requirements
from devices.doctor.examination import NEEDS, Report
from devices.doctor.report_table import report_tables

ROOT = Path(__file__).parents[3]
BASE = {
    "brushlet": "0.1.0", "numpy": "2.2", "onnxruntime": "1.23", "pillow": "12.0", "rich": "14.0", "typer": "0.20",
    "tomli": "2.2",
}  # fmt: skip
DISTILL = {
    "accelerate": "1.3", "filelock": "3.16", "pooch": "1.8", "requests": "2.32", "safetensors": "0.5",
    "scikit-image": "0.24", "torch": "2.6.0+cpu", "torchmetrics": "1.6",
}  # fmt: skip
EXPORT = DISTILL | {"onnx": "1.18", "onnxslim": "0.1.50", "jinja2": "3.1", "matplotlib": "3.9", "onnxscript": "0.5"}
SMI = "| NVIDIA-SMI 580.95.05      Driver Version: 580.95.05      CUDA Version: 13.0     |\n"


@pytest.fixture
def machine(tmp_path) -> Callable[..., Environment]:
    """``machine(packages, files, tools=..., answers=...)`` -> an Environment that shows just these."""

    def build(
        packages: dict[str, str],
        files: dict[str, str] | None = None,
        tools: tuple[str, ...] = ("apt-get",),
        answers: dict[str, str] | None = None,
        platform: str = "linux",
        venv: str | None = None,
    ) -> Environment:
        for path, text in (files or {}).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        host = Host(
            root=tmp_path,
            system="Darwin" if platform == "darwin" else "Linux",
            architecture="x86_64",
            sysctl=lambda name: None,
            run=lambda command: (answers or {}).get(" ".join(command)),
        )
        return Environment(
            host=host,
            platform=platform,
            venv=venv,
            version=packages.get,
            which=lambda name: f"/usr/bin/{name}" if name in tools else None,
            requirements=read_requirements(ROOT / "pyproject.toml", platform=platform, python=(3, 11)),
        )

    return build


def state(report: Report, kind: str, name: str) -> tuple[str, str | None]:
    ability = next(ability for ability in report.abilities if (ability.kind, ability.name) == (kind, name))
    return ability.state, ability.fix


def tool(report: Report, name: str) -> tuple[str | None, str | None]:
    found = next(tool for tool in report.tools if tool.name == name)
    return found.found, found.fix


def printed(report: Report) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report_tables(report))
    return console.export_text()


def test_the_base_install_paints_and_names_what_brings_the_rest(machine):
    report = examine(machine(BASE))
    assert state(report, "stage", "stylize") == ("ready", None)
    assert state(report, "engine", "onnxruntime") == ("ready", None)
    assert state(report, "stage", "distill") == ("missing", "pip install 'brushlet[distill]'")
    assert state(report, "export", "onnx") == ("missing", "pip install 'brushlet[export]'")
    assert state(report, "export", "coreml") == ("missing", "pip install 'brushlet[coreml]'")
    assert state(report, "engine", "openvino") == ("missing", "pip install 'brushlet[openvino]'")
    assert report.base_works


def test_only_extras_that_lack_something_are_named(machine):
    report = examine(machine(BASE | EXPORT))
    assert state(report, "stage", "distill") == state(report, "export", "onnx") == ("ready", None)
    assert state(report, "export", "tensorrt-rtx") == ("missing", "pip install 'brushlet[tensorrt-rtx]'")
    missing = next(ability.missing for ability in report.abilities if ability.name == "coreml")
    assert missing == ("coremltools",)


def test_a_version_that_does_not_fit_is_missing(machine):
    report = examine(machine(BASE | EXPORT | {"torch": "2.15.0"}))
    assert state(report, "stage", "distill") == ("missing", "pip install 'brushlet[distill]'")
    ability = next(ability for ability in report.abilities if ability.name == "distill")
    assert ability.missing == ("torch 2.15.0 (>=2.4,<2.14)",)
    assert "torch 2.15.0, not >=2.4,<2.14" in printed(report)


def test_a_broken_base_install_is_told(machine):
    report = examine(machine({"brushlet": "0.1.0"} | {name: BASE[name] for name in ("rich", "typer")}))
    assert not report.base_works
    assert state(report, "stage", "stylize") == ("missing", "pip install --upgrade brushlet")


def test_without_a_gpu_engines_are_built_elsewhere(machine):
    report = examine(machine(BASE | EXPORT))
    assert state(report, "export", "tensorrt")[0] == state(report, "engine", "tensorrt")[0] == "elsewhere"
    assert "--recipe-only" in state(report, "export", "tensorrt")[1]
    assert tool(report, "NVIDIA driver") == (None, None)


def test_a_gpu_without_a_driver(machine):
    card = {
        "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
        "sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n",
    }
    report = examine(machine(BASE, card))
    fix = "https://www.nvidia.com/drivers && pip install 'brushlet[tensorrt]'"
    assert state(report, "engine", "tensorrt") == ("missing", fix)
    ubuntu = examine(machine(BASE, card, tools=("apt-get", "ubuntu-drivers")))
    assert tool(ubuntu, "NVIDIA driver") == (None, "sudo ubuntu-drivers install")


def test_a_working_gpu(machine):
    packages = BASE | EXPORT | {"tensorrt": "10.9", "cuda-bindings": "13.0"}
    report = examine(machine(packages, answers={"nvidia-smi": SMI}))
    assert tool(report, "NVIDIA driver") == ("580.95.05 (CUDA 13.0)", None)
    assert state(report, "export", "tensorrt") == state(report, "engine", "tensorrt") == ("ready", None)


JETSON = {
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64\n",
    "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0",
    "usr/lib/aarch64-linux-gnu/libnvinfer.so.10": "",
    "usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0": "",
    "usr/src/tensorrt/bin/trtexec": "",
}


def test_a_jetson_takes_tensorrt_from_its_system(machine):
    report = examine(machine(BASE, JETSON))
    assert report.match.device.name == "jetson-orin-nano"
    assert tool(report, "NVIDIA driver") == ("L4T 36.4.7", None)
    assert tool(report, "TensorRT of the system") == ("10.3.0", None)
    assert tool(report, "trtexec")[0].endswith("usr/src/tensorrt/bin/trtexec")
    assert state(report, "engine", "tensorrt") == (
        "missing",
        "sudo apt-get install python3-libnvinfer && pip install 'cuda-bindings==12.*'",
    )


def test_a_jetsons_virtual_environment_has_to_see_the_systems_packages(machine):
    fix = state(examine(machine(BASE, JETSON, venv="/home/a b/venv")), "engine", "tensorrt")[1]
    assert fix.startswith(
        "sudo apt-get install python3-libnvinfer && python3 -m venv --system-site-packages '/home/a b/venv' && "
    )


def test_a_jetson_that_is_ready_and_one_of_the_next_release(machine):
    packages = BASE | {"tensorrt": "10.3.0", "cuda-bindings": "12.8"}
    assert state(examine(machine(packages, JETSON)), "engine", "tensorrt") == ("ready", None)
    thor = JETSON | {"etc/nv_tegra_release": "# R38 (release), REVISION: 2.0, GCID: 41844464\n"}
    assert state(examine(machine(BASE | {"tensorrt": "10.13"}, thor)), "engine", "tensorrt") == (
        "missing",
        "pip install 'cuda-bindings==13.*'",
    )


def test_a_jetson_without_its_tensorrt(machine):
    bare = {path: text for path, text in JETSON.items() if "libnvinfer" not in path and "trtexec" not in path}
    report = examine(machine(BASE, bare))
    assert tool(report, "TensorRT of the system") == (None, "sudo apt-get install python3-libnvinfer")


def test_tools_of_other_machines(machine):
    report = examine(machine(BASE, tools=("apt-get", "ssh")))
    assert tool(report, "ssh") == ("/usr/bin/ssh", None)
    assert tool(report, "adb") == (None, "sudo apt-get install adb")
    assert tool(examine(machine(BASE, tools=())), "adb") == (None, None), "no command is better than a wrong one"
    mac = examine(machine(BASE, tools=(), platform="darwin"))
    assert tool(mac, "adb") == (None, "brew install android-platform-tools")
    assert state(mac, "export", "tensorrt-rtx") == ("elsewhere", "do it on Linux")
    assert "--recipe-only" in state(mac, "export", "tensorrt")[1]


def test_an_installed_version_may_know_fewer_extras(machine):
    env = machine(BASE)
    known = {extra: found for extra, found in env.requirements.by_extra.items() if extra != "openvino"}
    report = examine(replace(env, requirements=replace(env.requirements, by_extra=known)))
    assert "openvino" not in [ability.name for ability in report.abilities]


def test_the_table_names_each_command_once(machine):
    text = printed(examine(machine(BASE)))
    assert text.count("pip install 'brushlet[export]'") == 1
    assert "pip install 'brushlet[export]'   # stage export, export onnx" in text
    assert "adb" in text
    assert "none; for Android devices: sudo apt-get install adb" in text


def test_nothing_to_mend_is_not_mentioned(machine):
    every = {requirement.name: "99" for requirement in machine({}).requirements.of(["dev", "tensorrt"])}
    fitting = {name: "2.0" for name in every} | BASE | EXPORT | {
        "torch-pruning": "1.6", "coremltools": "9.0", "openvino": "2025.1", "ai-edge-litert": "2.3",
        "cuda-bindings": "13.0", "tensorrt-rtx-cu13": "1.7", "tensorrt": "10.9", "av": "18.1",
    }  # fmt: skip
    report = examine(machine(fitting, answers={"nvidia-smi": SMI}))
    assert {ability.state for ability in report.abilities} == {"ready"}
    assert "To mend" not in printed(report)


def test_json(machine):
    document = json.loads(json.dumps(examine(machine(BASE, JETSON)).to_json()))
    assert document["match"]["device"] == "jetson-orin-nano"
    assert document["brushlet"] == "0.1.0"
    torch = next(package for package in document["packages"] if package["name"] == "torch")
    assert torch == {"name": "torch", "version": None, "wanted": torch["wanted"], "fits": False}
    ability = next(a for a in document["abilities"] if (a["kind"], a["name"]) == ("export", "onnx"))
    assert ability["fix"] == "pip install 'brushlet[export]'"


def test_the_command_on_this_machine():
    from devices.doctor.cli import app

    done = CliRunner().invoke(app, ["--json"])
    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {"distill", "stylize", "onnx", "onnxruntime"} <= {ability["name"] for ability in report["abilities"]}
    assert "numpy" in CliRunner().invoke(app, [], env={"COLUMNS": "120"}).stdout
    assert "Example: brushlet doctor" in CliRunner().invoke(app, ["--help"]).stdout


def test_the_command_fails_where_painting_does(monkeypatch, machine):
    from devices.doctor.cli import app

    monkeypatch.setattr("devices.doctor.examination.Environment", lambda: machine({"rich": "14.0", "typer": "0.20"}))
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 1
    assert "pip install --upgrade brushlet" in done.stdout


def test_nothing_is_imported_to_learn_its_version():
    import subprocess
    import sys

    code = (
        "import sys; from devices.doctor import examine; examine();"
        "print([m for m in ('torch', 'numpy', 'onnx', 'onnxruntime', 'openvino', 'coremltools', 'rich', 'typer')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unreadable_requirements_are_an_error_of_the_users(monkeypatch):
    def absent() -> None:
        raise DeviceError("brushlet is not installed")

    monkeypatch.setattr("devices.doctor.examination.Environment", absent)
    with pytest.raises(DeviceError):
        examine()


def test_every_stage_format_and_engine_is_looked_at():
    """A new one has to be told to the doctor."""
    import brushlet
    from runtime.engines import ENGINES

    formats = pytest.importorskip("export.formats").FORMATS
    looked_at = {kind: {need.name for need in NEEDS if need.kind == kind} for kind in ("stage", "export", "engine")}
    assert set(brushlet.STAGES) - {"devices", "doctor", "report"} <= looked_at["stage"]
    assert set(formats) <= looked_at["export"]
    assert set(ENGINES) <= looked_at["engine"]
    known = read_requirements(ROOT / "pyproject.toml").by_extra
    assert {extra for need in NEEDS for extra in need.extras} <= set(known)

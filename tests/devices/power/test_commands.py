"""Sensors that are commands: nvidia-smi, powermetrics, and whatever prints report after report."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devices import Host
from devices.power import nvidia_smi, powermetrics
from devices.power.repeating_command import RepeatingCommand
from devices.power.tegrastats import parse_tegrastats
from tests.devices.power.recorded import NVIDIA_SMI, NVIDIA_SMI_WITHOUT_POWER, POWERMETRICS

TALKER = "import sys, time\nwhile True:\n    print('VDD_IN 5000mW/5000mW', flush=True)\n    time.sleep(0.02)\n"


def test_gpus_side_by_side():
    reading = nvidia_smi.parse_gpus(NVIDIA_SMI)
    assert reading.watts == {"gpu0": 71.22, "gpu1": 699.8}
    assert reading.whole == ("gpu0", "gpu1")
    assert reading.megahertz == {"gpu0": 345, "gpu0 memory": 2619, "gpu1": 1590, "gpu1 memory": 2619}
    assert reading.celsius == {"gpu0": 41, "gpu1": 71}
    assert reading.throttled == ("gpu1: power cap",), "an idle GPU is not throttled"


def test_a_gpu_without_figures_has_none():
    reading = nvidia_smi.parse_gpus(NVIDIA_SMI_WITHOUT_POWER)
    assert (reading.watts, reading.megahertz, reading.celsius, reading.throttled) == ({}, {}, {}, None)
    assert nvidia_smi.command_here(Host(run=lambda command: NVIDIA_SMI_WITHOUT_POWER)) is None


@pytest.mark.parametrize("known", nvidia_smi.REASON_FIELDS)
def test_the_field_that_the_driver_knows_is_asked_for(known):
    def run(command):
        return NVIDIA_SMI if known in command[1] else None

    assert known in nvidia_smi.command_here(Host(run=run))[1]
    assert nvidia_smi.command_here(Host(run=lambda command: None)) is None


def test_an_apple_chip():
    reading = powermetrics.parse_powermetrics(POWERMETRICS)
    assert reading.watts == pytest.approx({"CPU": 2.97845, "GPU": 0.269614, "ANE": 0.0, "Combined": 3.24807})
    assert reading.whole == ("Combined",)
    assert reading.megahertz == pytest.approx({"E-Cluster": 1015.2, "P0-Cluster": 3220.4, "gpu": 338})
    assert reading.throttled == ()
    hot = powermetrics.parse_powermetrics(POWERMETRICS.replace("Nominal", "Heavy"))
    assert hot.throttled == ("pressure: Heavy",)


@pytest.mark.parametrize("damaged", ["", "<plist>", POWERMETRICS[:400], '<plist version="1.0"><array/></plist>'])
def test_a_damaged_sample_says_nothing(damaged):
    assert powermetrics.parse_powermetrics(damaged).watts == {}


def test_powermetrics_never_asks_for_a_password():
    asked = []

    def allow(command):
        asked.append(command)
        return "/usr/bin/powermetrics"

    mac = Host(system="Darwin", run=allow)
    assert powermetrics.command_here(mac, is_root=False)[0][:2] == ("sudo", "-n")
    assert all(command[:2] == ("sudo", "-n") for command in asked)
    assert powermetrics.command_here(mac, is_root=True)[0][0] == "/usr/bin/powermetrics"
    command, reason = powermetrics.command_here(Host(system="Darwin", run=lambda command: None), is_root=False)
    assert command is None and "root only" in reason
    assert powermetrics.command_here(Host(system="Linux"), is_root=True) == (None, None)


def wait_until(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and ") Z " in stat.read_text()


def test_reports_are_read_and_the_command_ends():
    command = RepeatingCommand("talker", (sys.executable, "-c", TALKER), parse_tegrastats)
    wait_until(lambda: command.read().watts == {"VDD_IN": 5.0})
    command.close()
    assert gone(command.process_id)
    command.close()


def test_one_that_will_not_end_is_killed(monkeypatch):
    monkeypatch.setattr("devices.power.repeating_command.PATIENCE_S", 0.2)
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + TALKER
    command = RepeatingCommand("stubborn", (sys.executable, "-c", stubborn), parse_tegrastats)
    wait_until(lambda: command.read().watts)
    command.close()
    assert gone(command.process_id)


def test_two_reports_between_two_looks_are_both_counted():
    talk = f"print({NVIDIA_SMI!r}, end='', flush=True); import time; time.sleep(60)"
    command = RepeatingCommand("nvidia-smi", (sys.executable, "-c", talk), nvidia_smi.parse_gpus)
    wait_until(lambda: len(command._reports) == 2)
    assert command.read().watts == {"gpu0": 71.22, "gpu1": 699.8}
    assert command.read().watts == {}
    command.close()


def test_property_lists_stand_between_nuls():
    talk = f"import sys, time; sys.stdout.write({POWERMETRICS!r} + chr(0)); sys.stdout.flush(); time.sleep(60)"
    command = RepeatingCommand("metrics", (sys.executable, "-c", talk), powermetrics.parse_powermetrics, b"\0")
    wait_until(lambda: command.read().watts)
    command.close()


def test_endless_output_without_a_line_takes_no_memory():
    flood = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    command = RepeatingCommand("flood", (sys.executable, "-c", flood), parse_tegrastats)
    time.sleep(0.3)
    assert not command.read().watts
    command.close()
    assert gone(command.process_id)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_killed_parent_leaves_no_orphan(tmp_path):
    """As when the benchmark is killed with SIGKILL: nobody is left who could end the command."""
    code = (
        "import sys, time\nfrom devices.power.repeating_command import RepeatingCommand\n"
        "from devices.power.tegrastats import parse_tegrastats\n"
        f"command = RepeatingCommand('talker', (sys.executable, '-c', {TALKER!r}), parse_tegrastats)\n"
        "print(command.process_id, flush=True)\ntime.sleep(60)"
    )
    root = Path(__file__).resolve().parents[3]
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: gone(child))

"""`brushlet devices`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

from devices import describe_this_machine

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "devices", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_here_is_a_table_for_people():
    done = run("--here")
    assert done.returncode == 0
    assert describe_this_machine().cpu.split()[0] in done.stdout
    assert "threads" in done.stdout


def test_here_as_json_is_the_description():
    done = run("--here", "--json")
    assert json.loads(done.stdout) == describe_this_machine().to_json()


def test_without_a_device_says_what_to_do():
    done = run()
    assert done.returncode == 1
    assert done.stderr == "error: say which device: brushlet devices --here describes this machine\n"


def test_help_has_an_example():
    done = run("--help")
    assert done.returncode == 0
    assert "brushlet devices --here" in done.stdout


def test_table_of_a_recorded_machine(recorded):
    from rich.console import Console

    from devices.table import machine_table

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(machine_table(describe_this_machine(recorded("jetson-orin-nano"))))
    text = console.export_text()
    assert "L4T 36.4.7" in text
    assert "7.4 GiB" in text
    assert "virtual" not in text, "what is not so, or not known, is left out"

"""The commands in the documentation are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import report_run, search_cli, search_run, suite
from benchmarks.cli import app
from benchmarks.prediction import predict_there

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/benchmarks.md", "docs/prediction.md", "docs/remote.md", "benchmarks/README.md", "README.md")
COMMANDS = [
    (page, found[1])
    for page in PAGES
    for found in re.finditer(
        r"^(?:    |- run: |\s+- run: )(?:\w+=\S+ )?brushlet bench (.+)$", (ROOT / page).read_text(), re.M
    )
]


def test_there_are_commands_to_try():
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize(("page", "arguments"), COMMANDS)
def test_a_documented_command_is_understood(page, arguments, monkeypatch):
    asked = []
    monkeypatch.setattr(report_run, "run_and_report", lambda *each: asked.append(each))
    monkeypatch.setattr(predict_there, "predict_elsewhere", lambda *each: False)
    # Its pictures are nowhere here.
    monkeypatch.setattr(suite, "peers_on", lambda name, peers: (suite.load_suite(name) and peers, [384], ["fp32"]))
    done = CliRunner().invoke(app, shlex.split(arguments))
    assert done.exit_code == 0, done.output
    request = asked[0][0]
    request.budget.require_sensible()
    assert request.bundle == shlex.split(arguments)[0]


@pytest.mark.parametrize(
    "arguments", re.findall(r"^    brushlet search (.+)$", (ROOT / "docs" / "widths.md").read_text(), re.M)
)
def test_a_documented_search_is_understood(arguments, monkeypatch):
    asked = []
    monkeypatch.setattr(search_run, "search_and_report", lambda *each: asked.append(each))
    done = CliRunner().invoke(search_cli.app, shlex.split(arguments))
    assert done.exit_code == 0, done.output
    assert asked[0][0].request.budget.milliseconds in (8, 40)

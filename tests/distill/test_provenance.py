"""What a student says about where it comes from."""

from __future__ import annotations

import sys

import pytest

from distill.provenance import command_line, earlier_runs, installed


def test_the_command_that_repeats_a_run(monkeypatch):
    for argv in (["brushlet", "distill", "--content", "my photos"], ["distill", "--content", "my photos", "--resume"]):
        monkeypatch.setattr(sys, "argv", argv)
        assert command_line() == "distill --content 'my photos'"


@pytest.mark.parametrize("command", ["prune", "export"])
def test_commands_that_only_the_front_door_knows(monkeypatch, command):
    monkeypatch.setattr(sys, "argv", ["brushlet", command, "runs/x"])
    assert command_line() == f"brushlet {command} runs/x"


def test_earlier_runs_are_a_chain():
    first = {"command": "distill --width 1", "steps": 5, "seed": 0}
    second = {"command": "distill --warm-start one", "steps": 7, "started_from": earlier_runs(first)}
    assert earlier_runs(second) == [
        {"command": "distill --width 1", "steps": 5},
        {"command": "distill --warm-start one", "steps": 7},
    ]
    assert earlier_runs({}) == [] and earlier_runs({"started_from": "x"}) == []


def test_versions_of_what_is_not_there_are_none():
    assert installed("torch")
    assert installed("no-such-package") is None

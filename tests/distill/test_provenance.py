"""What a student says about where it comes from."""

from __future__ import annotations

import sys

from distill.provenance import command_line, installed


def test_the_command_that_repeats_a_run(monkeypatch):
    for argv in (["brushlet", "distill", "--content", "my photos"], ["distill", "--content", "my photos", "--resume"]):
        monkeypatch.setattr(sys, "argv", argv)
        assert command_line() == "distill --content 'my photos'"


def test_versions_of_what_is_not_there_are_none():
    assert installed("torch")
    assert installed("no-such-package") is None

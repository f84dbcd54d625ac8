"""`brushlet report` as users run it."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import brushlet
from benchmarks.report import write_report as module
from benchmarks.report.cli import app
from tests.benchmarks.report.records import hostile_record, make_record, write

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("docs/benchmarks.md", "benchmarks/records/README.md", "README.md")
COMMANDS = [
    (page, found[1])
    for page in PAGES
    for found in re.finditer(r"^    brushlet report (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.M)
]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with records/ in it: a good record, a strange one and a broken one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "records").mkdir()
    make_record().write(tmp_path / "records" / "good.json")
    write(hostile_record(), tmp_path / "records" / "strange.json")
    (tmp_path / "records" / "broken.json").write_text("{")
    return tmp_path


def run(*words: str):
    return CliRunner().invoke(brushlet.app, ["report", *words])


def test_a_page_of_the_records_in_this_folder(folder):
    pytest.importorskip("jinja2")
    done = run()
    assert done.exit_code == 0, done.output
    assert "skipped: records/broken.json is not valid JSON" in done.stderr
    assert "report: report.html" in done.stderr
    assert done.stdout == ""
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "2 records" in page
    assert sorted(path.name for path in folder.iterdir()) == ["records", "report.html"]


@pytest.mark.parametrize("format", ["md", "csv", "json"])
def test_text_goes_to_standard_output_or_into_a_file(folder, format):
    done = run("records", "--format", format)
    assert done.exit_code == 0, done.output
    assert "mine" in done.stdout
    assert "\x1b" not in done.stdout
    kept = run("records", "-o", f"out.{format}")
    assert kept.exit_code == 0, kept.output
    assert kept.stdout == ""
    assert (folder / f"out.{format}").read_bytes().decode() == done.stdout
    if format == "csv":
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 8
    if format == "json":
        assert len(json.loads(done.stdout)["rows"]) == 8


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("absent/",), "there is no file or folder absent"),
        (("empty",), "there is nothing to report: empty holds no record (*.json)"),
        (("records/broken.json",), "there is nothing to report: records/broken.json is not valid JSON"),
        (("records", "--format", "pdf"), "--format must be one of html, md, csv, json, not 'pdf'"),
        (("records", "-o", "report.pdf"), "name the format, or end the name in .html, .md, .csv, .json"),
        (("records", "--format", "csv", "--pictures", "x"), "pictures are for a page, not for --format csv"),
        (("records", "--bundle", "x"), "name the folder with the photos to paint: --pictures DIR"),
        (("records", "-o", "nowhere/report.html"), "cannot write nowhere/report.html: the folder does not exist"),
        (("records", "-o", "empty", "--format", "md"), "cannot write empty: it is a folder"),
    ],
)
def test_what_cannot_be_is_one_line(folder, words, complaint):
    pytest.importorskip("jinja2")
    (folder / "empty").mkdir()
    done = run(*words)
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert complaint in line
    assert not list(folder.glob("*report*"))


def test_many_files_that_are_no_records_are_counted(folder):
    for number in range(30):
        (folder / "records" / f"x{number}.json").write_text("{}")
    told = run("records", "--format", "csv").stderr.splitlines()
    assert len(told) == 21
    assert told[-1] == "skipped: 11 more"


def test_help_has_an_example():
    done = CliRunner().invoke(app, ["--help"])
    assert "brushlet report records/ -o report.html" in " ".join(done.stdout.split())


def test_there_are_documented_commands():
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize(("page", "arguments"), COMMANDS)
def test_a_documented_command_is_understood(page, arguments, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "write_report", lambda *each: asked.append(each))
    done = CliRunner().invoke(app, shlex.split(arguments.split(" > ")[0]))
    assert done.exit_code == 0, done.output
    assert asked

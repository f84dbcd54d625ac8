"""`benchmarks.report.gather`: what is read of files and folders, and what is said of the rest."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from benchmarks.report import gather as module
from benchmarks.report.gather import gather
from runtime import UserError
from tests.benchmarks.report.records import make_record


def test_a_folder_is_read_with_the_folders_in_it_oldest_first(tmp_path):
    (tmp_path / "inner").mkdir()
    make_record().write(tmp_path / "new.json")
    replace(make_record(), created="2025-01-01T00:00:00Z").write(tmp_path / "inner" / "old.json")
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / ".hidden.json").write_text("not looked at")
    found = gather([tmp_path])
    assert [source.file for source in found.sources] == ["old.json", "new.json"]
    assert found.sources[1].record == make_record()
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("broken.json", b'{"schema": 2,', "not valid JSON"),
        ("code.json", b'{"student": "x"}', "'schema' is missing"),
        ("list.json", b"[1]", "must be a JSON object"),
        ("later.json", b'{"schema": 99}', "has schema 99"),
        ("deep.json", b"[" * 100_000, "not valid JSON"),
        ("binary.json", b"\xff\xfe\x00", "not valid JSON"),
    ],
)
def test_what_is_no_record_is_named_and_skipped(tmp_path, name, content, complaint):
    make_record().write(tmp_path / "good.json")
    (tmp_path / name).write_bytes(content)
    found = gather([tmp_path])
    assert len(found.sources) == 1
    (line,) = found.skipped
    assert name in line
    assert complaint in line


def test_an_edited_record_is_skipped(tmp_path):
    make_record().write(tmp_path / "good.json")
    text = make_record().to_text()
    (tmp_path / "edited.json").write_text(text.replace('"p50_ms": ', '"p50_ms": 0.1e1, "was": ', 1))
    (line,) = gather([tmp_path]).skipped
    assert "the record was changed" in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_links_to_nowhere_do_not_hold_it_up(tmp_path):
    make_record().write(tmp_path / "good.json")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    found = gather([tmp_path])
    assert len(found.sources) == 1
    assert len(found.skipped) == 2


def test_numbers_and_sizes_are_bounded(tmp_path, monkeypatch):
    for number in range(4):
        make_record().write(tmp_path / f"{number}.json")
    (tmp_path / "large.json").write_bytes(b" " * 50_000)
    monkeypatch.setattr(module, "MOST_RECORDS", 2)
    monkeypatch.setattr(module, "MOST_FILE_BYTES", 40_000)
    found = gather([tmp_path])
    assert [source.file for source in found.sources] == ["0.json", "1.json"]
    assert len(found.skipped) == 3
    monkeypatch.setattr(module, "MOST_BYTES", (tmp_path / "0.json").stat().st_size + 1)
    assert len(gather([tmp_path]).sources) == 1
    (tmp_path / "0-large.json").write_bytes(b" " * 50_000)  # what is not read does not count
    assert len(gather([tmp_path]).sources) == 1
    (tmp_path / "0-large.json").unlink()
    monkeypatch.setattr(module, "MOST_BYTES", 10**9)
    monkeypatch.setattr(module, "MOST_RECORDS", 99)
    (line,) = gather([tmp_path]).skipped
    assert "large.json is larger than" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(UserError, match="cannot read the folder .*closed: Permission denied"):
        gather([tmp_path])


def test_nothing_to_report_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"holds no record \(\*\.json\); brushlet bench adain-w025 -o") as told:
        gather([tmp_path])
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match="there is no file or folder .*absent"):
        gather([tmp_path / "absent"])
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(UserError, match=r"a.json: 'schema' is missing \(and 1 more like it\)"):
        gather([tmp_path])

"""Packages on disk: whole or not at all, and always the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("coremltools")

from export.coreml.app_graphs import app_graphs
from export.coreml.convert import Details, to_program
from export.coreml.package_file import package_bytes, save_package
from runtime.bundle import digest_of, package_files
from runtime.errors import UserError

DETAILS = Details("tiny", "CC0", "1.2.3", {})
AGAIN = """
import sys
from pathlib import Path
from tests.export.conftest import make_student
from tests.export.coreml.test_package_file import measured
measured(make_student(), Path(sys.argv[1]))
"""


def measured(student, path: Path) -> None:
    save_package(to_program(app_graphs(student)[1], [(16, 16), (32, 16)], "iOS16", DETAILS), path)


@pytest.fixture(scope="module")
def model(student):
    return to_program(app_graphs(student)[1], [(16, 16), (32, 16)], "iOS16", DETAILS)


def test_a_package_is_complete_and_nothing_else_is_left(model, tmp_path):
    save_package(model, tmp_path / "m.mlpackage")
    names = [file.relative_to(tmp_path / "m.mlpackage").as_posix() for file in package_files(tmp_path / "m.mlpackage")]
    inside = "Data/com.apple.CoreML"
    assert names == [f"{inside}/model.mlmodel", f"{inside}/weights/weight.bin", "Manifest.json"]
    manifest = json.loads((tmp_path / "m.mlpackage/Manifest.json").read_text())
    root = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
    assert root["path"] == "com.apple.CoreML/model.mlmodel"
    assert [path.name for path in tmp_path.iterdir()] == ["m.mlpackage"]
    assert package_bytes(tmp_path / "m.mlpackage") == digest_of(tmp_path / "m.mlpackage")[1]


def test_another_process_writes_the_same_bytes(student, tmp_path):
    measured(student, tmp_path / "a.mlpackage")
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", AGAIN, str(tmp_path / "b.mlpackage")], check=True, cwd=root, timeout=280)
    assert digest_of(tmp_path / "a.mlpackage") == digest_of(tmp_path / "b.mlpackage")


def test_an_older_package_is_replaced(model, tmp_path):
    (tmp_path / "m.mlpackage").mkdir()
    (tmp_path / "m.mlpackage" / "old").write_text("x")
    save_package(model, tmp_path / "m.mlpackage")
    assert not (tmp_path / "m.mlpackage" / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["m.mlpackage"]


def test_a_failure_leaves_the_older_package_and_no_other(model, tmp_path, monkeypatch):
    (tmp_path / "m.mlpackage").mkdir()
    (tmp_path / "m.mlpackage" / "old").write_text("x")

    def fail(text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("export.coreml.package_file.json.loads", fail)
    with pytest.raises(UserError, match="cannot write .*m.mlpackage: No space left on device"):
        save_package(model, tmp_path / "m.mlpackage")
    assert [path.name for path in tmp_path.rglob("*")] == ["m.mlpackage", "old"]


def test_a_folder_that_is_missing_is_told(model, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        save_package(model, tmp_path / "absent" / "m.mlpackage")
    assert list(tmp_path.iterdir()) == []

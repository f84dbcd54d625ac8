"""coremltools, imported when it is needed."""

from __future__ import annotations

import ast
import logging
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from export.coreml import coremltools_here
from export.coreml.coremltools_here import coremltools, quietly, require_writer
from runtime.errors import UserError


def importing(monkeypatch, version: str, missing: str = "") -> None:
    def import_module(name: str):
        if missing and missing in name:
            raise ImportError(f"No module named '{name}'")
        return SimpleNamespace(__version__=version)

    monkeypatch.setattr(coremltools_here, "import_module", import_module)


@pytest.mark.parametrize("version", ["8.1", "8.3.0", "9.0", "9.1b1"])
def test_supported_versions_pass(monkeypatch, version):
    importing(monkeypatch, version)
    assert coremltools().__version__ == version
    require_writer()


@pytest.mark.parametrize("version", ["7.2", "8.0", "10.0"])
def test_others_are_refused_with_the_command_that_mends_it(monkeypatch, version):
    importing(monkeypatch, version)
    with pytest.raises(UserError, match=rf"coremltools {version} is not supported: pip install 'brushlet\[coreml\]'"):
        coremltools()


def test_its_absence_is_told_in_one_line(monkeypatch):
    importing(monkeypatch, "9.0", missing="coremltools")
    with pytest.raises(UserError, match=r"need coremltools: pip install 'brushlet\[coreml\]'"):
        coremltools()


def test_a_platform_without_its_native_part_is_told(monkeypatch):
    importing(monkeypatch, "9.0", missing="libmilstoragepython")
    with pytest.raises(UserError, match="on this platform: export them on Linux x86-64 or on a Mac"):
        require_writer()


def test_quiet_is_only_for_the_block(capfd):
    logger = logging.getLogger("coremltools")
    before = logger.level
    with quietly():
        logger.warning("chatter")
        print("progress", file=sys.stderr)
        warnings.warn("old", stacklevel=1)
    assert logger.level == before
    assert capfd.readouterr() == ("", "")


def test_nothing_imports_coremltools_before_it_is_asked_for():
    export = Path(coremltools_here.__file__).parents[1]
    for file in (*export.glob("coreml/*.py"), export / "to_coreml.py"):
        for node in ast.parse(file.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "coremltools" for name in names), file.name

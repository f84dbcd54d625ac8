"""`devices.doctor.requirements`: what brushlet requires, and which versions fit."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import DeviceError
from devices.doctor import requirements
from devices.doctor.requirements import BASE, Requirement, normalized, numbers, read_requirements

PROJECT = """
[project]
name = "brushlet"
dependencies = ["numpy>=1.26,<3", "tomli>=2,<3; python_version < '3.11'"]
[project.optional-dependencies]
distill = ["torch>=2.4,<2.14", "scikit_image>=0.22"]
export = ["brushlet[distill]", "onnx >= 1.17, < 2"]
coreml = ["brushlet[export]", "coremltools>=8.1"]
tensorrt = ["tensorrt>=10.3,<12; sys_platform == 'linux'", "cuda-bindings; sys_platform != 'darwin'"]
round = ["brushlet[about]"]
about = ["brushlet[round]", "left>=1"]
"""


@pytest.fixture
def read(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return lambda **here: read_requirements(tmp_path / "pyproject.toml", **here)


def names(found: tuple[Requirement, ...]) -> list[str]:
    return [requirement.name for requirement in found]


def test_extras_bring_what_the_extras_they_name_bring(read):
    found = read(platform="linux", python=(3, 11))
    assert names(found.of([BASE])) == ["numpy"]
    assert names(found.of(["export"])) == ["onnx", "torch", "scikit-image"]
    assert names(found.of(["coreml"])) == ["coremltools", "onnx", "torch", "scikit-image"]
    assert names(found.of(["export", "distill", "nonsense"])) == ["onnx", "torch", "scikit-image"]
    assert found.of(["export"])[0].wanted == ">=1.17,<2"


def test_extras_that_name_each_other_end(read):
    assert names(read().of(["round"])) == names(read().of(["about"])) == ["left"]


def test_markers_choose_by_platform_and_python(read):
    assert names(read(platform="linux", python=(3, 10)).of([BASE])) == ["numpy", "tomli"]
    assert names(read(platform="linux").of(["tensorrt"])) == ["tensorrt", "cuda-bindings"]
    assert names(read(platform="win32").of(["tensorrt"])) == ["cuda-bindings"]
    assert names(read(platform="darwin").of(["tensorrt"])) == []
    assert read(platform="darwin").foreign == {"tensorrt"}
    assert read(platform="linux").foreign == set()


def test_installed_metadata_serve_where_there_is_no_checkout(tmp_path, monkeypatch):
    """Built metadata writes the extra into the marker."""

    class Installed:
        requires = [
            "numpy<3,>=1.26",
            'torch<2.14,>=2.4; extra == "distill"',
            'brushlet[distill]; extra == "export"',
            'tensorrt<12,>=10.3; sys_platform == "linux" and extra == "tensorrt"',
        ]

    monkeypatch.setattr(requirements, "distribution", lambda name: Installed)
    found = read_requirements(tmp_path / "absent.toml", platform="darwin", python=(3, 11))
    assert names(found.of([BASE])) == ["numpy"]
    assert names(found.of(["export"])) == ["torch"]
    assert names(found.of(["tensorrt"])) == []


def test_another_projects_file_is_not_ours(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\ndependencies = ["evil"]\n')

    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(requirements, "distribution", absent)
    with pytest.raises(DeviceError, match="brushlet is not installed"):
        read_requirements(tmp_path / "pyproject.toml")


def test_this_checkout():
    found = read_requirements(Path(__file__).parents[3] / "pyproject.toml", platform="linux", python=(3, 11))
    assert {"numpy", "onnxruntime", "pillow", "rich", "typer"} <= set(names(found.of([BASE])))
    assert "torch" in names(found.of(["export"]))


@pytest.mark.parametrize(
    ("wanted", "version", "fits"),
    [
        (">=2.4,<2.14", "2.13.0+cpu", True),
        (">=2.4,<2.14", "2.4", True),
        (">=2.4,<2.14", "2.14.0", False),
        (">=2.4,<2.14", "2.14", False),
        (">=2.4,<2.14", "1.26", False),
        (">=1.20,<2", "1.20", True),
        (">=1.20,<2", "1.9", False),
        ("", "0.0.1", True),
        ("==10.*", "10", True),
        ("!=3.1", "3.1.0", False),
        (">=12.6,<14", "13.5.0", True),
        (">=1.4", "1.7.1.116", True),
        (">=1", "unreadable", False),
    ],
)
def test_versions(wanted, version, fits):
    assert Requirement("x", wanted).fits(version) is fits


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_order_of_versions_is_that_of_their_numbers(a, b):
    low, high = sorted([a + [0] * (4 - len(a)), b + [0] * (4 - len(b))])
    written = ".".join(map(str, low))
    assert Requirement("x", f">={written}").fits(".".join(map(str, high)))
    assert Requirement("x", f"<{written}").fits(".".join(map(str, high))) is False
    assert numbers(written) == tuple(low)


def test_names_are_compared_as_indexes_do():
    assert normalized("Scikit_Image") == normalized("scikit.image") == "scikit-image"

"""Teachers of other packages: the guide's example works as it stands, and broken packages break nothing else."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

import brushlet
from distill.teachers import find, load_teacher
from runtime.errors import UserError
from runtime.image_files import read_picture, write_picture
from tests.distill import tiny

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "teachers" / "outside.md"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(brushlet.app, [*map(str, arguments)])


def install(folder: Path, module: str, code: str, project: str) -> None:
    """As pip leaves a package: its module, and the entry points of its pyproject.toml in its metadata."""
    described = tomllib.loads(project)["project"]
    info = folder / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
    info.mkdir()
    (folder / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {described['name']}\nVersion: {described['version']}\n"
    )
    groups = described["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items()) for group, points in groups
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def project(name: str, points: str) -> str:
    return f'[project]\nname = "{name}"\nversion = "3"\n[project.entry-points."brushlet.teachers"]\n{points}\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages, and nothing of theirs stays imported."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def ink(site: Path) -> Path:
    """The package of the guide."""
    blocks = dict(re.findall(r"```(python|toml)\n(.*?)```", GUIDE.read_text(), re.DOTALL))
    install(site, "brushlet_ink", blocks["python"], blocks["toml"])
    return site


def test_the_guides_package_is_listed_with_its_origin(ink):
    listed = {entry["name"]: entry for entry in json.loads(run("teachers", "--json").stdout)}
    assert listed["ink"]["origin"] == "brushlet-ink 0.1" and listed["adain"]["origin"] == "brushlet"
    assert listed["ink"]["takes_style"] is False and listed["ink"]["options"] == ["darkness"]
    assert "ink (2026), from brushlet-ink 0.1" in run("teachers").stdout


def test_the_guides_package_paints(ink, tmp_path):
    write_picture(tmp_path / "photo.png", tiny.draw(1, 64))
    result = run(
        "teach-demo", "ink", tmp_path / "photo.png", "--teacher-option", "darkness=0.8", "-o", tmp_path / "o.png"
    )
    assert result.exit_code == 0, result.output
    assert "painted by ink of darkness 0.8" in result.stdout
    painted, photo = (read_picture(tmp_path / name).rgb / 255 for name in ("o.png", "photo.png"))
    wanted = 1 - 0.8 * (1 - photo.mean(axis=2, keepdims=True)) * np.array([1.0, 0.8, 0.3])
    assert abs(painted - wanted).max() < 0.51 / 255
    assert find("ink").origin == "brushlet-ink 0.1" and find("nothing") is None


def test_the_guides_package_teaches(ink, small, pictures, tmp_path):
    out = tmp_path / "run"
    options = ["--content", pictures / "photos", "--preset", "tiny", "--steps", 3, "--out", out, "--device", "cpu"]
    result = run("distill", "--teacher", "ink", *options)
    assert result.exit_code == 0, result.output
    scores = json.loads((out / "evaluation.json").read_text())["scores"]
    assert scores["teacher"]["teacher_psnr"] == 100 and scores["photo"]["teacher_psnr"] < 30


@pytest.mark.parametrize(
    ("code", "value", "reason"),
    [
        ("import nowhere_at_all", "broken:LISTING", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise RuntimeError('no licence\\nfile')", "broken:LISTING", "RuntimeError: no licence"),
        ("import sys; sys.exit('goodbye')", "broken:LISTING", "SystemExit: goodbye"),
        ("", "broken:LISTING", "AttributeError: module 'broken' has no attribute 'LISTING'"),
        ("LISTING = 5", "broken:LISTING", "broken:LISTING is a int, not a Listing"),
    ],
)
def test_a_broken_package_is_one_line_and_the_others_are_listed(ink, code, value, reason):
    install(ink, "broken", code, project("broken-teachers", f'rust = "{value}"'))
    result = run("teachers")
    assert result.exit_code == 0 and "ink (2026)" in result.stdout and "adain (2017)" in result.stdout
    (line,) = result.stderr.splitlines()
    assert line == f"warning: the teacher 'rust' of broken-teachers 3 cannot be used: {reason}"
    assert load_teacher("ink").name == "ink"
    with pytest.raises(UserError, match="the teacher 'rust' of broken-teachers 3 cannot be used"):
        load_teacher("rust")


LISTING = "from distill.teachers import Listing\nLISTING = Listing('half', 'x', None, 'none', 'MIT', ships=True)\n"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "cannot be used: AttributeError: module 'half' has no attribute 'load'"),
        ("def load(weights): return 1 / 0", "cannot be used: ZeroDivisionError: division by zero"),
        ("def load(weights): return 'painter'", "cannot be used: its load gives a str, not a Teacher"),
        ("def load(weights):\n    from runtime.errors import UserError\n    raise UserError('no key')", "^no key$"),
    ],
)
def test_one_that_fails_when_it_is_loaded(site, code, reason):
    install(site, "half", LISTING + code, project("half-teachers", 'half = "half:LISTING"'))
    with pytest.raises(UserError, match=reason):
        load_teacher("half")


def test_names_of_brushlets_own_are_not_taken(site):
    install(site, "half", LISTING, project("half-teachers", 'adain = "half:LISTING"'))
    result = run("teachers")
    assert "the teacher 'adain' of half-teachers 3 is not used: brushlet has one of that name" in result.stderr
    assert result.stdout.count("adain (2017)") == 1 and load_teacher("adain", "compact").takes_style
    assert "half" not in sys.modules


def test_the_nearest_name_may_be_of_a_package(ink):
    with pytest.raises(UserError, match="there is no teacher called 'inc'; did you mean 'ink'"):
        load_teacher("inc")
    with pytest.raises(UserError, match="ink has no option 'colour': it has darkness"):
        load_teacher("ink", None, {"colour": "red"})
    assert torch.equal(load_teacher("ink").stylize(torch.ones(1, 3, 8, 8)), torch.ones(1, 3, 8, 8))

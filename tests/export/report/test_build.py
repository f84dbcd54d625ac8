"""The page as a whole: all targets are on it, strangers' text is text, nothing is loaded, a broken graph is a line."""

from __future__ import annotations

import base64
import html
import io
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.report import build, write_report
from export.report.pictures import AMPLIFIED
from runtime.bundle import BundleError
from runtime.errors import UserError
from tests.export.report.bundles import (
    HOSTILE,
    add_graph,
    brightened,
    broken,
    change_manifest,
    copy_of,
    edited_paint,
    tiny,
    write_photos,
)
from tests.tiny_bundle import refresh_manifest

LEVELS = 2
_ADDRESS = re.compile(r"""(?:\b(?:src|href|action|data|poster|srcset)=["']?|url\(["']?|@import\s+)([^"'\s)>]*)""")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fp32, one precision that moves every level by `LEVELS`, one that is broken, one for another machine."""
    bundle = tiny(tmp_path_factory.mktemp("report") / "tiny")
    add_graph(bundle, "paint.int8.onnx", "int8", data=edited_paint(bundle, brightened(LEVELS / 255)))
    add_graph(bundle, "paint.half.onnx", "fp16", data=edited_paint(bundle, broken))
    add_graph(bundle, "engines/x/p.engine", HOSTILE[:40], "tensorrt-9000", "sm89", data=b"engine")
    parity = (
        {"role": "paint", "format": "onnx", "precision": "fp32", "psnr": 130.0, "gate": "max_abs_error <= 0.0001"},
        {"role": "paint", "format": "onnx", "precision": "int8", "psnr": 43.5, "gate": "psnr >= 35", "judge": HOSTILE},
        {"role": HOSTILE, "gate": f'"{HOSTILE}', "psnr": "n/a", "precision": ["x"]},
    )
    evidence = {"method": HOSTILE, "layers": [{"name": f"{HOSTILE} $\\frac", "psnr": 40}, {"name": "b", "psnr": 50}]}
    targets = {
        f"onnx int8 {HOSTILE}": {"versions": {HOSTILE: "1<2"}, "evidence": evidence},
        "not a record": 3,
    }
    provenance = {"teacher": {"description": HOSTILE}, "export": {"targets": targets, "weights": "fp16"}}
    change_manifest(bundle, parity=parity, provenance=provenance)
    return bundle


@pytest.fixture(scope="module")
def page(bundle: Path, photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_report(bundle, tmp_path_factory.mktemp("page") / "page.html", contents=photos)
    assert path.stat().st_size <= build.MAX_PAGE_BYTES
    return path.read_text(encoding="utf-8")


def cells(page: str, label: str) -> list[str]:
    """The glance table's row of a format and precision, as text."""
    row = re.search(rf'<tr><td class="name">{re.escape(html.escape(label))}</td>(.*?)</tr>', page, re.DOTALL)
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td.*?>(.*?)</td>", row[1], re.DOTALL)]


def test_every_target_has_its_verdict(page: str):
    assert cells(page, "onnx fp32")[0] == "the reference"
    assert cells(page, "onnx fp16")[0] == "broken"
    verdict, _, ratio, _, recorded, here, worst, runner, _ = cells(page, "onnx int8")
    assert (verdict, recorded, runner) == ("safe", "43.5", "ONNX Runtime")
    assert 100 < float(ratio.removesuffix(" %")) < 110
    # Every level moved by 2 of 255, but where it would leave the range: 20 log10(255 / 2) or little more.
    assert 42.1 <= float(here) < 44 and float(worst) <= float(here)
    assert cells(page, f"tensorrt-9000 {HOSTILE[:40]} sm89")[0] == "not judged"


def test_what_did_not_paint_is_listed_with_its_reason(page: str):
    absent = page[page.index("Not among the pictures") :]
    assert re.search(r"onnx fp16</b> <span[^>]*>failed</span> onnxruntime cannot load .*paint.half.onnx", absent)
    assert re.search(r"sm89</b> <span[^>]*>not run</span> no engine of this brushlet runs the format", absent)


def test_pictures_of_every_photo_and_graph(page: str):
    titles = [html.unescape(title) for title in re.findall(r"<h3>(.* in the style .*)</h3>", page)]
    assert titles == ["waves.png in the style warm", "<b>turned<b>.png in the style warm"]
    assert page.count("painted by onnx fp32") == page.count("painted by onnx int8") == 2
    assert page.count('alt="difference to fp32"') == 2


def test_a_difference_is_drawn_amplified_around_grey(page: str):
    found = re.search(r'class="change" src="data:image/jpeg;base64,([^"]*)"', page)[1]
    change = np.asarray(Image.open(io.BytesIO(base64.b64decode(found))), np.float64)
    assert abs(np.median(change) - (128 + AMPLIFIED * LEVELS)) <= 2


def test_strangers_text_stays_text(page: str):
    assert "<script" not in page.lower() and "<b>turned" not in page
    assert html.escape(HOSTILE) in page


def test_the_page_loads_nothing(page: str):
    addresses = _ADDRESS.findall(page)
    assert len(addresses) > 8
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    assert "<link" not in page and "<iframe" not in page and "default-src 'none'" in page


def test_layers_are_ranked_in_a_plot(page: str):
    plot = page[page.index("<svg") : page.index("</svg>")]
    names = [html.unescape(name) for name in re.findall(r">([^<]*)</text>", plot)]
    assert f"{HOSTILE} $\\frac" in names and "b" in names


def test_a_page_that_would_be_too_large_has_smaller_pictures(
    bundle: Path, photos: list[Path], page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(build, "MAX_PAGE_BYTES", len(page) * 2 // 3)
    path = write_report(bundle, tmp_path / "small.html", contents=photos)
    assert path.stat().st_size <= len(page) * 2 // 3
    assert path.read_text().count("painted by onnx int8") == 2


def test_the_page_goes_into_the_bundle_by_default(bundle: Path, photos: list[Path], tmp_path: Path):
    copy = copy_of(bundle, tmp_path / "copy")
    assert write_report(copy, contents=photos[:1]) == copy / "report.html"
    assert "in the style warm" in (copy / "report.html").read_text()


def test_without_photos_the_samples_are_painted(tmp_path: Path):
    page = write_report(tiny(tmp_path / "tiny"), tmp_path / "page.html").read_text()
    for name in ("coffee.png", "chelsea.png", "astronaut.png"):
        assert f"<h3>{name} in the style warm</h3>" in page


def test_a_style_graph_that_is_broken_leaves_the_styles_held(bundle: Path, photos: list[Path], tmp_path: Path):
    """Named styles need no style graph; a measure graph that is broken lets nothing paint, and that is said."""
    copy = copy_of(bundle, tmp_path / "copy")
    (copy / "measure.onnx").write_bytes(edited_paint(copy, broken))
    refresh_manifest(copy)
    page = write_report(copy, tmp_path / "page.html", contents=photos).read_text()
    assert "No picture could be painted" in page
    assert "measure.onnx" in page[page.index("Not among the pictures") :]


def test_a_damaged_bundle_gets_no_page(bundle: Path, photos: list[Path], tmp_path: Path):
    copy = copy_of(bundle, tmp_path / "copy")
    (copy / "paint.onnx").write_bytes(b"cut")
    with pytest.raises(BundleError, match="paint.onnx has 3 bytes"):
        write_report(copy, tmp_path / "page.html", contents=photos)
    assert not (tmp_path / "page.html").exists()


def test_a_photo_that_cannot_be_read_and_a_place_that_cannot_be_written(
    bundle: Path, photos: list[Path], tmp_path: Path
):
    with pytest.raises(UserError, match="there is no file"):
        write_report(bundle, tmp_path / "page.html", contents=[tmp_path / "missing.jpg"])
    with pytest.raises(UserError, match="cannot write"):
        write_report(bundle, tmp_path / "nowhere" / "page.html", contents=photos[:1])


def test_the_template_is_part_of_the_package():
    template = files("export.report") / "page.html.j2"
    assert template.is_file()
    settings = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert re.search(r'^export = \[.*"\*\*/\*\.j2".*\]$', settings, re.MULTILINE)

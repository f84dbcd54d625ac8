"""The page in a real browser: it shows something, complains of nothing, and its sliders, tips and names work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.report.gather import Gathered
from benchmarks.report.page import make_page
from benchmarks.report.samples import Combination, Samples
from tests.benchmarks.report.records import make_record, source

pytest.importorskip("jinja2")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: Asks the page, as a user would: moves a slider, focuses a point, and writes what it then sees into the title.
ASK = """
const handle = document.querySelector(".slider input");
handle.value = 20;
handle.dispatchEvent(new Event("input"));
const before = document.querySelector(".slider .before");
const tip = document.querySelector(".point .tip");
const hidden = getComputedStyle(tip).visibility;
document.querySelector(".point button").focus();
document.title = JSON.stringify({
  cut: getComputedStyle(before).clipPath,
  tip: [hidden, getComputedStyle(tip).visibility],
  thumbnail: getComputedStyle(tip.querySelector(".thumbnail")).backgroundImage.slice(0, 22),
  sides: [...document.querySelectorAll(".point .title")].map((title) => title.dataset.side),
  wide: document.documentElement.scrollWidth > innerWidth,
});
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    shades = np.linspace(0, 255, 240 * 320).reshape(240, 320, 1).repeat(3, axis=2).astype(np.uint8)
    who = [Combination("bundle", "mine", "onnxruntime", "fp32"), Combination("peer", "other", "onnxruntime", "fp32")]
    samples = Samples((shades,), ("shades in the style x",), {each: [255 - shades] for each in who})
    gathered = Gathered((source(make_record(("mine", "other", "third"), sizes=(64, 128), judged=True)),))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(make_page(gathered, samples))
    return path


def browse(chromium: str, page: Path, *flags: str, size: str = "1280,1600") -> subprocess.CompletedProcess[str]:
    quiet = (
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
    )
    profile = f"--user-data-dir={page.parent / 'profile'}"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    words = [chromium, "--headless", *sandbox, *quiet, profile, f"--window-size={size}", *flags, page.as_uri()]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("size", ["1280,1600", "500,1600"])
@pytest.mark.parametrize("scheme", ["0", "1"], ids=["dark", "light"])
def test_it_shows_something_and_complains_of_nothing(chromium, page, size, scheme, tmp_path):
    shot = tmp_path / "shot.png"
    done = browse(chromium, page, f"--screenshot={shot}", f"--blink-settings=preferredColorScheme={scheme}", size=size)
    assert complaints(done) == []
    picture = np.asarray(Image.open(shot).convert("L")).astype(int)
    assert picture.shape == (1600, int(size.split(",")[0]))
    ground = 255 if scheme == "1" else 23
    assert abs(np.median(picture) - ground) < 3
    # Text, drawings and pictures cover every fifth of the page.
    for part in np.array_split(picture, 5):
        assert np.mean(abs(part - ground) > 40) > 0.005


def test_sliders_tips_and_names_work(chromium, page, tmp_path):
    # The page lets no other script run, so the copy that is asked has no policy.
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text(encoding="utf-8"))
    asked = tmp_path / "asked.html"
    asked.write_text(text.replace("</body>", f"<script>{ASK}</script></body>"), encoding="utf-8")
    done = browse(chromium, asked, "--dump-dom", size="500,1600")
    assert complaints(done) == []
    title = re.search(r"<title>(.*?)</title>", done.stdout)[1].replace("&quot;", '"')
    assert '"cut":"inset(0px 80% 0px 0px)"' in title
    assert '"tip":["hidden","visible"]' in title
    assert '"thumbnail":"url(\\"data:image/jpeg' in title
    sides = re.search(r'"sides":\[(.*?)\]', title)[1]
    assert sides.count("none") < 3
    assert "null" not in sides
    assert '"wide":false' in title


def test_the_policy_keeps_other_scripts_from_running(chromium, page, tmp_path):
    attacked = tmp_path / "attacked.html"
    text = page.read_text(encoding="utf-8")
    attacked.write_text(
        text.replace("</body>", "<script>document.title = 'broken in'</script></body>"), encoding="utf-8"
    )
    done = browse(chromium, attacked, "--dump-dom")
    assert "<title>brushlet: benchmarks</title>" in done.stdout
    assert any("Content Security Policy" in line for line in complaints(done))

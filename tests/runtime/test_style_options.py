"""`runtime.style_options`: what --style, --mask, --labels and --segment mean together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime import Regions, StyleCode, Stylizer, UserError, write_picture
from runtime.style_options import StyleOptions, split_weight
from tests.runtime.test_segmentation import write_model
from tests.runtime.test_stylizer import fixed_style_bundle
from tests.tiny_bundle import make_tiny_bundle

PHOTO = np.zeros((20, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory):
    with Stylizer.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle")), threads=1) as stylizer:
        yield stylizer


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "night:0.5", "3:2.png"):
        write_picture("picture.png", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        Path("picture.png").rename(name)
    mask = np.zeros((20, 30, 3), np.uint8)
    mask[:, :10], mask[:, 20:] = (200, 0, 0), (0, 100, 0)
    write_picture("labels.png", mask)
    write_picture("mask.png", np.where(mask > 150, 255, 0).max(2, keepdims=True).repeat(3, 2).astype(np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.png", ("a.png", None)),
        ("a.png:0.7", ("a.png", 0.7)),
        ("night:0.5", ("night:0.5", None)),  # a file that is called so
        ("night:0.5:2", ("night:0.5", 2.0)),
        ("3:2.png", ("3:2.png", None)),
        ("3:2.png:1e-1", ("3:2.png", 0.1)),
        ("C:/a.png", ("C:/a.png", None)),
        ("warm:1", ("warm:1", None)),  # a style that is called so
        (":1", (":1", None)),
    ],
)
def test_weights_and_names_with_colons(files: Path, text: str, expected: tuple[str, float | None]):
    assert split_weight(text, ("warm:1",)) == expected


@pytest.mark.parametrize("weight", ["-1", "nan", "inf"])
def test_weights_that_are_none(weight: str):
    with pytest.raises(UserError, match=f"weight of the style 'a.png' must be 0 or more, not {weight}"):
        split_weight(f"a.png:{weight}")


def test_styles_mix_by_their_weights(files: Path, stylizer: Stylizer):
    a, warm = stylizer.style("a.png").values, stylizer.style("warm").values
    for options, expected in (
        (("a.png:3", "warm:1"), 0.75 * a + 0.25 * warm),
        (("a.png", "warm"), 0.5 * a + 0.5 * warm),
        (("night:0.5",), stylizer.style(Path("night:0.5")).values),
    ):
        code = StyleOptions(options).resolve(stylizer)(PHOTO)
        assert isinstance(code, StyleCode)
        np.testing.assert_allclose(code.values, expected, atol=1e-6)


def test_masks_labels_and_a_subject_place_styles(files: Path, stylizer: Stylizer):
    model = write_model(files / "segment.onnx")
    ways = {
        "masks": StyleOptions(("a.png", "warm"), masks=(Path("mask.png"),)),
        "labels": StyleOptions(("a.png", "b.png", "warm"), labels=Path("labels.png")),
        "segment": StyleOptions(("a.png", "warm"), segment=model),
    }
    found = {name: options.resolve(stylizer)(PHOTO) for name, options in ways.items()}
    assert all(isinstance(regions, Regions) for regions in found.values())
    assert [style.name for style in found["labels"].styles] == ["a", "b", "warm"] and found["labels"].rest is None
    assert found["masks"].rest.name == found["segment"].rest.name == "warm"
    assert (found["masks"].masks[0] == np.where(np.arange(30) < 10, 255, 0)[None]).all()
    assert StyleOptions(("a.png",), segment=model).resolve(stylizer)(PHOTO).rest is None


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("name a style", StyleOptions()),
        ("choose one", StyleOptions(("warm",), masks=(Path("mask.png"),), labels=Path("labels.png"))),
        ("1 masks take 1 styles, or 2 with one for the rest, not 3", StyleOptions(("a.png",) * 3, (Path("mask.png"),))),
        ("a weight mixes styles of one region", StyleOptions(("a.png:1", "warm"), masks=(Path("mask.png"),))),
        ("has 3 regions, too few for 4", StyleOptions(("warm",) * 4, labels=Path("labels.png"))),
        ("there is no file none.png", StyleOptions(("warm",), masks=(Path("none.png"),))),
    ],
)
def test_what_does_not_fit_together(files: Path, stylizer: Stylizer, match: str, options: StyleOptions):
    with pytest.raises(UserError, match=match):
        options.resolve(stylizer)


def test_a_student_with_one_style_says_so(files: Path):
    with Stylizer.load(fixed_style_bundle(files / "negative")) as stylizer:
        assert StyleOptions().resolve(stylizer)(PHOTO) is None
        for options in (StyleOptions(("a.png",)), StyleOptions(masks=(Path("mask.png"),))):
            with pytest.raises(UserError, match="negative paints in one style, which is part of it: leave"):
                options.resolve(stylizer)

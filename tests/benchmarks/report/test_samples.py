"""`benchmarks.report.samples`: who paints, what, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.report.samples import Combination, Request, paint_samples
from runtime import Stylizer, UserError
from runtime.bundle import MANIFEST_NAME, sha256_of
from runtime.image_files import read_picture, write_picture
from tests.benchmarks.report.records import make_record, subject

MINE = Combination("bundle", "tiny", "onnxruntime", "fp32")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Six photos and two paintings."""
    rng, base = np.random.default_rng(0), tmp_path_factory.mktemp("pictures")
    for kind, count in (("photos", 6), ("paintings", 2)):
        (base / kind).mkdir()
        for number in range(count):
            write_picture(base / kind / f"{kind}{number}.png", rng.integers(0, 256, (48, 64, 3), np.uint8))
    return base / "photos", base / "paintings"


def record_of(tiny: Path, **changes):
    own = replace(subject("tiny"), manifest_sha256=sha256_of(tiny / MANIFEST_NAME), **changes)
    record = make_record(("tiny", "microast"))
    return replace(record, subjects=(own, record.subjects[1]))


def test_the_bundle_that_was_measured_paints(tiny, folders):
    photos, _ = folders
    samples = paint_samples([record_of(tiny)], Request(photos, bundles=(str(tiny),)))
    assert samples.titles == tuple(f"photos{n} in the style warm" for n in (0, 2, 3, 5))
    assert samples.notes == ()
    with Stylizer.load(tiny) as stylizer:
        for number, picture in zip((0, 2, 3, 5), samples.painted[MINE], strict=True):
            assert (picture == stylizer(photos / f"photos{number}.png", "warm")).all()


def test_paintings_take_turns_as_styles(tiny, folders):
    photos, paintings = folders
    samples = paint_samples([record_of(tiny)], Request(photos, paintings, (str(tiny),)))
    assert [title.split()[-1] for title in samples.titles] == ["paintings0", "paintings1"] * 2
    with Stylizer.load(tiny) as stylizer:
        expected = stylizer(photos / "photos2.png", read_picture(paintings / "paintings1.png").rgb)
    assert (samples.painted[MINE][1] == expected).all()


def test_another_version_of_the_bundle_is_told(tiny, folders):
    record = record_of(tiny)
    record = replace(record, subjects=(replace(record.subjects[0], manifest_sha256="1" * 64), record.subjects[1]))
    samples = paint_samples([record], Request(folders[0], bundles=(str(tiny),)))
    assert MINE in samples.painted
    assert "painted by another version of this bundle than was measured" in samples.notes[0]


def test_a_precision_that_it_does_not_hold_is_a_note(tiny, folders):
    samples = paint_samples([record_of(tiny, precision="int8")], Request(folders[0], bundles=(str(tiny),)))
    assert samples.painted == {}
    assert samples.notes[0].startswith("tiny int8 in onnxruntime painted nothing: ")


def test_a_name_in_a_record_is_never_taken_for_a_path(tiny, folders):
    samples = paint_samples([make_record((str(tiny),))], Request(folders[0]))
    assert samples.painted == {}
    assert samples.notes == (f"{tiny} fp32 in onnxruntime painted nothing: name its directory with --bundle",)


def test_peers_without_weights_or_paintings_are_notes(tiny, folders, tmp_path):
    photos, paintings = folders
    record = record_of(tiny)
    asked = Request(photos, paintings, (str(tiny),), tmp_path)
    assert paint_samples([record], asked).notes == (
        "microast fp32 in onnxruntime painted nothing: its weights are not there",
    )
    with pytest.raises(UserError, match="--peer-weights: .*absent is not a folder"):
        paint_samples([record], replace(asked, peer_weights=tmp_path / "absent"))


def test_real_peers_paint(shared_data, folders, tiny):
    pytest.importorskip("torch")
    photos, paintings = folders
    asked = Request(photos, paintings, (str(tiny),), shared_data / "weights" / "microast")
    painted = paint_samples([record_of(tiny)], asked).painted
    (peer,) = set(painted) - {MINE}
    assert peer.name == "microast"
    assert painted[peer][0].shape == (48, 64, 3)
    assert painted[peer][0].std() > 10


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (Request(styles=Path("x")), "--pictures DIR"),
        (Request(bundles=("adain-w025",)), "--pictures DIR"),
        (Request(Path("x"), peer_weights=Path("x")), "--styles DIR"),
        (Request(Path("absent")), "there is no folder absent"),
    ],
)
def test_options_that_do_not_go_together(request_, complaint):
    with pytest.raises(UserError, match=complaint):
        paint_samples([make_record()], request_)


def test_an_empty_folder_of_photos(tmp_path):
    with pytest.raises(UserError, match="holds no pictures"):
        paint_samples([make_record()], Request(tmp_path))


def test_without_photos_nothing_is_painted():
    assert paint_samples([make_record()], Request()).painted == {}

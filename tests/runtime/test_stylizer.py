"""`runtime.stylizer`: whole pictures, against numpy."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime import Picture, StyleCode, Stylizer, UserError, framing, shipped_models, write_picture
from runtime.affine import affine_of, split_sites
from runtime.bundle import BundleError, Graph, Manifest, StudentInfo, TensorSpec, digest_of, open_bundle
from tests.tiny_bundle import make_tiny_bundle, refresh_manifest, tiny_measure, tiny_paint, tiny_style


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def stylizer(tiny: Path) -> Stylizer:
    return Stylizer.load(tiny, threads=1, margin=0, margin_mode="edge")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def expected(content: np.ndarray, code: np.ndarray, strength: float) -> np.ndarray:
    """The whole of the stylizer in numpy, for the tiny bundle."""
    stats = tiny_measure(framing.to_tensor(framing.thumbnail(content, 256, 4)))
    affine = split_sites(*affine_of(code, stats, strength), [3, 1])
    height, width = content.shape[:2]
    padded = np.pad(content, [(0, -height % 4), (0, -width % 4), (0, 0)], mode="edge")
    painted = tiny_paint(framing.to_tensor(padded), affine)[0, :, :height, :width]
    return np.floor(np.clip(painted, 0, 1) * 255 + 0.5).transpose(1, 2, 0)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
@settings(max_examples=60)
def test_a_picture_of_any_size_is_what_numpy_says(stylizer: Stylizer, height: int, width: int, strength: float):
    content, code = noise(height, width), stylizer.style("warm")
    out = stylizer(content, code, strength)
    assert out.shape == content.shape and out.dtype == np.uint8
    # Half a level may round either way.
    assert np.abs(out - expected(content, code.values, strength)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 1), (5, 3), (1, 400), (300, 500)])
def test_strength_0_gives_the_students_own_picture(stylizer: Stylizer, size: tuple[int, int]):
    content = noise(*size)
    assert (stylizer(content, "warm", 0) == content).all()


def test_strength_1_gives_the_statistics_of_the_style(stylizer: Stylizer):
    content = noise(64, 64)
    code = StyleCode(np.array([[0.6, 0.5, 0.4, 0], [0.1, 0.05, 0.08, 1]]), "tiny")
    half = stylizer(content, code, 1).reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(half.mean(axis=(0, 1)), code.values[0, :3], atol=0.02)


def test_style_of_a_picture_is_what_numpy_says(stylizer: Stylizer, tmp_path: Path):
    painting = noise(256, 264, 1)
    code = stylizer.style(painting)
    np.testing.assert_allclose(code.values, tiny_style(framing.to_tensor(painting)), atol=1e-6)
    assert code.student == "tiny"
    write_picture(tmp_path / "night.png", painting)
    for same in (tmp_path / "night.png", str(tmp_path / "night.png"), Image.fromarray(painting), Picture(painting)):
        assert (stylizer.style(same).values == code.values).all()
    assert stylizer.style(tmp_path / "night.png").name == "night"


def test_transparent_parts_of_a_style_are_white(stylizer: Stylizer):
    painting = np.dstack([noise(256, 256), np.zeros((256, 256), np.uint8)])
    white = np.full((256, 256, 3), 255, np.uint8)
    assert (stylizer.style(painting).values == stylizer.style(white).values).all()


def test_a_saved_code_is_a_style(stylizer: Stylizer, tmp_path: Path):
    code = stylizer.style(noise(300, 300, 2))
    code.save(tmp_path / "mine.json")
    assert (stylizer(noise(9, 9), tmp_path / "mine.json") == stylizer(noise(9, 9), code)).all()


def test_a_mixture_of_codes_is_a_style(stylizer: Stylizer):
    warm, other = stylizer.style("warm"), stylizer.style(noise(256, 256, 3))
    content = noise(8, 8)
    mixed = StyleCode.mix([warm, other], [1, 1])
    assert np.abs(stylizer(content, mixed) - expected(content, (warm.values + other.values) / 2, 1)).max() <= 1


def test_lower_pieces_make_the_whole(stylizer: Stylizer):
    content, code = noise(10, 13), stylizer.style("warm")
    affine = stylizer.affine(content, code, 0.5)
    assert [(a.shape, b.shape) for a, b in affine] == [((1, 3, 1, 1),) * 2, ((1, 1, 1, 1),) * 2]
    assert (stylizer.paint(content, affine) == stylizer(content, code, 0.5)).all()
    np.testing.assert_allclose(stylizer.measure(content)[:, 3], [0, 1])  # not measured


def test_scale_and_shift_may_be_maps(stylizer: Stylizer):
    content = noise(8, 16)
    left, right = (stylizer.affine(content, stylizer.style(style), 1) for style in ("warm", noise(256, 256, 4)))
    maps = []
    for stride, one, other in zip((2, 4), left, right, strict=True):
        in_left = np.arange(16 // stride) < 8 // stride
        full = (1, 1, 8 // stride, 1)
        maps.append(tuple(np.where(in_left, a, b) * np.ones(full, np.float32) for a, b in zip(one, other, strict=True)))
    out = stylizer.paint(content, maps)
    assert (out[:, :8] == stylizer.paint(content, left)[:, :8]).all()
    assert (out[:, 8:] == stylizer.paint(content, right)[:, 8:]).all()


def test_contents_of_every_kind(stylizer: Stylizer, tmp_path: Path):
    content = noise(6, 5)
    write_picture(tmp_path / "x.png", content)
    out = stylizer(content, "warm")
    for same in (tmp_path / "x.png", str(tmp_path / "x.png"), Image.fromarray(content), Picture(content)):
        assert (stylizer(same, "warm") == out).all()
    grey = content[:, :, 0]
    assert (stylizer(grey, "warm", 0) == grey[:, :, None]).all()


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 2), np.uint8), None, 3]
)
def test_things_that_are_no_picture(stylizer: Stylizer, bad: Any):
    with pytest.raises(TypeError, match="picture"):
        stylizer(bad, "warm")


def test_alpha_is_carried_through(stylizer: Stylizer):
    content, alpha = noise(6, 5), noise(6, 5, 1)[:, :, 0]
    picture = stylizer.stylize(np.dstack([content, alpha]), "warm")
    assert (picture.alpha == alpha).all()
    assert (picture.rgb == stylizer(content, "warm")).all()
    assert stylizer.stylize(content, "warm").alpha is None


@pytest.mark.parametrize("mode", ["edge", "reflect"])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (32, 16)])
def test_a_margin_changes_nothing_where_the_painter_is_local(tiny: Path, stylizer: Stylizer, mode: str, size):
    content = noise(*size)
    with Stylizer.load(tiny, margin=6, margin_mode=mode) as wide:
        out = wide(content, "warm")
    inside = [side // 4 * 4 for side in size]  # blocks at the far sides see the padding
    assert out.shape == content.shape
    assert (out[: inside[0], : inside[1]] == stylizer(content, "warm")[: inside[0], : inside[1]]).all()


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([24, 32, 52]), st.sampled_from([0, 16]))
@settings(max_examples=40)
def test_tiles_meet_without_seams_at_any_size(tiny: Path, height: int, width: int, tile: int, margin: int):
    content, told = noise(height, width), []
    with Stylizer.load(tiny, threads=1, margin=margin) as whole, Stylizer.load(tiny, tile=tile, margin=margin) as tiled:
        out = tiled(content, "warm", progress=lambda done, count: told.append((done, count)))
        assert (out == whole(content, "warm")).all()
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]
    assert len(told) > 1 or max(height, width) + 2 * margin <= tile


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_outside_its_range(stylizer: Stylizer, strength: float):
    with pytest.raises(UserError, match="strength must be from 0 to 1"):
        stylizer(noise(4, 4), "warm", strength)
    with pytest.raises(UserError, match="strength must be from 0 to 1"):
        stylizer.affine(noise(4, 4), stylizer.style("warm"), strength)


def test_styles_that_are_not_there(stylizer: Stylizer, tmp_path: Path):
    with pytest.raises(UserError, match="no style of that name in the bundle: it holds warm"):
        stylizer.style("cold")
    for missing in ("cold.jpg", tmp_path / "cold", str(tmp_path / "cold.png")):
        with pytest.raises(UserError, match="there is no file"):
            stylizer.style(missing)
    with pytest.raises(UserError, match="cold.json is missing"):
        stylizer.style("cold.json")


@pytest.mark.parametrize("code", [StyleCode(np.ones((2, 4)), "other"), StyleCode(np.ones((2, 5)), "tiny")])
def test_codes_of_another_student(stylizer: Stylizer, code: StyleCode, tmp_path: Path):
    with pytest.raises(UserError, match="not for 'tiny'"):
        stylizer(noise(4, 4), code)
    code.save(tmp_path / "code.json")
    with pytest.raises(UserError, match="not for 'tiny'"):
        stylizer.style(tmp_path / "code.json")


def test_models_that_are_not_there(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("runtime.shipped.SHIPPED", tmp_path)
    assert shipped_models() == []
    with pytest.raises(UserError, match="no bundle or shipped student 'adain': 'brushlet stylize --list-models'"):
        Stylizer.load("adain")
    make_tiny_bundle(tmp_path / "adain-w025")
    assert shipped_models() == ["adain-w025"]
    with pytest.raises(UserError, match="'adain-w25': did you mean 'adain-w025'"):
        Stylizer.load("adain-w25")
    with Stylizer.load("adain-w025") as stylizer:
        assert stylizer(noise(4, 4), "warm").shape == (4, 4, 3)
    with pytest.raises(UserError):
        Stylizer.load("nul\0")


def test_options_that_make_no_sense(tiny: Path):
    with pytest.raises(UserError, match="did you mean 'onnxruntime'"):
        Stylizer.load(tiny, engine="onnx-runtime")
    with pytest.raises(UserError, match="margin must be"):
        Stylizer.load(tiny, margin=-1)
    with pytest.raises(UserError, match="margin_mode must be"):
        Stylizer.load(tiny, margin_mode="wrap")


def test_engines_are_loaded_when_needed_and_once(tiny: Path):
    with Stylizer.load(tiny) as stylizer:
        stylizer.style("warm")
        assert stylizer._engines._open == {}
        assert stylizer.engine("paint") is stylizer.engine("paint")
        with pytest.raises(BundleError, match="holds no sketch graph"):
            stylizer.engine("sketch")
    with pytest.raises(ValueError, match="closed"):
        stylizer(noise(4, 4), "warm")


def test_several_threads_share_a_stylizer(tiny: Path):
    with Stylizer.load(tiny, threads=1) as stylizer, ThreadPoolExecutor(4) as pool:
        contents = [noise(16 + n, 20, n) for n in range(12)]
        outs = list(pool.map(lambda content: stylizer(content, "warm"), contents))
        for content, out in zip(contents, outs, strict=True):
            assert (out == stylizer(content, "warm")).all()


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([0, 3, 16]), st.sampled_from(["edge", "reflect"]))
@settings(max_examples=40, deadline=None)
def test_pictures_are_those_of_one_step_after_the_other(tiny: Path, height: int, width: int, margin: int, mode: str):
    """Bit by bit, with one thread and with several: the picture padded, painted and rounded in plain numpy."""
    content = noise(height, width)
    painted = []
    for threads in (1, 2):
        with Stylizer.load(tiny, threads=threads, margin=margin, margin_mode=mode) as stylizer:
            painted.append(stylizer(content, "warm"))
            affine = stylizer.affine(content, stylizer.style("warm"))
            padded, (rows, columns) = framing.pad(content, 4, margin, mode)
            feeds = {f"{name}_{i}": a[k] for i, a in enumerate(affine) for k, name in enumerate(("scale", "shift"))}
            plain = stylizer.engine("paint").run({"content": framing.to_tensor(padded), **feeds})["picture"]
            levels = np.clip(plain[0, :, rows, columns] * np.float32(255) + np.float32(0.5), 0, 255)
            assert np.array_equal(painted[-1], levels.astype(np.uint8).transpose(1, 2, 0))
            assert np.array_equal(stylizer.paint(content, affine), painted[-1])
    assert np.array_equal(*painted)


def test_several_threads_share_a_stylizer_of_several_threads(tiny: Path):
    contents = [noise(40 + n, 33, n) for n in range(16)]
    with Stylizer.load(tiny, threads=1) as plain:
        wanted = [plain(content, "warm") for content in contents]
    with Stylizer.load(tiny, threads=2) as stylizer, ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            painted = list(pool.map(lambda content: stylizer(content, "warm"), contents))
            assert all(np.array_equal(one, other) for one, other in zip(painted, wanted, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_what_goes_wrong_in_the_second_thread_is_raised_in_the_first(
    tiny: Path, threads: int, monkeypatch: pytest.MonkeyPatch
):
    def fail(*arguments: object) -> None:
        raise MemoryError("no room for the frame")

    with Stylizer.load(tiny, threads=threads) as stylizer:
        wanted = stylizer(noise(9, 9), "warm")
        with monkeypatch.context() as changed:
            changed.setattr(framing, "framed_tensor", fail)
            with pytest.raises(MemoryError, match="no room for the frame"):
                stylizer(noise(9, 9), "warm")
        assert np.array_equal(stylizer(noise(9, 9), "warm"), wanted)


def test_a_failure_in_the_first_thread_leaves_the_second_usable(tiny: Path):
    with Stylizer.load(tiny, threads=2) as stylizer:
        for _ in range(3):
            with pytest.raises(UserError, match="cold"):
                stylizer(noise(9, 9), "cold.jpg")
        assert stylizer(noise(9, 9), "warm").shape == (9, 9, 3)


def test_closing_an_idle_stylizer_ends_its_thread(tiny: Path):
    before = set(threading.enumerate())
    stylizer = Stylizer.load(tiny, threads=2)
    stylizer(noise(9, 9), "warm")
    stylizer.close()
    stylizer.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ValueError, match="closed"):
        stylizer(noise(9, 9), "warm")


def test_a_painting_that_has_begun_is_refused_once_the_stylizer_is_closed(tiny: Path):
    stylizer = Stylizer.load(tiny, threads=2)
    content = noise(9, 9)
    affine = stylizer.affine(content, stylizer.style("warm"))
    paint = stylizer.begin(content)
    assert np.array_equal(paint(affine), stylizer.paint(content, affine))
    paint = stylizer.begin(content)
    stylizer.close()
    with pytest.raises(ValueError, match="closed"):
        paint(affine)


def change(bundle: Path, **student: object) -> None:
    path = bundle / "manifest.json"
    data = json.loads(path.read_text())
    data["student"].update(student)
    path.write_text(json.dumps(data))


def test_a_manifest_that_does_not_fit_its_graphs(tmp_path: Path):
    bundle = make_tiny_bundle(tmp_path / "tiny")
    change(bundle, size_multiple=3)
    with Stylizer.load(bundle) as stylizer, pytest.raises(UserError):
        stylizer(noise(5, 5), "warm")
    change(bundle, size_multiple=4, sites=[{"name": "half", "channels": 3, "stride": 2, "measured": True}])
    with Stylizer.load(bundle) as stylizer, pytest.raises(BundleError, match="should give 'code' .* but gives shape"):
        stylizer(noise(5, 5), noise(5, 5))
    with Stylizer.load(bundle) as stylizer, pytest.raises(UserError, match="not for 'tiny'"):
        stylizer(noise(5, 5), "warm")


def test_graphs_in_each_others_place(tmp_path: Path):
    bundle = make_tiny_bundle(tmp_path / "tiny")
    (bundle / "measure.onnx").write_bytes((bundle / "style.onnx").read_bytes())
    refresh_manifest(bundle)
    with Stylizer.load(bundle) as stylizer, pytest.raises(UserError, match="measure.onnx"):
        stylizer(noise(5, 5), "warm")


@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_that_are_not_finite_are_not_painted(tmp_path: Path, threads: int):
    bundle = make_tiny_bundle(tmp_path / "tiny")
    with (
        Stylizer.load(bundle, threads=threads) as stylizer,
        pytest.raises(BundleError, match="paint graph of tiny gave .* not finite"),
    ):
        affine = stylizer.affine(noise(4, 4), stylizer.style("warm"))
        stylizer.paint(noise(4, 4), [(np.full_like(affine[0][0], np.inf), affine[0][1]), affine[1]])


@pytest.mark.parametrize(("role", "output"), [("measure", "stats"), ("style", "code")])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_statistics_that_are_not_finite_are_refused(
    tiny: Path, role: str, output: str, number: float, monkeypatch: pytest.MonkeyPatch
):
    given = np.ones((1, 2, 4), np.float32)
    given[0, 1, 2] = number
    with Stylizer.load(tiny) as stylizer:
        monkeypatch.setattr(stylizer.engine(role), "run", lambda feeds: {output: given})
        with pytest.raises(BundleError, match=f"{role} graph of tiny gave numbers that are not finite"):
            stylizer(noise(4, 4), noise(8, 8))


@given(st.data())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_student_in_the_manifest_paints_or_is_refused_in_one_line(tiny: Path, tmp_path: Path, data: st.DataObject):
    bundle = tmp_path / "bundle"
    if not bundle.exists():
        make_tiny_bundle(bundle)
    original = (bundle / "manifest.json").read_text()
    site = st.fixed_dictionaries(
        {"name": st.just("s"), "channels": st.integers(0, 9), "stride": st.integers(0, 9), "measured": st.booleans()}
    )
    values = {
        "size_multiple": st.integers(0, 65),
        "thumbnail": st.integers(0, 5000),
        "halo": st.integers(-1, 5000),
        "sites": st.lists(site, max_size=4),
    }
    key = data.draw(st.sampled_from(sorted(values)))
    change(bundle, **{key: data.draw(values[key])})
    try:
        with Stylizer.load(bundle, threads=1) as stylizer:
            assert stylizer(noise(5, 6), noise(7, 7)).shape == (5, 6, 3)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    finally:
        (bundle / "manifest.json").write_text(original)


def test_the_shipped_student_paints_borders_like_the_inside():
    """A crop's border, framed by the default margin, is close to the same pixels inside a larger picture."""
    content = np.asarray(Image.fromarray(noise(12, 12, 3)).resize((192, 192), Image.Resampling.BICUBIC))
    mirrored = np.pad(content, [(96, 96), (96, 96), (0, 0)], mode="reflect")
    errors = {}
    for margin in (0, 16):
        with Stylizer.load("adain-w025", margin=margin, threads=1) as stylizer:
            code = stylizer.style("sunflowers")
            affine = stylizer.affine(content, code, 1.0)
            alone = stylizer.paint(content, affine)
            inside = stylizer.paint(mirrored, affine)[96:-96, 96:-96]
        apart = np.abs(alone.astype(int) - inside)
        apart[8:-8, 8:-8] = 0
        errors[margin] = apart.sum() / (192**2 - 176**2) / 3
    assert errors[16] < 0.35 * errors[0]
    assert errors[16] < 6  # levels of 255


def fixed_style_bundle(directory: Path) -> Path:
    """A bundle whose student has one style folded in: the picture's colours, inverted."""
    content, picture = (TensorSpec(name, (1, 3, "H", "W")) for name in ("content", "picture"))
    infos = [
        onnx.helper.make_tensor_value_info(spec.name, onnx.TensorProto.FLOAT, spec.shape) for spec in (content, picture)
    ]
    one = onnx.numpy_helper.from_array(np.array(1, np.float32), "one")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Sub", ["one", "content"], ["picture"])], "paint", infos[:1], infos[1:], [one]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    directory.mkdir()
    path = directory / "paint.onnx"
    path.write_bytes(model.SerializeToString())
    entry = Graph("paint", "fp32", "onnx", path.name, *digest_of(path), (content,), (picture,))
    student = StudentInfo("frozen", 0.25, 4, 4, 256, {"paint": 1}, ())
    Manifest("negative", student, (entry,)).write(directory)
    return directory


def test_a_student_with_one_style_folded_in(tmp_path: Path):
    photo = np.random.default_rng(0).integers(0, 256, (13, 21, 3), np.uint8)
    with Stylizer.load(fixed_style_bundle(tmp_path / "negative")) as stylizer:
        np.testing.assert_array_equal(stylizer(photo), 255 - photo)
        with pytest.raises(UserError, match="negative paints in one style, which is part of it"):
            stylizer(photo, "warm")
        with pytest.raises(UserError, match="negative paints in one style"):
            stylizer(photo, strength=0.5)


def test_a_style_has_to_be_named_where_there_is_a_choice(tiny: Path):
    with Stylizer.load(tiny) as stylizer, pytest.raises(UserError, match="name a style"):
        stylizer(np.zeros((8, 8, 3), np.uint8))


def test_the_precision_chooses_the_painter_and_what_else_there_is(tmp_path: Path):
    """An int8 painter beside style and measure graphs that are there as fp32 only."""
    directory = make_tiny_bundle(tmp_path / "tiny")
    manifest = open_bundle(directory).manifest
    paint = next(graph for graph in manifest.graphs if graph.role == "paint")
    shutil.copy(directory / "paint.onnx", directory / "paint.int8.onnx")
    other = replace(paint, precision="int8", file="paint.int8.onnx")
    replace(manifest, graphs=(*manifest.graphs, other)).write(directory)
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    with Stylizer.load(directory) as plain, Stylizer.load(directory, precision="int8") as quantised:
        np.testing.assert_array_equal(plain(photo, "warm"), quantised(photo, "warm"))
    with pytest.raises(BundleError, match="holds no paint graph as fp16 onnx"):
        Stylizer.load(directory, precision="fp16")

"""SPADE's networks: against the official layout, keys and shapes, and which files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill import weights
from distill.teachers import load_teacher
from distill.teachers.spade.generator import Shape, SpadeGenerator
from distill.teachers.spade.layout import LABELS_FILE, folded
from distill.teachers.spade.semantics import edges_of, numbers_of, one_hot, semantics_of
from runtime.errors import UserError
from runtime.label_maps import Palette
from tests.distill.teachers.spade import official

PALETTE = Palette.of_number(5)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)


def written(path: Path, shapes: dict, seed: int = 0) -> official.State:
    state = official.fill(shapes, seed)
    torch.save(state, path)
    return state


def label_map(height: int, width: int, count: int = 2, labels: int = 5) -> torch.Tensor:
    """Numbers (count, height, width) in blocks of eight pixels."""
    rng = torch.Generator().manual_seed(3)
    coarse = torch.randint(labels, (count, -(-height // 8), -(-width // 8)), generator=rng)
    return coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :height, :width]


def drawn(numbers: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(PALETTE.draw(numbers.numpy())).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch": False, "spectral": False},
        {"hidden": 12, "most": True},
        {"latent": 6, "cells": 4},
    ],
    ids=lambda o: "-".join(o) or "spectralspadesyncbatch3x3",
)
def test_the_network_is_the_official_one(tmp_path, options):
    """Labels one-hot, statistics of batches or instances, learned skips, a style vector."""
    state = written(tmp_path / "latest_net_G.pth", official.generator_shapes(5, 4, **options))
    numbers = label_map(128, 128) if options.get("most") else label_map(64, 64)
    z = torch.zeros(2, 6) if options.get("latent") else None
    wanted = official.paint(state, one_hot(numbers, 5), z, "most" if options.get("most") else "normal")
    teacher = load_teacher("spade", tmp_path)
    assert teacher.palette == PALETTE and wanted.std() > 0.05
    assert torch.allclose(teacher(drawn(numbers)), (wanted + 1) / 2, atol=1e-5)
    assert torch.allclose(teacher.stylize(drawn(numbers), drawn(numbers)), (wanted + 1) / 2, atol=1e-5)


def test_one_doubling_more_and_edges_of_instances_are_told_beside_the_weights(tmp_path):
    """Cityscapes has both; shapes do not tell the first, and the channel of edges looks like a label."""
    state = written(tmp_path / "latest_net_G.pth", official.generator_shapes(6, 2))
    record = {"labels": PALETTE.to_json(), "instances": True, "upsampling": "more"}
    (tmp_path / LABELS_FILE).write_text(json.dumps(record))
    numbers = label_map(64, 128)
    seg = torch.cat([one_hot(numbers, 5), edges_of(numbers)], 1)
    wanted = official.paint(state, seg, upsampling="more")
    assert torch.allclose(load_teacher("spade", tmp_path)(drawn(numbers)), (wanted + 1) / 2, atol=1e-5)
    (tmp_path / LABELS_FILE).write_text(json.dumps({**record, "instances": False}))
    with pytest.raises(UserError, match="takes 6 channels, not 5 labels: mend labels.json"):
        load_teacher("spade", tmp_path)


def test_the_look_of_a_picture_is_the_official_encoders(tmp_path):
    generator = written(tmp_path / "latest_net_G.pth", official.generator_shapes(5, 2, latent=6, cells=4))
    encoder = written(tmp_path / "latest_net_E.pth", official.encoder_shapes(2, 6), seed=1)
    photo = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "evening.png")
    z = official.encode(encoder, torch.from_numpy(photo).permute(2, 0, 1)[None] / 127.5 - 1)
    numbers = label_map(64, 64)
    wanted = official.paint(generator, one_hot(numbers, 5), z.expand(2, -1))
    plain = load_teacher("spade", tmp_path)
    teacher = load_teacher("spade", tmp_path, {"look": str(tmp_path / "evening.png")})
    assert torch.allclose(teacher(drawn(numbers)), (wanted + 1) / 2, atol=1e-4)
    assert (teacher.style_name, plain.style_name) == ("evening", "mean of all styles")
    assert teacher.fingerprint() != plain.fingerprint(), "cached pictures of one look are not another's"


def test_the_official_shapes_of_coco_stuff(tmp_path):
    """182 labels, "don't care" and edges; 64 channels, doubled to 1024: names and shapes as in the released file."""
    with torch.device("meta"):
        net = SpadeGenerator(Shape(184), spectral=True)
    mine = {name: tuple(value.shape) for name, value in net.state_dict().items() if "num_batches" not in name}
    assert mine == official.generator_shapes(184, 64)
    assert mine["up_0.norm_s.mlp_gamma.weight"] == (1024, 128, 3, 3)
    assert mine["up_3.conv_s.weight_orig"] == (64, 128, 1, 1)


def test_a_label_survives_normalisation():
    """What the paper has SPADE for (section 3): maps of one label only give pictures that differ by the label.

    An unmodulated instance normalisation would leave nothing of a constant input.
    """
    torch.manual_seed(0)
    net = SpadeGenerator(Shape(3, base=2, hidden=8, norm="instance")).eval()
    one, other = (one_hot(torch.full((1, 64, 64), label), 3) for label in (0, 1))
    with torch.inference_mode():
        assert (net(one) - net(other)).abs().mean() > 0.01


def test_files_of_before_pytorch_1_hold_one_vector_less():
    """The singular value then comes from one more power iteration."""
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(6, 18), full_matrices=False)
    matrix = left @ torch.diag(torch.tensor([3.0, 1, 0.5, 0.2, 0.1, 0.1])) @ right
    state = {"c.weight_orig": matrix.view(6, 2, 3, 3), "c.weight_u": left[:, 0]}
    assert torch.linalg.matrix_norm(folded(state)["c.weight"].flatten(1), 2).item() == pytest.approx(1, abs=1e-5)


def test_edges_are_where_a_neighbour_differs():
    numbers = label_map(19, 23, 1)
    edge = edges_of(numbers)[0, 0].numpy()
    for row, column in np.ndindex(19, 23):
        around = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        near = [numbers[0, r, c] for r, c in around if 0 <= r < 19 and 0 <= c < 23]
        assert edge[row, column] == any(other != numbers[0, row, column] for other in near)
    both = semantics_of(numbers, 5, torch.zeros_like(numbers))
    assert both.shape == (1, 6, 19, 23) and both[:, 5].sum() == 0 and (both[:, :5].sum(1) == 1).all()


def test_noise_of_colours_is_no_other_label():
    numbers = label_map(16, 16)
    noisy = drawn(numbers) + 0.05 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(numbers_of(noisy, torch.from_numpy(PALETTE.colours) / 255), numbers)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (70, 95)])
def test_maps_of_any_size_keep_it(tmp_path, height, width):
    """With a style vector, too, whose first features are stretched."""
    for options in ({}, {"latent": 6, "cells": 8}):
        written(tmp_path / "latest_net_G.pth", official.generator_shapes(5, 2, **options))
        painted = load_teacher("spade", tmp_path).stylize(drawn(label_map(height, width)))
        assert painted.shape == (2, 3, height, width) and painted.min() >= 0 and painted.max() <= 1


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "latest_net_G.pth"
    state = written(path, official.generator_shapes(5, 2))
    for other in (
        {k: v for k, v in state.items() if "up_1.norm_s" not in k},
        {k: v for k, v in state.items() if "G_middle_0.conv_1" not in k},
        state | {"up_9.weight": torch.zeros(2)},
        state | {"up_1.norm_0.mlp_beta.weight": torch.zeros(8, 5, 3, 3)},
        {"0.weight": torch.zeros(3, 3, 1, 1)},
        official.fill(official.generator_shapes(5, 2, latent=6, cells=7)),
    ):
        torch.save(other, path)
        with pytest.raises(UserError, match=r"latest_net_G.pth: not the network of spade") as caught:
            load_teacher("spade", path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"PK\x03\x04 not much")
    with pytest.raises(UserError, match="latest_net_G.pth is damaged"):
        load_teacher("spade", path)


def test_what_is_said_of_labels_is_checked(tmp_path):
    written(tmp_path / "latest_net_G.pth", official.generator_shapes(5, 2))
    good = {"labels": PALETTE.to_json()}
    for record, said in (
        ({}, "labels"),
        ({"labels": []}, "'labels' names none"),
        ({**good, "upsampling": "least"}, "'upsampling' must be one of normal, more, most"),
        ({**good, "instances": 1}, "'instances' must be true or false"),
        ([], "must be a JSON object"),
    ):
        (tmp_path / LABELS_FILE).write_text(json.dumps(record))
        with pytest.raises(UserError, match=said):
            load_teacher("spade", tmp_path)


def test_a_look_needs_an_encoder(tmp_path):
    written(tmp_path / "latest_net_G.pth", official.generator_shapes(5, 2))
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "look.png")
    with pytest.raises(UserError, match="no style encoder: leave the option look out"):
        load_teacher("spade", tmp_path, {"look": str(tmp_path / "look.png")})

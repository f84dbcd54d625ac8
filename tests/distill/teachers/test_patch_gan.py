"""The discriminator of patches: the official layers, and 70 pixels for each score."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from distill.teachers import patch_gan
from distill.teachers.patch_gan import PatchGan
from runtime.errors import UserError


def official(c: int = 4) -> nn.Sequential:
    """``NLayerDiscriminator`` with three layers, put together from torch's own."""
    layers = [nn.Conv2d(3, c, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inputs, outputs, stride in ((c, 2 * c, 2), (2 * c, 4 * c, 2), (4 * c, 8 * c, 1)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride, 1), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * c, 1, 4, 1, 1))


def named(net: nn.Sequential) -> dict[str, torch.Tensor]:
    return {f"model.{name}": value for name, value in net.state_dict().items()}


def test_it_is_the_official_one(tmp_path):
    torch.manual_seed(0)
    net, picture = official(), torch.rand(2, 3, 64, 48)
    save_file(named(net), tmp_path / "a_net_D.safetensors")
    scores = PatchGan.of_file(tmp_path / "a_net_D.safetensors")(picture)
    assert torch.allclose(scores, net(picture * 2 - 1), atol=1e-5) and scores.shape == (2, 1, 6, 4)


def test_one_to_train_has_the_official_names_and_shapes():
    fresh = PatchGan.initial(4).weights.tensors()
    assert {name: value.shape for name, value in fresh.items()} == {n: v.shape for n, v in named(official()).items()}
    assert all(p.requires_grad for p in PatchGan.initial(4).parameters())
    assert fresh["model.8.weight"].std() == pytest.approx(0.02, rel=0.1), "the authors' start"


def test_a_score_sees_seventy_pixels(monkeypatch):
    monkeypatch.setattr(patch_gan, "instance_norm", lambda x: x)  # statistics of the whole picture would reach further
    picture = torch.rand(1, 3, 160, 160, requires_grad=True)
    scores = PatchGan.initial(4)(picture)
    scores[0, 0, 9, 9].backward()
    seen = picture.grad[0].abs().sum(0) > 0
    assert seen.any(0).sum() == seen.any(1).sum() == 70


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "a_net_D.safetensors"
    for other in (
        {"0.weight": torch.zeros(3, 3, 1, 1)},
        {name: value for name, value in named(official()).items() if "model.5" not in name},
        named(official()) | {"more": torch.zeros(1)},
        {name: value for name, value in named(official()).items() if "model.11" not in name},
    ):
        save_file(other, path)
        with pytest.raises(UserError, match="a_net_D.safetensors: not a PatchGAN discriminator") as caught:
            PatchGan.of_file(path)
        assert "\n" not in str(caught.value)

"""CycleGAN's generator: against the official sequence of layers, plain and separable, and which weights are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from distill import weights
from distill.teachers import load_teacher
from runtime.errors import UserError


class Separable(nn.Module):
    """GAN Compression's convolution: depthwise, normalisation, 1x1."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        depthwise, pointwise = nn.Conv2d(inputs, inputs, 3, groups=inputs), nn.Conv2d(inputs, outputs, 1)
        self.conv = nn.Sequential(depthwise, nn.InstanceNorm2d(inputs), pointwise)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ResnetBlock(nn.Module):
    def __init__(self, channels: int, dropout: bool, separable: bool):
        super().__init__()
        make = Separable if separable else lambda a, b: nn.Conv2d(a, b, 3)
        inner = channels + 2 if separable else channels
        layers = [nn.ReflectionPad2d(1), make(channels, inner), nn.InstanceNorm2d(inner), nn.ReLU()]
        layers += [nn.Dropout(0.5)] if dropout else []
        layers += [nn.ReflectionPad2d(1), make(inner, channels), nn.InstanceNorm2d(channels)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ResnetGenerator(nn.Module):
    """The generator of junyanz/pytorch-CycleGAN-and-pix2pix, put together from torch's own layers."""

    def __init__(self, blocks: int, dropout: bool = False, separable: bool = False, c: int = 4):
        super().__init__()
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, c, 7), nn.InstanceNorm2d(c), nn.ReLU()]
        for inputs in (c, 2 * c):
            layers += [nn.Conv2d(inputs, 2 * inputs, 3, 2, 1), nn.InstanceNorm2d(2 * inputs), nn.ReLU()]
        layers += [ResnetBlock(4 * c, dropout, separable) for _ in range(blocks)]
        for inputs in (4 * c, 2 * c):
            layers += [nn.ConvTranspose2d(inputs, inputs // 2, 3, 2, 1, 1), nn.InstanceNorm2d(inputs // 2), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(c, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)


def reference(path: Path, *shape, **options) -> ResnetGenerator:
    torch.manual_seed(0)
    net = ResnetGenerator(*shape, **options).eval()
    torch.save(net.state_dict(), path)
    return net


@pytest.mark.parametrize(
    "shape", [(6,), (9,), (9, True), (9, True, True), (6, False, True)], ids=lambda s: "-".join(map(str, s))
)
def test_the_network_is_the_official_one(tmp_path, shape):
    """Six or nine blocks, with and without the place that dropout takes, plain and separable."""
    net, content = reference(tmp_path / "horse2zebra_net_G.pth", *shape), torch.rand(2, 3, 32, 40)
    teacher = load_teacher("cyclegan", tmp_path)
    with torch.inference_mode():
        wanted = (net(content * 2 - 1) + 1) / 2
    assert torch.allclose(teacher(content), wanted, atol=1e-5)
    assert (teacher.style_name, teacher.takes_style, teacher.blocks) == ("horse2zebra", False, shape[0])


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (18, 50)])
def test_pictures_of_any_size_keep_it(tmp_path, height, width):
    reference(tmp_path / "a_net_G.pth", 6)
    painted = load_teacher("cyclegan", tmp_path).stylize(torch.rand(2, 3, height, width))
    assert painted.shape == (2, 3, height, width) and painted.min() >= 0 and painted.max() <= 1


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "a_net_G.pth"
    state = reference(path, 6).state_dict()
    for other in (
        {k: v for k, v in state.items() if ".11." not in k},
        {k: v for k, v in state.items() if not k.startswith("model.19")},
        state | {"model.99.weight": torch.zeros(2)},
        state | {"model.4.weight": torch.zeros(8, 5, 3, 3)},
        {"0.weight": torch.zeros(3, 3, 1, 1)},
    ):
        torch.save(other, path)
        with pytest.raises(UserError, match="a_net_G.pth: not the network of cyclegan") as caught:
            load_teacher("cyclegan", path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"PK\x03\x04 not much")
    with pytest.raises(UserError, match="a_net_G.pth is damaged"):
        load_teacher("cyclegan", path)


def test_a_real_generator_draws_stripes(shared_data):
    """Colours go and contrast between neighbours comes: what zebras are made of."""
    teacher = load_teacher("cyclegan", shared_data / "weights" / "cyclegan")
    assert teacher.blocks == 9 and "horse2zebra_compressed_net_G.pth" in teacher.description
    torch.manual_seed(0)
    brown = torch.tensor([0.55, 0.35, 0.2])[:, None, None] + 0.02 * torch.randn(1, 3, 128, 128)
    painted = teacher.stylize(brown)
    assert painted.mean(1).std() > 3 * brown.mean(1).std()
    assert (painted.amax(1) - painted.amin(1)).mean() < 0.6 * (brown.amax(1) - brown.amin(1)).mean()

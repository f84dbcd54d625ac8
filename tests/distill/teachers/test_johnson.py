"""Johnson's networks: against the layers of pytorch/examples, TensorFlow's padding, and which weights are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill import weights
from distill.teachers import johnson_tensorflow, load_teacher
from runtime.errors import UserError
from tests.benchmarks.peers import tiny_weights


class ConvLayer(nn.Module):
    """As in pytorch/examples: reflection padding and a convolution, perhaps after nearest upsampling."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, upsample: int = 1):
        super().__init__()
        self.upsample, self.pad = upsample, nn.ReflectionPad2d(kernel // 2)
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.interpolate(x, scale_factor=self.upsample, mode="nearest") if self.upsample > 1 else x
        return self.conv2d(self.pad(x))


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.conv2 = ConvLayer(channels, channels, 3), ConvLayer(channels, channels, 3)
        self.in1, self.in2 = (nn.InstanceNorm2d(channels, affine=True) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.in2(self.conv2(F.relu(self.in1(self.conv1(x))))) + x


class TransformerNet(nn.Module):
    """The network of pytorch/examples of any base width, put together from torch's own layers."""

    def __init__(self, c: int):
        super().__init__()
        self.conv1, self.in1 = ConvLayer(3, c, 9), nn.InstanceNorm2d(c, affine=True)
        self.conv2, self.in2 = ConvLayer(c, 2 * c, 3, 2), nn.InstanceNorm2d(2 * c, affine=True)
        self.conv3, self.in3 = ConvLayer(2 * c, 4 * c, 3, 2), nn.InstanceNorm2d(4 * c, affine=True)
        for number in range(1, 6):
            self.add_module(f"res{number}", Residual(4 * c))
        self.deconv1, self.in4 = ConvLayer(4 * c, 2 * c, 3, upsample=2), nn.InstanceNorm2d(2 * c, affine=True)
        self.deconv2, self.in5 = ConvLayer(2 * c, c, 3, upsample=2), nn.InstanceNorm2d(c, affine=True)
        self.deconv3 = ConvLayer(c, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        for number in (1, 2, 3):
            x = F.relu(getattr(self, f"in{number}")(getattr(self, f"conv{number}")(x)))
        for number in range(1, 6):
            x = getattr(self, f"res{number}")(x)
        x = F.relu(self.in4(self.deconv1(x)))
        return self.deconv3(F.relu(self.in5(self.deconv2(x))))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)


def saved(path: Path, channels: int = 4) -> Path:
    torch.save(tiny_weights.random_weights(tiny_weights.johnson(channels)), path)
    return path


@pytest.mark.parametrize("channels", [4, 6])
def test_the_network_is_that_of_pytorch_examples(tmp_path, channels):
    path, content = saved(tmp_path / "candy_nc.model", channels), torch.rand(2, 3, 48, 40)
    reference = TransformerNet(channels)
    reference.load_state_dict(torch.load(path, weights_only=True))
    teacher = load_teacher("johnson", path)
    with torch.inference_mode():
        wanted = reference(content * 255) / 255
    assert torch.allclose(teacher(content), wanted, atol=1e-4 * wanted.abs().max())
    assert teacher.style_name == "candy" and not teacher.takes_style
    assert "candy_nc.model" in teacher.description


def test_averages_of_old_files_are_passed_over(tmp_path):
    """Files of the first PyTorch versions hold running means, which instance normalisation does not use."""
    path, content = saved(tmp_path / "candy.pth"), torch.rand(1, 3, 32, 32)
    plain = load_teacher("johnson", path)
    state = torch.load(path, weights_only=True)
    torch.save(state | {"in1.running_mean": torch.ones(4), "in1.running_var": torch.ones(4)}, path)
    assert torch.equal(load_teacher("johnson", path)(content), plain(content))


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's rule: the output is ceil(size / stride), and the odd pixel goes behind."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@pytest.mark.parametrize(("kernel", "stride"), [(9, 1), (3, 1), (3, 2)])
def test_padding_is_tensorflows(kernel, stride):
    torch.manual_seed(0)
    x, weight = torch.randn(1, 2, 12, 16), torch.randn(3, 2, kernel, kernel)
    pads = [p for size in (16, 12) for p in same_padding(size, kernel, stride)]
    wanted = F.conv2d(F.pad(x, pads), weight, stride=stride)
    assert torch.equal(johnson_tensorflow._same(x, weight, stride), wanted)


def test_a_transposed_convolution_is_the_adjoint_of_the_one_that_halves():
    """<conv(x), y> = <x, transposed(y)>: what TensorFlow's conv2d_transpose is by definition."""
    torch.manual_seed(0)
    x, y = torch.randn(1, 2, 12, 16), torch.randn(1, 3, 6, 8)
    kernel = torch.randn(3, 2, 3, 3)
    there, back = johnson_tensorflow._same(x, kernel, 2), johnson_tensorflow._transposed(y, kernel)
    assert back.shape == x.shape
    assert (there * y).sum().item() == pytest.approx((x * back).sum().item(), rel=1e-4)


def tensorflow_file(path: Path, change: Sequence[int] = ()) -> Path:
    arrays = tiny_weights.johnson_tensorflow(4)
    for number in change:
        arrays[f"Variable_{number}"] = arrays[f"Variable_{number}"] + 1
    np.savez(path, **arrays)
    return path


def reference_tensorflow(arrays: dict[str, np.ndarray], picture: Tensor) -> Tensor:
    """lengstrom/fast-style-transfer's transform.py, line by line, on TensorFlow's own variables and rules."""
    variables = [torch.from_numpy(arrays[f"Variable_{n}" if n else "Variable"].astype(np.float32)) for n in range(48)]
    layers = iter(zip(variables[::3], variables[1::3], variables[2::3], strict=True))

    def norm(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return scale[:, None, None] * (x - mean) / (variance + 1e-3).sqrt() + shift[:, None, None]

    def conv(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
        pads = [p for size in (x.shape[3], x.shape[2]) for p in same_padding(size, kernel.shape[0], stride)]
        return F.conv2d(F.pad(x, pads), kernel.permute(3, 2, 0, 1), stride=stride)

    def conv_layer(x: Tensor, stride: int, relu: bool = True) -> Tensor:
        kernel, *others = next(layers)
        x = norm(conv(x, kernel, stride), *others)
        return F.relu(x) if relu else x

    def conv_tranpose_layer(x: Tensor) -> Tensor:  # the gradient of a convolution, as TensorFlow defines it
        kernel, *others = next(layers)
        large = torch.zeros(x.shape[0], kernel.shape[2], 2 * x.shape[2], 2 * x.shape[3], requires_grad=True)
        (large_of_x,) = torch.autograd.grad(conv(large, kernel, 2), large, x)
        return F.relu(norm(large_of_x, *others))

    x = conv_layer(conv_layer(conv_layer(picture, 1), 2), 2)
    for _ in range(5):
        x = x + conv_layer(conv_layer(x, 1), 1, relu=False)
    x = conv_tranpose_layer(conv_tranpose_layer(x))
    return torch.tanh(conv_layer(x, 1, relu=False)) * 150 + 255 / 2


def test_the_network_is_that_of_tensorflow(tmp_path):
    teacher = load_teacher("johnson", tensorflow_file(tmp_path / "full_wave.npz"))
    # Hardly any contrast, so that the normalisation's epsilon counts.
    content = 0.5 + 1e-3 * torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    wanted = reference_tensorflow(tiny_weights.johnson_tensorflow(4), content * 255) / 255
    assert (teacher(content) - wanted).abs().max() < 1e-3 * wanted.std()


def test_the_last_layer_in_tensorflow_is_its_formula(tmp_path):
    """Zero scale and a shift of s in the last convolution: tanh(s) * 150 + 127.5 everywhere, of 255."""
    arrays = tiny_weights.johnson_tensorflow(4)
    arrays["Variable_46"], arrays["Variable_47"] = np.array([0.0, 0.5, -2.0]), np.zeros(3)
    np.savez(tmp_path / "full_wave.npz", **arrays)
    teacher = load_teacher("johnson", tmp_path / "full_wave.npz")
    painted = teacher(torch.rand(1, 3, 32, 32))
    wanted = (np.tanh([0.0, 0.5, -2.0]) * 150 + 127.5) / 255
    assert np.allclose(painted[0, :, 5, 7], wanted, atol=1e-6) and painted.std((2, 3)).max() < 1e-6
    assert teacher.style_name == "wave"


@pytest.mark.parametrize("number", range(1, 48))
def test_every_variable_of_tensorflow_counts(tmp_path, number):
    content = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    plain = load_teacher("johnson", tensorflow_file(tmp_path / "full_a.npz"))
    changed = load_teacher("johnson", tensorflow_file(tmp_path / "full_b.npz", [number]))
    assert plain.fingerprint() != changed.fingerprint()
    assert (plain(content) - changed(content)).abs().max() > 1e-4


@pytest.mark.parametrize("make", [lambda p: saved(p / "a.model"), lambda p: tensorflow_file(p / "a.npz")])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (18, 50)])
def test_pictures_of_any_size_keep_it(tmp_path, make, height, width):
    teacher = load_teacher("johnson", make(tmp_path))
    painted = teacher.stylize(torch.rand(2, 3, height, width))
    assert painted.shape == (2, 3, height, width) and painted.min() >= 0 and painted.max() <= 1


def test_a_folder_must_hold_one(tmp_path):
    with pytest.raises(UserError, match=r"there is no \*.model and no \*.npz in .*, which johnson needs"):
        load_teacher("johnson", tmp_path)
    saved(tmp_path / "candy.model")
    assert load_teacher("johnson", tmp_path).style_name == "candy"
    tensorflow_file(tmp_path / "full_wave.npz")
    with pytest.raises(UserError, match=r"several weights for johnson \(candy.model, full_wave.npz\): give one of"):
        load_teacher("johnson", tmp_path)
    with pytest.raises(UserError, match="there is no weights file or directory"):
        load_teacher("johnson", tmp_path / "nowhere")


def test_files_of_something_else_are_refused(tmp_path):
    state = tiny_weights.random_weights(tiny_weights.johnson(4))
    wrong = {
        "fewer.model": {k: v for k, v in state.items() if not k.startswith("res3")},
        "more.model": state | {"res6.conv1.conv2d.weight": torch.zeros(1)},
        "chain.model": state | {"conv2.conv2d.weight": torch.zeros(8, 5, 3, 3)},
        "colours.model": state
        | {"deconv3.conv2d.weight": torch.zeros(4, 4, 9, 9), "deconv3.conv2d.bias": torch.zeros(4)},
        "nan.model": state | {"in1.bias": torch.full((4,), float("nan"))},
    }
    for name, other in wrong.items():
        torch.save(other, tmp_path / name)
        with pytest.raises(UserError, match=f"{name}: not the network of johnson") as caught:
            load_teacher("johnson", tmp_path / name)
        assert "\n" not in str(caught.value)
    np.savez(tmp_path / "short.npz", Variable=np.ones(3))
    with pytest.raises(UserError, match="short.npz cannot be read as 16 convolutions"):
        load_teacher("johnson", tmp_path / "short.npz")
    np.savez(tmp_path / "objects.npz", Variable=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="objects.npz cannot be read as 16 convolutions"):
        load_teacher("johnson", tmp_path / "objects.npz")


def test_the_real_weights_load(shared_data):
    files = sorted((shared_data / "weights" / "johnson").iterdir())
    assert [load_teacher("johnson", file).style_name for file in files] == [
        "candy",
        "candy",
        "wave",
        "mosaic",
        "mosaic",
    ]

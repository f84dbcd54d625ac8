"""StyleSwin: the generator against the official layer sequence, and what makes its attention what it is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from distill import weights
from distill.teachers import load_teacher
from distill.teachers.styleswin.attention import AdaptiveInstanceNorm, Block, EqualLinear, WindowAttention
from distill.teachers.styleswin.generator import (
    DEVIATION,
    MEAN,
    Generator,
    LayerShape,
    PixelNorm,
    Shape,
    ToRgb,
    positions,
)
from distill.teachers.styleswin.stylizer import StyleSwinTeacher, read_generator
from runtime.errors import UserError

NARROW = (LayerShape(width, 8, 2, 24) for width in (16, 16, 8, 8))
SMALL = Shape((LayerShape(16, 4, 2, 24), *NARROW), style=12, mapping=3)
#: Ends of names of buffers, which follow from the shapes.
BUFFERS = ("_index", "_mask2", "kernel", "_float_tensor")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)


def official_state(widths: tuple[int, ...] = (32, 24, 16, 16), style: int = 12, mapping: int = 8) -> dict[str, Tensor]:
    """Names and shapes as microsoft/StyleSwin's ``Generator(size, …).state_dict()`` has them, buffers included."""
    shapes: dict[str, tuple[int, ...]] = {"input.input": (1, widths[0], 4, 4)}
    for place in range(1, mapping + 1):
        shapes |= {f"style.{place}.weight": (style, style), f"style.{place}.bias": (style,)}
    for number, width in enumerate(widths):
        side = 4 << number
        window, heads = min(side, 8), max(width // 32, 4) // 2
        for block in (f"layers.{number}.blocks.{i}" for i in range(2)):
            for norm in ("norm1", "norm2"):
                shapes[f"{block}.{norm}.style.weight"] = (2 * width, style)
                shapes[f"{block}.{norm}.style.bias"] = (2 * width,)
            shapes |= {f"{block}.qkv.weight": (3 * width, width), f"{block}.qkv.bias": (3 * width,)}
            shapes |= {f"{block}.proj.weight": (width, width), f"{block}.proj.bias": (width,)}
            for half in range(2):
                shapes[f"{block}.attn.{half}.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads)
                shapes[f"{block}.attn.{half}.relative_position_index"] = (window**2, window**2)
            if side > window:
                shapes[f"{block}.attn_mask2"] = ((side // window) ** 2, window**2, window**2)
            shapes |= {f"{block}.mlp.fc1.weight": (4 * width, width), f"{block}.mlp.fc1.bias": (4 * width,)}
            shapes |= {f"{block}.mlp.fc2.weight": (width, 4 * width), f"{block}.mlp.fc2.bias": (width,)}
        outputs = width
        if number + 1 < len(widths):
            outputs, up = widths[number + 1], f"layers.{number}.upsample"
            shapes |= {f"{up}.norm.weight": (width,), f"{up}.norm.bias": (width,), f"{up}.alpha": (1,)}
            shapes |= {f"{up}.reduction.weight": (outputs, width), f"{up}.sin_pos_embed._float_tensor": (1,)}
            shapes[f"to_rgbs.{number}.upsample.kernel"] = (4, 4)
        shapes |= {f"to_rgbs.{number}.conv.weight": (3, outputs, 1, 1), f"to_rgbs.{number}.conv.bias": (3,)}
        shapes[f"to_rgbs.{number}.bias"] = (1, 3, 1, 1)
    torch.manual_seed(0)
    state = {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}
    return {name: value * 300 if name.startswith("style.") else value for name, value in state.items()}


def test_official_names_and_shapes_load_at_any_width():
    state = official_state()
    generator = Generator.of(state)
    shape = generator.shape
    assert [layer.channels for layer in shape.layers] == [32, 24, 16, 16]
    assert [layer.window for layer in shape.layers] == [4, 8, 8, 8]
    assert {layer.heads for layer in shape.layers} == {2} and (shape.style, shape.mapping) == (12, 8)
    assert {name for name in state if not name.endswith(BUFFERS)} == set(generator.state_dict())
    with torch.inference_mode():
        pictures = generator(torch.randn(2, 12))
    assert pictures.shape == (2, 3, 32, 32) and pictures.isfinite().all()
    assert (pictures[0] - pictures[1]).abs().mean() > 1e-3, "other noise, another picture"


def test_the_paper_s_shape_at_1024():
    """In the official code 512 channels up to 32 px, then half as many at each scale."""
    channels = (512, 512, 512, 512, 256, 128, 64, 32, 16)
    usual = [LayerShape.usual(c, 4 << i) for i, c in enumerate(channels)]
    assert [layer.window for layer in usual] == [4, 8, 8, 8, 8, 8, 8, 8, 8]
    assert [layer.heads for layer in usual] == [8, 8, 8, 8, 4, 2, 2, 2, 2], "channels / 32, 4 at least, halved"


def official_generator(state: dict[str, Tensor], noise: Tensor) -> Tensor:
    """The official forward pass, written out pixel group by pixel group for what is slow and plain."""

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def equal(name: str, x: Tensor, rate: float = 1.0) -> Tensor:
        return F.linear(x, state[f"{name}.weight"] * rate / math.sqrt(x.shape[-1]), state[f"{name}.bias"] * rate)

    def adain(name: str, x: Tensor, style: Tensor) -> Tensor:
        gamma, beta = equal(f"{name}.style", style).unsqueeze(-1).chunk(2, 1)
        return (gamma * F.instance_norm(x.transpose(1, 2)) + beta).transpose(1, 2)

    def attention(name: str, q: Tensor, k: Tensor, v: Tensor, side: int, shift: int) -> Tensor:
        """Each pixel looks at those of its own window that are not across the picture's border."""
        table = state[f"{name}.relative_position_bias_table"]
        window, heads = (math.isqrt(len(table)) + 1) // 2, table.shape[1]
        out, depth = torch.zeros_like(q), q.shape[-1] // heads
        for y in range(side):
            for x in range(side):
                own = ((y - shift) // window, (x - shift) // window)
                near = [
                    (v_, u)
                    for v_ in range(side)
                    for u in range(side)
                    if ((v_ - shift) // window, (u - shift) // window) == own
                ]
                at = torch.tensor([v_ * side + u for v_, u in near])
                rows = torch.tensor([(y - v_ + window - 1) * (2 * window - 1) + x - u + window - 1 for v_, u in near])
                for head in range(heads):
                    part = slice(head * depth, (head + 1) * depth)
                    scores = (q[:, y * side + x, None, part] * k[:, at, part]).sum(-1) / math.sqrt(depth)
                    share = (scores + table[rows, head]).softmax(-1)
                    out[:, y * side + x, part] = (share[..., None] * v[:, at, part]).sum(1)
        return out

    style = noise * torch.rsqrt((noise**2).mean(1, keepdim=True) + 1e-8)
    for place in range(1, 1 + sum(name.startswith("style.") for name in state) // 2):
        style = F.leaky_relu(equal(f"style.{place}", style, 0.01), 0.2) * 2**0.5
    x = state["input.input"].flatten(2).transpose(1, 2).repeat(len(noise), 1, 1)
    picture, number = None, 0
    while f"layers.{number}.blocks.0.qkv.weight" in state:
        side = 4 << number
        for block in (f"layers.{number}.blocks.{i}" for i in range(2)):
            half = x.shape[-1] // 2
            q, k, v = linear(f"{block}.qkv", adain(f"{block}.norm1", x, style)).chunk(3, -1)
            shift = 4 if side > 8 else 0
            parts = [
                attention(f"{block}.attn.0", q[..., :half], k[..., :half], v[..., :half], side, 0),
                attention(f"{block}.attn.1", q[..., half:], k[..., half:], v[..., half:], side, shift),
            ]
            x = x + linear(f"{block}.proj", torch.cat(parts, -1))
            y = F.gelu(linear(f"{block}.mlp.fc1", adain(f"{block}.norm2", x, style)))
            x = x + linear(f"{block}.mlp.fc2", y)
        up = f"layers.{number}.upsample"
        if f"{up}.alpha" in state:
            grid = x.transpose(1, 2).reshape(len(x), -1, side, side)
            x = F.interpolate(grid, scale_factor=2, mode="bilinear").flatten(2).transpose(1, 2)
            x = F.layer_norm(x, x.shape[-1:], state[f"{up}.norm.weight"], state[f"{up}.norm.bias"])
            x = linear(f"{up}.reduction", x)
            side *= 2
            waves = np.exp(np.arange(x.shape[-1] // 4) * -(np.log(10000) / (x.shape[-1] // 4 - 1)))
            code = [np.concatenate([np.sin(p * waves), np.cos(p * waves)]) for p in range(1, side + 1)]
            grid = np.array([[*code[column], *code[row]] for row in range(side) for column in range(side)])
            x = x + state[f"{up}.alpha"] * torch.tensor(grid, dtype=torch.float32)
        rgb = x.transpose(1, 2).reshape(len(x), -1, side, side)
        rgb = F.conv2d(rgb, state[f"to_rgbs.{number}.conv.weight"], state[f"to_rgbs.{number}.conv.bias"])
        rgb = rgb + state[f"to_rgbs.{number}.bias"]
        if picture is not None and picture.shape[-1] < side:
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
            spaced = torch.zeros(*picture.shape[:2], side, side)
            spaced[..., ::2, ::2] = picture
            kernel = (taps[:, None] * taps).expand(3, 1, 4, 4)
            picture = F.conv2d(F.pad(spaced, (2, 1, 2, 1)), kernel, groups=3)
        picture = rgb if picture is None else rgb + picture
        number += 1
    return picture * torch.tensor(DEVIATION)[:, None, None] + torch.tensor(MEAN)[:, None, None]


def test_the_generator_is_the_official_one():
    """Windows, shift, borders of the shifted windows, position bias, positions, mapping network and skips."""
    state, noise = official_state((16, 16, 8)), torch.randn(2, 12)
    with torch.inference_mode():
        assert torch.allclose(Generator.of(state)(noise), official_generator(state, noise), atol=2e-5)


def test_each_half_of_the_heads_sees_its_own_window():
    """What a pixel sees: an 8 x 8 window, and one that is moved by 4 for the second half of the channels."""
    torch.manual_seed(0)
    for shift, rows in ((0, range(8, 16)), (4, range(4, 12))):
        attention = WindowAttention(8, 1)
        q, k, v = (torch.randn(1, 16, 16, 2, requires_grad=True) for _ in "qkv")
        attention(q, k, v, shift)[0, 9, 9].sum().backward()
        touched = v.grad[0].abs().sum(-1) > 1e-12
        assert touched.any(1).nonzero().flatten().tolist() == list(rows)
        assert touched.any(0).nonzero().flatten().tolist() == list(rows)
    corner = WindowAttention(8, 1)
    v = torch.randn(1, 16, 16, 2, requires_grad=True)
    corner(*torch.randn(2, 1, 16, 16, 2), v, 4)[0, 1, 1].sum().backward()
    assert (v.grad[0].abs().sum(-1) > 1e-12).sum() == 16, "shifted windows do not reach across the border"


def test_a_block_reaches_further_than_one_window():
    """Double attention: one block's receptive field is the union of both windows."""
    torch.manual_seed(0)
    block = Block(8, 8, 2, 8, 4)
    x = torch.randn(1, 32, 32, 8, requires_grad=True)
    for norm in (block.norm1, block.norm2):
        norm.forward = lambda x, style: x  # statistics of the whole picture would reach everywhere
    block(x, torch.zeros(1, 4))[0, 9, 9].sum().backward()
    touched = x.grad[0].abs().sum(-1) > 1e-12
    assert touched.any(1).nonzero().flatten().tolist() == list(range(4, 16))
    assert touched.sum() == 64 + 64 - 16, "two windows that share a quarter of one"


def test_the_style_is_the_statistics():
    """After an AdaIN each channel has the mean and deviation that the style says (equation 8 of AdaIN)."""
    torch.manual_seed(0)
    norm, style = AdaptiveInstanceNorm(6, 4), torch.randn(2, 4)
    x = norm(5 + 3 * torch.randn(2, 16, 16, 6), style)
    scale, shift = F.linear(style, norm.style.weight / 2, norm.style.bias).chunk(2, -1)
    assert torch.allclose(x.mean((1, 2)), shift, atol=1e-4)
    assert torch.allclose(x.std((1, 2), correction=0), scale.abs(), rtol=1e-3)


def test_the_mapping_network_sees_directions_only():
    mapping = torch.nn.Sequential(PixelNorm(), EqualLinear(8, 8, 0.01, True))
    noise = torch.randn(3, 8)
    assert torch.allclose(mapping(noise), mapping(7 * noise), atol=1e-5)
    assert torch.allclose(PixelNorm()(noise).square().mean(1), torch.ones(3), atol=1e-5)
    assert mapping[1](torch.randn(1000, 8)).std().item() == pytest.approx(1, abs=0.5), (
        "equalised: activations keep their size"
    )


def test_positions_are_sines_of_the_place():
    grid = positions(5, 7, 8)
    assert grid.shape == (5, 7, 8)
    assert torch.allclose(grid[2, 4, 0], torch.tensor(5.0).sin()), "the column, counted from 1"
    assert torch.allclose(grid[2, 4, 4], torch.tensor(3.0).sin()), "the row"
    assert torch.allclose(grid[2, 4, 3], torch.tensor(5e-4).cos()), "the slowest wave is 1/10000"
    assert len(torch.unique(grid.reshape(35, 8), dim=0)) == 35, "no two places are alike"


def test_the_skip_is_smooth():
    flat = ToRgb(8)(torch.zeros(1, 16, 16, 8), torch.ones(1, 3, 8, 8))
    assert torch.allclose(flat[..., 2:-2, 2:-2] - flat[0, :, 8, 8][:, None, None], torch.zeros(3, 12, 12), atol=1e-6)


def stylizer(seed: int = 0) -> StyleSwinTeacher:
    torch.manual_seed(seed)
    return StyleSwinTeacher.around(Generator(SMALL)).eval()


def test_a_stylizer_reads_back_what_it_wrote(tmp_path):
    teacher = stylizer()
    save_file({k: v.contiguous() for k, v in teacher.tensors().items()}, tmp_path / "my_styleswin.safetensors")
    content, style = torch.rand(1, 3, 40, 56), torch.rand(1, 3, 48, 32)
    again = load_teacher("styleswin", tmp_path)
    assert torch.allclose(again.stylize(content, style), teacher.stylize(content, style), atol=1e-6)
    assert again.takes_style and again.first == 1 and "my_styleswin.safetensors" in again.description
    assert not any(p.requires_grad for p in again.parameters())


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (70, 130)])
def test_pictures_of_any_size_keep_it(height, width):
    painted = stylizer().stylize(torch.rand(2, 3, height, width), torch.rand(2, 3, 32, 40))
    assert painted.shape == (2, 3, height, width) and painted.isfinite().all()


def test_content_and_style_both_count():
    teacher = stylizer()
    for layer in (teacher.generator.to_rgbs[-1].conv, teacher.entrance.look):
        torch.nn.init.normal_(layer.weight, 0, 1)
    one, other = torch.rand(2, 1, 3, 64, 64) * torch.tensor([1.0, 0.3])[:, None, None, None, None]
    painted = teacher(one, one)
    assert (teacher(other, one) - painted).abs().mean() > 1e-3
    assert (teacher(one, other) - painted).abs().mean() > 1e-3


def test_a_generator_alone_is_no_stylizer(tmp_path):
    path = tmp_path / "FFHQ_styleswin.safetensors"
    save_file(official_state(), path)
    with pytest.raises(UserError, match="FFHQ_styleswin.safetensors is a StyleSwin generator, which paints no photos"):
        load_teacher("styleswin", path)
    assert len(read_generator(path).layers) == 4


def test_training_checkpoints_of_the_official_code_are_read(tmp_path):
    """They hold the average, the networks that trained, and the options they were trained with."""
    from argparse import Namespace

    path = tmp_path / "800000.pt"
    torch.save({"g": {}, "g_ema": official_state(), "d": {}, "args": Namespace(size=32)}, path)
    assert read_generator(path).shape.style == 12


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "a_styleswin.safetensors"
    state = {k: v.contiguous() for k, v in stylizer().tensors().items()}
    for other in (
        {k: v for k, v in state.items() if ".mlp." not in k},
        {k: v for k, v in state.items() if not k.startswith("layers.2")},
        state | {"to_rgbs.9.conv.weight": torch.zeros(2)},
        state | {"layers.1.blocks.0.qkv.weight": torch.zeros(8, 5)},
        {k: v for k, v in state.items() if k != "entrance.content.weight"},
        {"0.weight": torch.zeros(3, 3, 1, 1)},
    ):
        save_file(other, path)
        with pytest.raises(UserError, match="a_styleswin.safetensors: not the network of styleswin") as caught:
            load_teacher("styleswin", path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"PK\x03\x04 not much")
    with pytest.raises(UserError, match="a_styleswin.safetensors is damaged"):
        load_teacher("styleswin", Path(path))

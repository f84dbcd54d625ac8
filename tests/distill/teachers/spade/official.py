"""The official SPADE from its description, as functions of a state dict: what the teacher is held against.

Names and shapes are those of NVlabs/SPADE, in models/networks: generator.py, architecture.py, normalization.py and
encoder.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def fill(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> State:
    """Random weights of those shapes that keep activations in range; variances are positive."""
    rng = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=rng)
        if name.endswith(("running_var",)):
            value = value.abs() + 0.5
        elif name.endswith(("weight_u", "weight_v")):
            value = F.normalize(value, dim=0)
        elif len(shape) > 1:
            value /= value[0].numel() ** 0.5
        state[name] = value
    return state


def generator_shapes(
    semantics: int,
    nf: int,
    hidden: int = 128,
    spectral: bool = True,
    batch: bool = True,
    latent: int = 0,
    cells: int = 0,
    most: bool = False,
) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of ``latest_net_G.pth``; ``latent`` for --use_vae, whose first features have ``cells`` pixels."""
    shapes: dict[str, tuple[int, ...]] = {}
    shapes["fc.weight"] = (16 * nf * cells, latent) if latent else (16 * nf, semantics, 3, 3)
    shapes["fc.bias"] = (shapes["fc.weight"][0],)

    def conv(name: str, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
        if bias:
            shapes[f"{name}.bias"] = (outputs,)
        if spectral:
            shapes[f"{name}.weight_orig"] = (outputs, inputs, kernel, kernel)
            shapes[f"{name}.weight_u"] = (outputs,)
            shapes[f"{name}.weight_v"] = (inputs * kernel**2,)
        else:
            shapes[f"{name}.weight"] = (outputs, inputs, kernel, kernel)

    def norm(name: str, channels: int) -> None:
        if batch:
            for part in ("running_mean", "running_var"):
                shapes[f"{name}.param_free_norm.{part}"] = (channels,)
        for part, inputs, outputs in (
            ("mlp_shared.0", semantics, hidden),
            ("mlp_gamma", hidden, channels),
            ("mlp_beta", hidden, channels),
        ):
            shapes[f"{name}.{part}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{name}.{part}.bias"] = (outputs,)

    def block(name: str, inputs: int, outputs: int) -> None:
        inner = min(inputs, outputs)
        conv(f"{name}.conv_0", inputs, inner, 3)
        conv(f"{name}.conv_1", inner, outputs, 3)
        norm(f"{name}.norm_0", inputs)
        norm(f"{name}.norm_1", inner)
        if inputs != outputs:
            conv(f"{name}.conv_s", inputs, outputs, 1, bias=False)
            norm(f"{name}.norm_s", inputs)

    for name in ("head_0", "G_middle_0", "G_middle_1"):
        block(name, 16 * nf, 16 * nf)
    for i, factor in enumerate((16, 8, 4, 2)):
        block(f"up_{i}", factor * nf, factor * nf // 2)
    if most:
        block("up_4", nf, nf // 2)
    shapes["conv_img.weight"], shapes["conv_img.bias"] = (3, nf // 2 if most else nf, 3, 3), (3,)
    return shapes


def encoder_shapes(nf: int, latent: int, layers: int = 6) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of ``latest_net_E.pth``, spectral convolutions without bias before instance normalisation."""
    shapes: dict[str, tuple[int, ...]] = {}
    widths = [3, *(nf * factor for factor in (1, 2, 4, 8, 8, 8)[:layers])]
    for i in range(layers):
        shapes[f"layer{i + 1}.0.weight_orig"] = (widths[i + 1], widths[i], 3, 3)
        shapes[f"layer{i + 1}.0.weight_u"] = (widths[i + 1],)
        shapes[f"layer{i + 1}.0.weight_v"] = (widths[i] * 9,)
    for name in ("fc_mu", "fc_var"):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (latent, widths[-1] * 16), (latent,)
    return shapes


def weight_of(state: State, name: str) -> Tensor:
    if f"{name}.weight" in state:
        return state[f"{name}.weight"]
    weight = state[f"{name}.weight_orig"]
    sigma = torch.dot(state[f"{name}.weight_u"], torch.mv(weight.reshape(len(weight), -1), state[f"{name}.weight_v"]))
    return weight / sigma


def paint(state: State, seg: Tensor, z: Tensor | None = None, upsampling: str = "normal") -> Tensor:
    """The generator in eval mode: label map (N, C, H, W) to a picture in [-1, 1]."""
    stride = {"normal": 32, "more": 64, "most": 128}[upsampling]
    size = (seg.shape[2] // stride, seg.shape[3] // stride)

    def spade(name: str, x: Tensor) -> Tensor:
        mean = state.get(f"{name}.param_free_norm.running_mean")
        if mean is None:
            variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        else:
            mean, variance = mean[:, None, None], state[f"{name}.param_free_norm.running_var"][:, None, None]
        small = F.interpolate(seg, x.shape[2:])
        shared = F.relu(conv(f"{name}.mlp_shared.0", small))
        gamma, beta = conv(f"{name}.mlp_gamma", shared), conv(f"{name}.mlp_beta", shared)
        return (x - mean) / (variance + 1e-5).sqrt() * (1 + gamma) + beta

    def conv(name: str, x: Tensor) -> Tensor:
        weight = weight_of(state, name)
        return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[2] // 2)

    def block(name: str, x: Tensor) -> Tensor:
        known = any(key.startswith(f"{name}.conv_s.") for key in state)
        skip = conv(f"{name}.conv_s", spade(f"{name}.norm_s", x)) if known else x
        y = conv(f"{name}.conv_0", F.leaky_relu(spade(f"{name}.norm_0", x), 0.2))
        return skip + conv(f"{name}.conv_1", F.leaky_relu(spade(f"{name}.norm_1", y), 0.2))

    def up(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    if z is None:
        x = conv("fc", F.interpolate(seg, size))
    else:
        x = F.linear(z, state["fc.weight"], state["fc.bias"]).view(len(z), -1, *size)
    x = block("G_middle_0", up(block("head_0", x)))
    x = block("G_middle_1", x if upsampling == "normal" else up(x))
    for name in ("up_0", "up_1", "up_2", "up_3", *(["up_4"] if upsampling == "most" else [])):
        x = block(name, up(x))
    return torch.tanh(conv("conv_img", F.leaky_relu(x, 0.2)))


def encode(state: State, picture: Tensor) -> Tensor:
    """The encoder's mean for a picture of 256 x 256 pixels in [-1, 1]."""
    x = picture
    for i in range(1, 7):
        x = F.conv2d(x, weight_of(state, f"layer{i}.0"), stride=2, padding=1)
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        x = F.leaky_relu((x - mean) / (variance + 1e-5).sqrt(), 0.2)
    return F.linear(x.flatten(1), state["fc_mu.weight"], state["fc_mu.bias"])

"""Weights of every convertible peer with few channels and random values, under the names of the real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

Shapes = dict[str, tuple[int, ...]]


def write_tiny_weights(folder: Path) -> Path:
    """Write them into subfolders of ``folder``, as a collection of downloads would lie, and return it."""
    for place in ("johnson", "microast", "gan"):
        (folder / place).mkdir(parents=True)
    _save(folder / "johnson" / "candy_nc8_b1.model", johnson(4))
    _save(folder / "johnson" / "mosaic_nc16_b1.model", johnson(8))
    np.savez(folder / "johnson" / "full_wave.npz", **johnson_tensorflow(4))
    for part, shapes in microast().items():
        _save(folder / "microast" / f"{part}_iter_7.pth.tar", shapes)
    _save(folder / "gan" / "horse2zebra_compressed_net_G.pth", cyclegan())
    encoder, decoder = adain((4, 6, 8, 10))
    _save(folder / "vgg_normalised_tiny.pth", encoder)
    _save(folder / "adain_decoder.pth", decoder)
    return folder


def _save(path: Path, shapes: Shapes) -> None:
    torch.save(random_weights(shapes), path)


def random_weights(shapes: Shapes, seed: int = 0) -> dict[str, torch.Tensor]:
    """Kernels that keep activations at about their size, scales near 1, shifts and biases near 0."""
    generator = torch.Generator().manual_seed(seed)

    def draw(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            return 0.1 * values + (1 if name.endswith("weight") else 0)
        return values * (2 / np.prod(shape[1:])) ** 0.5

    return {name: draw(name, shape) for name, shape in shapes.items()}


def _conv(name: str, out: int, into: int, side: int) -> Shapes:
    return {f"{name}.weight": (out, into, side, side), f"{name}.bias": (out,)}


def _norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def johnson(c: int) -> Shapes:
    shapes = {**_conv("conv1.conv2d", c, 3, 9), **_norm("in1", c)}
    shapes |= {**_conv("conv2.conv2d", 2 * c, c, 3), **_norm("in2", 2 * c)}
    shapes |= {**_conv("conv3.conv2d", 4 * c, 2 * c, 3), **_norm("in3", 4 * c)}
    for block in range(1, 6):
        for number in (1, 2):
            shapes |= _conv(f"res{block}.conv{number}.conv2d", 4 * c, 4 * c, 3)
            shapes |= _norm(f"res{block}.in{number}", 4 * c)
    shapes |= {**_conv("deconv1.conv2d", 2 * c, 4 * c, 3), **_norm("in4", 2 * c)}
    shapes |= {**_conv("deconv2.conv2d", c, 2 * c, 3), **_norm("in5", c)}
    return {**shapes, **_conv("deconv3.conv2d", 3, c, 9)}


def johnson_tensorflow(c: int) -> dict[str, np.ndarray]:
    kernels = [(9, 9, 3, c), (3, 3, c, 2 * c), (3, 3, 2 * c, 4 * c), *[(3, 3, 4 * c, 4 * c)] * 10]
    kernels += [(3, 3, 2 * c, 4 * c), (3, 3, c, 2 * c), (9, 9, c, 3)]  # the first two of these enlarge: out, in
    rng, arrays = np.random.default_rng(0), []
    for number, shape in enumerate(kernels):
        channels = shape[2] if number in (13, 14) else shape[3]
        shift, scale = rng.normal(0, 0.1, channels), rng.normal(1, 0.1, channels)
        arrays += [rng.normal(0, 0.1, shape), shift, scale]
    return {"Variable" if n == 0 else f"Variable_{n}": array.astype(np.float16) for n, array in enumerate(arrays)}


def microast() -> dict[str, Shapes]:
    a, b, c = 4, 8, 16
    encoder = {
        **_conv("enc1.0.conv_layer", a, 3, 9),
        **_conv("enc1.2.conv_layer", b, 1, 3) | {"enc1.2.conv_layer.weight": (b, 1, 3, 3)},
        **_conv("enc1.4.conv_layer", b, b, 1),
        **_conv("enc1.6.conv_layer", c, 1, 3),
        **_conv("enc1.8.conv_layer", c, c, 1),
    }
    for name in ("enc1.10", "enc2.0"):
        encoder |= {**_conv(f"{name}.conv1.conv_layer", c, c, 3), **_conv(f"{name}.conv2.conv_layer", c, c, 3)}
    modulator: Shapes = {}
    for name in ("weight1", "bias1", "weight2", "bias2"):
        modulator |= _conv(f"{name}.0.conv_layer", c, 1, 3)
    decoder: Shapes = {}
    for name in ("dec1", "dec2"):
        decoder |= {**_conv(f"{name}.conv1.conv_layer", c, c, 3), **_conv(f"{name}.conv2.conv_layer", c, c, 3)}
    for place, out, into, side in ((1, b, 2, 3), (3, b, b, 1), (6, a, 2, 3), (8, a, a, 1), (10, 3, a, 9)):
        decoder |= _conv(f"dec3.{place}.conv_layer", out, into, side)
    return {"content_encoder": encoder, "style_encoder": encoder, "modulator": modulator, "decoder": decoder}


def cyclegan() -> Shapes:
    a, b, c, d = 4, 8, 16, 12
    shapes = {**_conv("model.1", a, 3, 7), **_conv("model.4", b, a, 3), **_conv("model.7", c, b, 3)}
    for place in range(10, 19):
        for part, into, out in ((1, c, d), (6, d, c)):
            name = f"model.{place}.conv_block.{part}.conv"
            shapes |= {**_conv(f"{name}.0", into, 1, 3), **_conv(f"{name}.2", out, into, 1)}
    for place, into, out in ((19, c, b), (22, b, a)):
        shapes |= {f"model.{place}.weight": (into, out, 3, 3), f"model.{place}.bias": (out,)}
    return {**shapes, **_conv("model.26", 3, a, 7)}


def adain(channels: tuple[int, ...]) -> tuple[Shapes, Shapes]:
    """Encoder with its 1x1 in front, and decoder, both numbered like one long sequence."""
    encoder, place, before = _conv("0", 3, 3, 1), 2, 3
    down = []
    for width, count in zip(channels, (2, 2, 4, 1), strict=True):
        for _ in range(count):
            down.append((before, width))
            before = width
    for into, out in down:
        encoder |= _conv(str(place), out, into, 3)
        place += 3
    decoder: Shapes = {}
    for number, (into, out) in enumerate(reversed(down)):
        decoder |= _conv(str(3 * number + 1), into, out, 3)
    return encoder, decoder

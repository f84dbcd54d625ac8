"""What drawn pictures start from: smooth noise, palettes and simple compositions.

Fields are float32 (size, size); colours are float32 RGB in [0, 1]. Everything is a pure function of a generator.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

#: Palettes from dark to light, after the colours of schools and printmakers.
PALETTES: dict[str, tuple[str, ...]] = {
    "night": ("0b1a3a", "17408b", "3d7fc1", "8fb8d6", "f3d35b", "fdf2c0"),
    "great-wave": ("14243f", "2f4f7f", "6f93b0", "b9c3b0", "e8dcc0", "f7f0de"),
    "gold": ("2a1606", "6b3f12", "a8721c", "d9a62e", "f1cf63", "f7ead0"),
    "cutouts": ("15306b", "d7263d", "1b998b", "f46036", "f9c80e", "f7f3e3"),
    "garden": ("243b2f", "4c7a5a", "7ea6a0", "b59ac4", "e7b8c7", "f6ead7"),
    "dusk": ("1d1226", "55214f", "a8324a", "e2583e", "f59b47", "fbdc8f"),
    "primaries": ("111111", "1f3fa0", "c5202a", "f2c618", "f4f1ea"),
    "sunflowers": ("2e3d1b", "6d7a24", "b8862b", "e8b021", "f6d65a", "cfe3e0"),
    "sepia": ("231810", "553a24", "8b6440", "bd9667", "e2c69b", "f5ead3"),
    "ink": ("0f0f12", "3a3a40", "77777c", "b7b4ac", "f1ede2"),
    "fauve": ("0f3057", "008891", "e7305b", "ff7b54", "ffd56b", "d9f8c4"),
    "earth": ("2b1d16", "6a3b27", "a35d3a", "c98d5e", "8f9a6d", "e6d5b3"),
    "sea": ("042a2b", "0a5a6b", "1b98a0", "73c7b8", "c9e4ca", "fdf6e3"),
    "carnival": ("2d0a4e", "7b1fa2", "e91e8c", "ff9800", "4dd0e1", "fff59d"),
    "forest": ("0d1f14", "1f4a2c", "3f7d3a", "8cae4f", "d3cf7a", "efe9c9"),
    "rose": ("3b0d23", "7f1d44", "c24e6e", "e8919c", "f5c8b8", "fbeee2"),
    "ice": ("10213a", "3a5f8a", "7fa5c8", "b3d1e3", "e4eff3", "f2e7f0"),
    "rust": ("1a2226", "37545c", "7b8c86", "b5562c", "e08b3e", "f1d9ae"),
    "linocut": ("1c1a1a", "b3261e", "f3e6c8"),
    "indigo": ("10104a", "343a9e", "f2ead3"),
}


def palette(name: str, turn: float = 0.0) -> np.ndarray:
    """Palette colours (n, 3), dark to light; `turn` rotates the hues by that part of the colour circle."""
    colours = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in PALETTES[name]], np.float32) / 255
    return turn_hue(colours, turn) if turn else colours


def turn_hue(colours: np.ndarray, turn: float) -> np.ndarray:
    """Rotate colours (..., 3) about the grey axis by `turn` of a full circle."""
    axis = np.full(3, 3**-0.5)
    cosine, sine = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    along = (colours @ axis)[..., None] * axis
    return np.clip(colours * cosine + np.cross(axis, colours) * sine + along * (1 - cosine), 0, 1).astype(np.float32)


def blend(colours: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """Tone in [0, 1] (...) to colours (..., 3), linearly between neighbours of the palette."""
    place = np.clip(tone, 0, 1) * (len(colours) - 1)
    low = np.minimum(place.astype(int), len(colours) - 2)
    part = (place - low)[..., None]
    return (colours[low] * (1 - part) + colours[low + 1] * part).astype(np.float32)


def jitter(colours: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Colours (n, 3), each shifted a little in lightness and in hue."""
    count = len(colours)
    shift = rng.normal(0, amount, (count, 1)) + rng.normal(0, amount / 2, (count, 3))
    return np.clip(colours + shift, 0, 1)


def smooth_noise(rng: np.random.Generator, size: int, cells: float) -> np.ndarray:
    """Band-limited noise in [0, 1], with about `cells` bumps along a side."""
    count = max(2, round(cells) + 1)
    grid = Image.fromarray(rng.random((count, count), np.float32))
    field = np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))
    return (field - field.min()) / max(1e-6, float(field.max() - field.min()))


def fractal(rng: np.random.Generator, size: int, cells: float, octaves: int = 4) -> np.ndarray:
    """Sum of noises of doubling frequency and halving weight, in [0, 1]."""
    field = sum(smooth_noise(rng, size, cells * 2**k) * 0.5**k for k in range(octaves))
    return ((field - field.min()) / (field.max() - field.min())).astype(np.float32)


def coordinates(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel in [0, 1)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    return x, y


def sample(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values of a field (size, size, ...) at x, y in [0, 1], nearest pixel."""
    size = field.shape[0]
    column = np.clip((x * size).astype(int), 0, size - 1)
    row = np.clip((y * size).astype(int), 0, size - 1)
    return field[row, column]


def landscape(rng: np.random.Generator, size: int) -> np.ndarray:
    """Tone of a sky with a sun over ridges of hills, in [0, 1]."""
    x, y = coordinates(size)
    sun_x, sun_y = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.35)
    distance = np.hypot(x - sun_x, y - sun_y)
    tone = 0.45 + 0.35 * y + 0.25 * (smooth_noise(rng, size, 4) - 0.5)
    tone = np.where(distance < rng.uniform(0.07, 0.12), 1.0, tone + 0.3 * np.exp(-8 * distance))
    layers = rng.integers(3, 5)
    for layer in range(layers):
        ridge = 0.45 + 0.5 * layer / layers + 0.16 * (smooth_noise(rng, size, 3 + 2 * layer)[0] - 0.5)
        shade = 0.62 - 0.55 * (layer + 1) / layers + 0.3 * (smooth_noise(rng, size, 7) - 0.5)
        tone = np.where(y > ridge[None, :], np.clip(shade, 0.02, 0.9), tone)
    return np.clip(tone, 0, 1).astype(np.float32)


def still_life(rng: np.random.Generator, size: int) -> np.ndarray:
    """Tone of lit round bodies before a wall, in [0, 1]."""
    x, y = coordinates(size)
    table = rng.uniform(0.55, 0.7)
    tone = np.where(y > table, 0.7, 0.3) + 0.25 * (smooth_noise(rng, size, 3) - 0.5)
    for _ in range(rng.integers(4, 8)):
        radius = rng.uniform(0.09, 0.2)
        cx, cy = rng.uniform(0.1, 0.9), table + rng.uniform(-0.15, 0.2)
        dx, dy = (x - cx) / radius, (y - cy) / (radius * rng.uniform(0.7, 1.5))
        inside = dx**2 + dy**2 < 1
        light = np.clip(0.5 - 0.45 * (dx + dy) / 1.4, 0, 1)
        tone = np.where(inside, rng.uniform(0.0, 0.5) + 0.6 * light, tone)
    return np.clip(tone, 0, 1).astype(np.float32)


def whirls(rng: np.random.Generator, size: int) -> np.ndarray:
    """Tone of a turbulent field: noise whose coordinates were bent by noise, in [0, 1]."""
    x, y = coordinates(size)
    bend_x = 0.35 * (smooth_noise(rng, size, 3) - 0.5)
    bend_y = 0.35 * (smooth_noise(rng, size, 3) - 0.5)
    return sample(fractal(rng, size, 4, 2), (x + bend_x) % 1, (y + bend_y) % 1)


COMPOSITIONS = (landscape, still_life, whirls)


def composition(rng: np.random.Generator, size: int) -> np.ndarray:
    """Tone of one of the compositions, in [0, 1]."""
    return COMPOSITIONS[rng.integers(len(COMPOSITIONS))](rng, size)


def shade(rgb: np.ndarray, relief: np.ndarray, strength: float) -> np.ndarray:
    """Light a picture (size, size, 3) from the upper left as if `relief` were paint standing off the canvas."""
    slope = np.diff(relief, axis=0, append=relief[-1:]) + np.diff(relief, axis=1, append=relief[:, -1:])
    return np.clip(rgb * (1 + strength * slope[..., None]), 0, 1)


def grain(rgb: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Add the light texture of paper or canvas."""
    size = rgb.shape[0]
    return np.clip(rgb + amount * (smooth_noise(rng, size, size / 2)[..., None] - 0.5), 0, 1)

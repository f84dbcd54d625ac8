"""Landscapes drawn twice: as a label map, and as a photo of it at some hour of the day.

They teach what needs pairs of label maps and photos where there are none: free to use, and the same everywhere.
Everything is a pure function of a scene's number.
"""

from __future__ import annotations

import numpy as np

from distill.data.canvas import blend, coordinates, fractal, grain, smooth_noise
from runtime.label_maps import Label, Palette

LANDSCAPE = Palette(
    Label(name, colour)
    for name, colour in (
        ("sky", "#4aa3ff"),
        ("cloud", "#ffffff"),
        ("sun", "#ffe000"),
        ("mountain", "#8a6f5a"),
        ("field", "#9bd13c"),
        ("forest", "#1f6b2e"),
        ("water", "#1f3fd6"),
        ("sand", "#f0b070"),
    )
)
SKY, CLOUD, SUN, MOUNTAIN, FIELD, FOREST, WATER, SAND = range(len(LANDSCAPE))
SCENES, SIZE = 240, 256

#: Colours of each label's ground from dark to light, at noon.
GROUNDS = {
    MOUNTAIN: ("3d3a40", "6e675f", "a39a8c", "f4f4f2"),
    FIELD: ("56702a", "88a03a", "c4bf58"),
    FOREST: ("10261a", "27502c", "56813c"),
    WATER: ("123a5c", "2f6f92", "9cc7d4"),
    SAND: ("a98a5e", "d8bd8a", "efe0ba"),
}
#: Noon, dusk and night: sky from top to horizon, clouds in shadow and in light, the sun, and white in that light.
HOURS = (
    {"sky": ("3f7fd0", "cfe4f4"), "cloud": ("b4bfcc", "ffffff"), "sun": ("fff6c8",), "light": ("ffffff",)},
    {"sky": ("4a3a78", "ff9a52"), "cloud": ("8a5570", "ffc08a"), "sun": ("ffd060",), "light": ("ffb899",)},
    {"sky": ("060b22", "263a66"), "cloud": ("131a34", "46557e"), "sun": ("e8ecf4",), "light": ("3d5280",)},
)


def draw_map(scene: int) -> np.ndarray:
    """The label map of a scene: uint8 (256, 256), numbers of `LANDSCAPE`."""
    rng = np.random.default_rng([scene, 0])
    x, y = coordinates(SIZE)
    horizon = rng.uniform(0.4, 0.65)
    numbers = np.full((SIZE, SIZE), SKY, np.uint8)
    if rng.random() < 0.7:
        place, radius = rng.uniform((0.1, 0.06), (0.9, 0.3)), rng.uniform(0.04, 0.09)
        numbers[np.hypot(x - place[0], y - place[1]) < radius] = SUN
    if rng.random() < 0.7:
        shape = fractal(rng, SIZE, rng.uniform(3, 6), 3) - 0.8 * np.abs(y - rng.uniform(0.08, 0.3))
        numbers[(shape > rng.uniform(0.45, 0.55)) & (y < horizon)] = CLOUD
    for _ in range(rng.integers(1, 3)):
        ridge = horizon - rng.uniform(0.05, 0.3) * fractal(rng, SIZE, rng.uniform(3, 8), 4)[0]
        numbers[(y > ridge) & (y < horizon + 0.02)] = MOUNTAIN
    ground = y > horizon + 0.04 * (smooth_noise(rng, SIZE, 4)[0] - 0.5)
    numbers[ground] = FIELD
    _draw_lake(numbers, ground, horizon, rng)
    trees = fractal(rng, SIZE, rng.uniform(4, 9), 4)
    numbers[(trees > rng.uniform(0.5, 0.7)) & (y > horizon - 0.03) & ~np.isin(numbers, (WATER, SAND))] = FOREST
    return numbers


def draw_photo(scene: int) -> np.ndarray:
    """The photo of a scene, more often by day: uint8 (256, 256, 3)."""
    rng = np.random.default_rng([scene, 1])
    return paint_photo(draw_map(scene), 2 * rng.random() ** 1.5, rng)


def paint_photo(numbers: np.ndarray, hour: float, rng: np.random.Generator) -> np.ndarray:
    """A label map as it looks at an hour from 0, noon, over 1, dusk, to 2, night: uint8 (256, 256, 3)."""
    x, y = coordinates(SIZE)
    fine, broad = fractal(rng, SIZE, 40, 3), fractal(rng, SIZE, 5, 4)
    waves = 0.5 + 0.5 * np.sin(2 * np.pi * (y * (30 + 40 * (1 - y)) + 2 * broad))
    furrows = 0.5 + 0.5 * np.sin(2 * np.pi * 14 * (y + 0.3 * x + 0.15 * broad))
    slope = np.clip(0.5 + 9 * np.diff(broad, axis=1, append=broad[:, -1:]), 0, 1)
    tones = {
        MOUNTAIN: 0.55 * slope + 0.15 * fine + 0.6 * np.clip(0.45 - y, 0, 0.5),
        FIELD: 0.4 * furrows + 0.3 * broad + 0.3 * fine,
        FOREST: 0.75 * fractal(rng, SIZE, 26, 2) + 0.25 * slope,
        WATER: 0.55 * waves + 0.25 * broad,
        SAND: 0.5 * broad + 0.5 * fine,
    }
    light = _at_hour("light", hour)
    picture = blend(_at_hour("sky", hour), y / 0.65)
    picture[numbers == CLOUD] = blend(_at_hour("cloud", hour), 0.2 + 1.1 * broad - 0.3 * y)[numbers == CLOUD]
    picture[numbers == SUN] = _at_hour("sun", hour)
    for label, tone in tones.items():
        picture[numbers == label] = (blend(_colours(*GROUNDS[label]), tone) * light)[numbers == label]
    return (255 * grain(picture, rng, 0.03)).round().astype(np.uint8)


def _draw_lake(numbers: np.ndarray, ground: np.ndarray, horizon: float, rng: np.random.Generator) -> None:
    """Water with a beach around it: a lake, or a sea up to the horizon."""
    x, y = coordinates(SIZE)
    bend = 0.12 * (fractal(rng, SIZE, 4, 3) - 0.5)
    if rng.random() < 0.4:
        away = bend + rng.uniform(0.1, 0.3) - (y - horizon)
    else:
        centre, size = rng.uniform((0.2, horizon + 0.15), (0.8, 0.9)), rng.uniform((0.15, 0.06), (0.4, 0.16))
        away = 0.2 * (1 - np.hypot((x - centre[0]) / size[0], (y - centre[1]) / size[1])) + bend
    numbers[ground & (away > -0.035)] = SAND
    numbers[ground & (away > 0)] = WATER


def _at_hour(what: str, hour: float) -> np.ndarray:
    """Colours (n, 3) of `HOURS`, between two hours."""
    first = min(int(hour), len(HOURS) - 2)
    before, after = (_colours(*HOURS[first + i][what]) for i in (0, 1))
    return before + (after - before) * np.float32(hour - first)


def _colours(*codes: str) -> np.ndarray:
    return np.array([list(bytes.fromhex(code)) for code in codes], np.float32) / 255

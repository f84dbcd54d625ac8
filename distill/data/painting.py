"""Ways to paint: each draws one picture from a generator and a palette, in the manner it is named for.

A painter takes (rng, colours (n, 3) dark to light, size) and returns float32 (size, size, 3) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from distill.data.canvas import (
    blend,
    composition,
    coordinates,
    fractal,
    grain,
    jitter,
    landscape,
    sample,
    shade,
    smooth_noise,
    whirls,
)

Painter = Callable[[np.random.Generator, np.ndarray, int], np.ndarray]


def flowing_strokes(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Curved brush strokes that follow a flow field, from broad to fine."""
    tone, angle = composition(rng, size), _flow(rng, size)
    image = _to_image(blend(colours, np.full((size, size), tone.mean())))
    for width, count in ((size / 22, 700), (size / 38, 1700), (size / 64, 2600)):
        _strokes(image, rng, colours, tone, angle, width, count, steps=7)
    relief = np.asarray(image.convert("L"), np.float32) / 255
    return shade(_to_array(image), relief, 0.9)


def dots(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Pointillism: pure dots that mix in the eye, with some of the opposite colour among them."""
    tone = composition(rng, size)
    image = _to_image(np.broadcast_to(blend(colours, np.float32(0.9)), (size, size, 3)))
    draw = ImageDraw.Draw(image)
    spacing = size * rng.uniform(0.011, 0.017)
    steps = int(size / spacing) + 2
    for spread in (1.0, 1.6):
        y, x = np.mgrid[0:steps, 0:steps].reshape(2, -1) * spacing
        x, y = (c + rng.normal(0, spacing * 0.35 * spread, c.shape) for c in (x, y))
        values = sample(tone, x / size, y / size) + rng.normal(0, 0.13, x.shape)
        paint = jitter(blend(colours, values), rng, 0.05)
        opposite = rng.random(len(x)) < 0.12
        paint[opposite] = jitter(blend(colours, 1 - values[opposite]), rng, 0.05)
        radius = spacing * rng.uniform(0.38, 0.66, x.shape)
        for cx, cy, r, colour in zip(x, y, radius, _ink(paint), strict=True):
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colour)
    return _to_array(image)


def hatching(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Pen lines in several directions, the denser the darker."""
    x, y = coordinates(size)
    tone = composition(rng, size)
    wobble = 0.02 * (smooth_noise(rng, size, 6) - 0.5)
    ink, paper = colours[0], colours[-1]
    picture = np.broadcast_to(paper, (size, size, 3)) * 0.75 + 0.25 * blend(colours, tone)
    start, frequency = rng.uniform(0, np.pi), rng.uniform(48, 80)
    for layer, limit in enumerate((0.8, 0.58, 0.38, 0.2)):
        angle = start + layer * np.pi * 0.29
        wave = np.sin(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle) + wobble))
        pressure = np.clip((limit - tone) * 2.4, 0, 0.75) * (0.6 + 0.8 * smooth_noise(rng, size, 24))
        line = np.clip((wave - 1 + 1.3 * pressure) * 5, 0, 1)[..., None]
        picture = picture * (1 - line) + line * (ink if layer % 2 else (ink + colours[1]) / 2)
    return grain(picture, rng, 0.06)


def stained_glass(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Glowing panes in dark leading."""
    nearest, edge, centre = _cells(rng, size, count=rng.uniform(8, 13), irregular=0.95)
    values = sample(composition(rng, size), *centre) + 0.22 * _per_cell(rng, nearest)
    panes = blend(colours[1:], values)
    light = 0.75 + 0.4 * fractal(rng, size, 8, 3)[..., None]
    lead = np.clip((edge - 0.06) * 14, 0, 1)[..., None]
    return np.clip(panes**0.8 * light, 0, 1) * lead + (1 - lead) * 0.06


def mosaic(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Small stone tiles with grout, bent along curves."""
    nearest, edge, centre = _cells(rng, size, count=rng.uniform(34, 48), irregular=0.45, bend=0.05)
    values = sample(composition(rng, size), *centre) + 0.1 * _per_cell(rng, nearest)
    tiles = blend(colours, values) * (1 + 0.22 * _per_cell(rng, nearest)[..., None])
    stone = np.clip((edge - 0.12) * 9, 0, 1)
    grout = 0.35 * colours[0] + 0.3 * colours[-1]
    picture = tiles * stone[..., None] + (1 - stone[..., None]) * grout
    return shade(np.clip(picture, 0, 1), stone, 0.35)


def watercolour(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Translucent washes with dark rims on white paper."""
    paper = np.full((size, size, 3), (0.98, 0.97, 0.93), np.float32)
    tone = composition(rng, size)
    for layer in range(9):
        level = rng.uniform(0.25, 0.75)
        body = 0.55 * fractal(rng, size, rng.uniform(2, 5), 5) + 0.45 * (1 - tone if layer % 2 else tone)
        inside = np.clip((body - level) * 40, 0, 1)
        rim = np.exp(-(((body - level - 0.012) * 70) ** 2))
        bleed = 0.35 + 0.65 * fractal(rng, size, 3, 4)
        pigment = blend(colours, rng.uniform(0, 0.85))
        strength = (inside * (0.16 + 0.34 * bleed) + 0.22 * rim)[..., None]
        paper = paper * (1 - strength * (1 - pigment))
    return grain(paper, rng, 0.1)


def contour_waves(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Flat bands of colour along the contours of a turbulent field, each with an outline."""
    tone = 0.8 * whirls(rng, size) + 0.2 * landscape(rng, size)
    bands = rng.integers(9, 15)
    level = tone * bands
    inside = level - np.floor(level)
    order = rng.permutation(len(colours) - 1) + 1
    flat = colours[order[np.floor(level).astype(int) % len(order)]]
    slope = np.hypot(*np.gradient(level)) + 1e-4
    line = np.clip(1.6 - np.minimum(inside, 1 - inside) / slope / (size / 400), 0, 1)[..., None]
    fade = 0.82 + 0.3 * inside[..., None]
    return grain(np.clip(flat * fade, 0, 1) * (1 - line) + line * colours[0], rng, 0.07)


def woodcut(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Hard black and paper, with the gouge's marks along the form and one flat second colour."""
    x, y = coordinates(size)
    tone = composition(rng, size)
    along = _flow(rng, size, cells=2)
    gouge = np.sin(size * 0.19 * (x * np.cos(along) + y * np.sin(along)) + 9 * smooth_noise(rng, size, 5))
    cut = np.clip(((tone - 0.5) * 1.9 + 0.5 * gouge + 0.2 * (smooth_noise(rng, size, 70) - 0.5)) * 9, 0, 1)[..., None]
    second = np.clip((tone - 0.52) * 30, 0, 1)[..., None]
    light = second * colours[-1] + (1 - second) * colours[len(colours) // 2]
    return grain(cut * light + (1 - cut) * colours[0] * 0.7, rng, 0.05)


def colour_blocks(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Rectangles that were divided again and again, brushed by hand, some behind black bars."""
    picture = np.empty((size, size, 3), np.float32)
    bars = rng.random() < 0.5
    gap = size // 64 if bars else size // 110
    picture[:] = colours[0] * 0.5 if bars else 0.8 * colours[-1]
    for top, left, bottom, right in _divide(rng, 0, 0, size, size, depth=rng.integers(4, 6)):
        colour = jitter(colours[rng.integers(len(colours)), None], rng, 0.05)
        picture[top + gap : bottom - gap, left + gap : right - gap] = colour
    streaks = np.asarray(Image.fromarray(smooth_noise(rng, size, 90)).resize((size, size * 6)).crop((0, 0, size, size)))
    mottle = 0.5 * (fractal(rng, size, 6, 4) - 0.5) + 0.35 * (streaks - 0.5)
    return shade(np.clip(picture * (1 + 0.6 * mottle[..., None]), 0, 1), streaks, 0.8)


def facets(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Cubism: overlapping planes, each shaded from one edge."""
    x, y = coordinates(size)
    tone = composition(rng, size)
    value = tone.copy()
    for _ in range(70):
        angle, cx, cy = rng.uniform(0, 2 * np.pi), rng.random(), rng.random()
        across = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        skew = angle + rng.uniform(0.8, 2.2)
        reach = (x - cx) * np.cos(skew) + (y - cy) * np.sin(skew)
        depth, width = rng.uniform(0.06, 0.28), rng.uniform(0.05, 0.2)
        inside = (across > 0) & (across < depth) & (np.abs(reach) < width)
        own = sample(tone, np.array([cx]), np.array([cy]))[0] + rng.normal(0, 0.16)
        value = np.where(inside, own + 0.45 * (across / depth - 0.5), value)
    edges = np.clip(np.hypot(*np.gradient(value)) * 4 - 0.25, 0, 0.8)[..., None]
    picture = blend(colours, value) * (1 - edges) + edges * colours[0] * 0.6
    return shade(picture, fractal(rng, size, 50, 2), 0.9)


def palette_knife(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Impasto: thick slabs of paint whose ridges catch the light."""
    tone, angle = composition(rng, size), _flow(rng, size, cells=2)
    image = _to_image(blend(colours, tone))
    height = Image.new("L", (size, size), 90)
    for width, count in ((size / 11, 420), (size / 18, 900)):
        _strokes(image, rng, colours, tone, angle, width, count, steps=2, relief=height, straight=True)
    ridges = np.asarray(height, np.float32) / 255 + 0.25 * fractal(rng, size, 60, 2)
    return shade(_to_array(image), ridges, 1.3)


def drips(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Action painting: thrown lines and spatter, layer over layer."""
    image = _to_image(blend(colours, 0.75 + 0.2 * fractal(rng, size, 4, 3)))
    draw = ImageDraw.Draw(image)
    for colour in _ink(jitter(colours[rng.integers(0, len(colours), 46)], rng, 0.04)):
        turn = np.cumsum(rng.normal(0, 0.32, 90))
        step = size * rng.uniform(0.008, 0.022)
        x = rng.uniform(0, size) + np.cumsum(step * np.cos(turn))
        y = rng.uniform(0, size) + np.cumsum(step * np.sin(turn))
        width = np.clip(np.cumsum(rng.normal(0, 0.6, 90)) + size / 130, 1, size / 45)
        for i in range(89):
            draw.line((x[i], y[i], x[i + 1], y[i + 1]), fill=colour, width=int(width[i]))
        spots = rng.normal((x.mean(), y.mean()), size / 5, (40, 2))
        for (cx, cy), r in zip(spots, size * 0.011 * rng.random(40) ** 2 + 1, strict=True):
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colour)
    return _to_array(image)


def spirals(rng: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    """Ornament: fields of rings, spirals and little squares."""
    nearest, edge, centre = _cells(rng, size, count=rng.uniform(6, 9), irregular=0.8)
    x, y = coordinates(size)
    distance = np.hypot(x - centre[0], y - centre[1])
    around = np.arctan2(y - centre[1], x - centre[0])
    kind, own = (_per_cell(rng, nearest) + 1) / 2, (_per_cell(rng, nearest) + 1) / 2
    rings = np.sin(2 * np.pi * (22 + 18 * own) * distance)
    coils = np.sin(2 * np.pi * (20 + 14 * own) * distance + 2 * around)
    squares = np.sign(np.sin(2 * np.pi * 26 * x + own)) * np.sign(np.sin(2 * np.pi * 26 * y + own))
    pattern = np.where(kind < 0.4, rings, np.where(kind < 0.75, coils, squares))
    value = 0.25 + 0.55 * own + 0.28 * np.tanh(4 * pattern)
    outline = np.clip((edge - 0.035) * 22, 0, 1)[..., None]
    picture = blend(colours, value) * (0.85 + 0.25 * fractal(rng, size, 20, 3)[..., None])
    return np.clip(picture * outline + (1 - outline) * colours[0], 0, 1)


PAINTERS: tuple[Painter, ...] = (
    flowing_strokes,
    dots,
    hatching,
    stained_glass,
    mosaic,
    watercolour,
    contour_waves,
    woodcut,
    colour_blocks,
    facets,
    palette_knife,
    drips,
    spirals,
)


def _flow(rng: np.random.Generator, size: int, cells: float = 3) -> np.ndarray:
    """Stroke directions in radians: a few eddies over a common direction."""
    return (rng.uniform(0, np.pi) + 2.2 * np.pi * (smooth_noise(rng, size, cells) - 0.5)).astype(np.float32)


def _strokes(
    image: Image.Image,
    rng: np.random.Generator,
    colours: np.ndarray,
    tone: np.ndarray,
    angle: np.ndarray,
    width: float,
    count: int,
    steps: int,
    relief: Image.Image | None = None,
    straight: bool = False,
) -> None:
    """Draw strokes of one width along the flow, each in the colour of the composition where it starts."""
    size = image.width
    x, y = rng.random(count), rng.random(count)
    paint = jitter(blend(colours, sample(tone, x, y) + rng.normal(0, 0.07, count)), rng, 0.05)
    direction = sample(angle, x, y)
    points = [np.stack([x, y], 1)]
    for _ in range(steps):
        if not straight:
            direction = sample(angle, x, y)
        x, y = x + width / size * np.cos(direction), y + width / size * np.sin(direction)
        points.append(np.stack([x, y], 1))
    paths = np.stack(points, 1) * size
    draw, carve = ImageDraw.Draw(image), ImageDraw.Draw(relief) if relief else None
    side = np.stack([-np.sin(direction), np.cos(direction)], 1)[:, None] * width
    # The bristles: a lighter and a darker line inside each stroke.
    marks = [(0.0, 1.0, 1.0), (0.28, 0.22, 1.13), (-0.3, 0.2, 0.86)]
    inks = [_ink(np.clip(paint * light, 0, 1)) for _, _, light in marks]
    heights = rng.integers(70, 200, count)
    # Rounded joints show on broad strokes only, and cost the most.
    joint = "curve" if not straight and width > size / 45 else None
    for i in range(count):
        for (offset, part, light), ink in zip(marks, inks, strict=True):
            path = [tuple(point) for point in paths[i] + offset * side[i]]
            draw.line(path, fill=ink[i], width=max(1, round(width * part)), joint=joint)
            if carve:
                carve.line(path, fill=int(heights[i] * light), width=max(1, round(width * part)))


def _cells(
    rng: np.random.Generator, size: int, count: float, irregular: float, bend: float = 0.0
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Voronoi cells of a jittered grid with `count` cells along a side.

    Returns each pixel's cell (integers), its distance from the cell's edge in cells, and the centre of its cell
    as x and y in [0, 1].
    """
    x, y = coordinates(size)
    u = (x + bend * (smooth_noise(rng, size, 2) - 0.5)) * count + 1
    v = (y + bend * (smooth_noise(rng, size, 2) - 0.5)) * count + 1
    width = int(count) + 5
    shift = 0.5 + irregular * (rng.random((2, width, width)).astype(np.float32) - 0.5)
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    first = np.full((size, size), 9, np.float32)
    second = first.copy()
    cell = np.zeros((size, size), int)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            c, r = np.clip(column + dx, 0, width - 1), np.clip(row + dy, 0, width - 1)
            distance = np.hypot(c + shift[0][r, c] - u, r + shift[1][r, c] - v)
            closer = distance < first
            second = np.where(closer, first, np.minimum(second, distance))
            cell = np.where(closer, r * width + c, cell)
            first = np.minimum(first, distance)
    r, c = np.divmod(cell, width)
    centre = tuple(np.clip((place + shift[k][r, c] - 1) / count, 0, 1) for k, place in enumerate((c, r)))
    return cell, second - first, centre


def _per_cell(rng: np.random.Generator, cell: np.ndarray) -> np.ndarray:
    """One random value in [-1, 1] per cell, spread over its pixels."""
    return rng.uniform(-1, 1, int(cell.max()) + 1).astype(np.float32)[cell]


def _divide(
    rng: np.random.Generator, top: int, left: int, bottom: int, right: int, depth: int
) -> list[tuple[int, int, int, int]]:
    """A rectangle divided `depth` times, always across its longer side."""
    high, wide = bottom - top, right - left
    if depth == 0 or min(high, wide) < 24 or (depth < 3 and rng.random() < 0.15):
        return [(top, left, bottom, right)]
    part = rng.uniform(0.3, 0.7)
    if high > wide:
        middle = top + int(part * high)
        halves = (top, left, middle, right), (middle, left, bottom, right)
    else:
        middle = left + int(part * wide)
        halves = (top, left, bottom, middle), (top, middle, bottom, right)
    return [piece for half in halves for piece in _divide(rng, *half, depth=depth - 1)]


def _ink(colours: np.ndarray) -> list[tuple[int, int, int]]:
    """Colours (n, 3) in [0, 1] as Pillow takes them."""
    return [tuple(colour) for colour in (colours * 255).astype(int).tolist()]


def _to_image(rgb: np.ndarray) -> Image.Image:
    return Image.fromarray((np.clip(rgb, 0, 1) * 255).astype(np.uint8))


def _to_array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255

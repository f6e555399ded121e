"""Everything around the animal: backgrounds, clutter, things in front, and the light."""

import numpy as np

from jaxcnn.data.drawn_pets.canvas import SCENE, Canvas, blend_planes, mix
from jaxcnn.data.drawn_pets.coat import DARK, any_colour, smooth_noise
from jaxcnn.data.drawn_pets.random_draws import Draws
from jaxcnn.data.drawn_pets.shapes import Point, Shape, capsule, ellipse, polygon, sin_cos, union


def paint_background(canvas: Canvas, draws: Draws) -> None:
    """Fill the picture with one of the backgrounds, and clutter on most of them."""
    draws.choice(_BACKGROUNDS)(canvas, draws)
    for _ in range(draws.integer(7)):
        centre = draws.uniform(0.0, 1.0), draws.uniform(0.0, 1.0)
        _paint_thing(canvas, draws, centre, draws.uniform(0.05, 0.16))


def paint_foreground(canvas: Canvas, draws: Draws) -> None:
    """Paint things in front of the animal, low enough to leave the face free."""
    if draws.chance(0.35):
        for _ in range(2 + draws.integer(6)):
            _paint_blade(canvas, draws, reach=0.28)
    if draws.chance(0.25):
        centre = (draws.uniform(0.02, 0.98), draws.uniform(0.86, 1.0))
        _paint_thing(canvas, draws, centre, draws.uniform(0.06, 0.12))


def light(canvas: Canvas, draws: Draws) -> np.ndarray:
    """Light the finished picture, add grain, and return it as (size, size, 3) uint8."""
    x, y = canvas.all_coordinates(SCENE)
    x, y = x - 0.5, y - 0.5
    sin, cos = sin_cos(draws.uniform(-3.1, 3.1))
    slope, vignette = draws.uniform(0.0, 0.5), draws.uniform(0.0, 0.6)
    gain = 1.0 + slope * (cos * x + sin * y) - vignette * (x * x + y * y)
    exposure = draws.uniform(0.82, 1.2)
    cast = [exposure * draws.uniform(0.88, 1.10) for _ in range(3)]
    lifted, contrast = draws.uniform(0.0, 0.10), draws.uniform(0.8, 1.0)
    planes = canvas.planes * gain
    planes = planes * np.array(cast, np.float32).reshape(3, 1, 1) * contrast + lifted
    planes = planes + draws.grain(canvas.size_px) * draws.uniform(0.0, 0.05)
    levels = np.minimum(np.maximum(planes * 255.0 + 0.5, 0.0), 255.0).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def _plain(canvas: Canvas, draws: Draws) -> None:
    first = any_colour(draws)
    second = first if draws.chance(0.4) else any_colour(draws)
    sin, cos = sin_cos(draws.uniform(-3.1, 3.1))
    x, y = canvas.all_coordinates(SCENE)
    ramp = np.minimum(np.maximum((x - 0.5) * cos + (y - 0.5) * sin + 0.5, 0.0), 1.0)
    canvas.planes[:] = blend_planes(first, second, ramp)


def _striped(canvas: Canvas, draws: Draws) -> None:
    sin, cos = sin_cos(draws.uniform(-3.1, 3.1))
    x, y = canvas.all_coordinates(SCENE)
    mask = _bands(canvas, x * cos + y * sin, draws.uniform(3.0, 10.0))
    if draws.chance(0.3):  # a second set across the first makes checks
        other = _bands(canvas, y * cos - x * sin, draws.uniform(3.0, 10.0))
        mask = np.abs(mask - other)
    canvas.planes[:] = blend_planes(any_colour(draws), any_colour(draws), mask)


def _bands(canvas: Canvas, along: np.ndarray, frequency: float) -> np.ndarray:
    phase = along * frequency + 32.0
    wave = np.abs(phase - np.floor(phase) - 0.5) - 0.25
    return canvas.coverage(wave, 1.0 / frequency)


def _cloudy(canvas: Canvas, draws: Draws) -> None:
    x, y = canvas.all_coordinates(SCENE)
    frequency = draws.uniform(2.0, 9.0)
    noise = smooth_noise(draws.lattice(16, 16), x * frequency, y * frequency)
    if draws.chance(0.5):  # hard edges: camouflage, blankets, pebbles
        noise = np.minimum(np.maximum((noise - 0.5) * 8.0 + 0.5, 0.0), 1.0)
    canvas.planes[:] = blend_planes(any_colour(draws), any_colour(draws), noise)


def _room(canvas: Canvas, draws: Draws) -> None:
    floor = draws.uniform(0.5, 0.85)
    wall, ground = any_colour(draws), any_colour(draws)
    _, y = canvas.all_coordinates(SCENE)
    canvas.planes[:] = blend_planes(wall, ground, canvas.coverage(floor - y, 1.0))
    skirting = capsule((-0.1, floor), (1.1, floor), 0.012)
    canvas.paint(SCENE, skirting, mix(wall, DARK, 0.4))
    for _ in range(1 + draws.integer(2)):  # pictures and windows
        x, top = draws.uniform(0.0, 1.0), draws.uniform(0.02, 0.3)
        width, height = draws.uniform(0.08, 0.2), draws.uniform(0.1, 0.25)
        corners = [(x, top), (x + width, top), (x + width, top + height), (x, top + height)]
        frame = mix(any_colour(draws), DARK, 0.3)
        canvas.paint(SCENE, polygon(corners), any_colour(draws), ink=frame, line=0.02)


def _meadow(canvas: Canvas, draws: Draws) -> None:
    horizon = draws.uniform(0.3, 0.8)
    sky, grass = any_colour(draws), any_colour(draws)
    _, y = canvas.all_coordinates(SCENE)
    canvas.planes[:] = blend_planes(sky, mix(sky, (1.0, 1.0, 1.0), 0.5), y)
    for _ in range(2):
        hill = ellipse((draws.uniform(), horizon + 0.6), (draws.uniform(0.7, 1.4), 0.6))
        canvas.paint(SCENE, hill, mix(grass, any_colour(draws), 0.25))
    for _ in range(6 + draws.integer(14)):
        _paint_blade(canvas, draws, reach=0.9)


_BACKGROUNDS = (_plain, _striped, _cloudy, _room, _meadow)


def _paint_blade(canvas: Canvas, draws: Draws, reach: float) -> None:
    x, y = draws.uniform(-0.05, 1.05), draws.uniform(1.0 - 0.5 * reach, 1.05)
    tip = (x + draws.uniform(-0.15, 0.15), y - draws.uniform(0.3, 0.6) * reach)
    blade = capsule((x, y), tip, draws.uniform(0.008, 0.02), 0.003)
    canvas.paint(SCENE, blade, any_colour(draws))


def _paint_thing(canvas: Canvas, draws: Draws, centre: Point, size: float) -> None:
    """Paint an object in any colour, with an outline or without."""
    thing, colour = _draw_thing(draws, centre, size), any_colour(draws)
    ink = mix(colour, DARK, 0.7) if draws.chance(0.6) else None
    canvas.paint(SCENE, thing, colour, ink=ink, line=draws.uniform(0.006, 0.014))


def _draw_thing(draws: Draws, centre: Point, size: float) -> Shape:
    """Draw an object: a ball, a leaf, a stick, a block, a cone, or a pair of cones."""
    x, y = centre
    kind = draws.integer(6)
    sin, cos = sin_cos(draws.uniform(-3.1, 3.1))
    along, across = (size * cos, size * sin), (-size * sin, size * cos)
    if kind == 0:
        return ellipse(centre, (size, size))
    if kind == 1:
        return ellipse(centre, (size, size * draws.uniform(0.35, 0.7)), draws.uniform(-1.6, 1.6))
    if kind == 2:
        end = (x + 2.0 * along[0], y + 2.0 * along[1])
        return capsule(centre, end, size * draws.uniform(0.08, 0.3), size * 0.1)
    if kind == 3:
        return polygon(
            [
                (x + s * along[0] + t * across[0], y + s * along[1] + t * across[1])
                for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ],
            rounding=0.1 * size,
        )
    cone = _cone(x, y, along, across)
    if kind == 4:
        return cone
    return union(cone, _cone(x + 1.6 * across[0], y + 1.6 * across[1], along, across))


def _cone(x: float, y: float, along: Point, across: Point) -> Shape:
    return polygon(
        [
            (x + 1.3 * along[0], y + 1.3 * along[1]),
            (x + 0.7 * across[0], y + 0.7 * across[1]),
            (x - 0.7 * across[0], y - 0.7 * across[1]),
        ]
    )

"""Colours and fur of one animal, drawn alike for both classes."""

from typing import NamedTuple

import numpy as np

from jaxcnn.data.drawn_pets.canvas import Canvas, Colour, Frame, Shading, blend_planes, mix
from jaxcnn.data.drawn_pets.random_draws import Draws
from jaxcnn.data.drawn_pets.shapes import sin_cos

FUR_COLOURS: tuple[Colour, ...] = (
    (0.16, 0.15, 0.17),  # black
    (0.33, 0.33, 0.36),  # charcoal
    (0.55, 0.55, 0.57),  # grey
    (0.47, 0.53, 0.62),  # blue grey
    (0.78, 0.78, 0.78),  # silver
    (0.95, 0.94, 0.91),  # white
    (0.95, 0.87, 0.71),  # cream
    (0.80, 0.63, 0.42),  # tan
    (0.88, 0.55, 0.24),  # ginger
    (0.56, 0.36, 0.20),  # brown
    (0.34, 0.21, 0.14),  # chocolate
)
IRISES: tuple[Colour, ...] = (
    (0.62, 0.80, 0.30),
    (0.95, 0.75, 0.20),
    (0.45, 0.75, 0.95),
    (0.85, 0.55, 0.25),
    (0.96, 0.95, 0.92),
)
NOSES: tuple[Colour, ...] = ((0.10, 0.08, 0.09), (0.93, 0.55, 0.56), (0.36, 0.20, 0.15))
PINKS: tuple[Colour, ...] = ((0.95, 0.60, 0.62), (0.88, 0.40, 0.45), (0.97, 0.72, 0.70))
DARK: Colour = (0.09, 0.07, 0.08)
LIGHT: Colour = (0.97, 0.96, 0.93)
PATTERNS = ("plain", "stripes", "patches", "spots")


class Coat(NamedTuple):
    """The colours of one animal."""

    fur: np.ndarray  # (3, size_px, size_px) float32, the pattern over the whole picture
    marking: Colour  # of muzzle, chest and paws
    has_blaze: bool  # a stripe of the marking's colour down the face
    has_bib: bool
    has_socks: bool
    ink: Colour  # outlines
    line: float  # their width, in head radii
    iris: Colour
    nose: Colour
    tongue: Colour
    inner_ear: Colour
    whisker: Colour
    collar: Colour | None
    shading: Shading


def draw_coat(draws: Draws, canvas: Canvas, frame: Frame) -> Coat:
    """Draw the colours of an animal that stands in `frame`."""
    base, second = _fur_colour(draws), _fur_colour(draws)
    marking = mix(base, _fur_colour(draws), 0.8) if draws.chance(0.6) else base
    # Lines must show on the fur: dark ink on all but dark fur.
    is_light = _luminance(base) + 0.5 * _luminance(second) > 0.45
    ink = mix(DARK, base, 0.12) if is_light else mix(base, LIGHT, 0.55)
    light_x, light_y = sin_cos(draws.uniform(-1.0, 1.0))
    strength = draws.uniform(0.02, 0.16)
    return Coat(
        fur=_draw_fur(draws, canvas, frame, base, second),
        marking=marking,
        has_blaze=draws.chance(0.3),
        has_bib=draws.chance(0.5),
        has_socks=draws.chance(0.5),
        ink=ink,
        line=draws.uniform(0.035, 0.065),
        iris=draws.choice(IRISES),
        nose=_in_contrast(draws.choice(NOSES), marking),
        tongue=draws.choice(PINKS),
        inner_ear=draws.choice((*PINKS, mix(base, DARK, 0.35), mix(base, LIGHT, 0.45))),
        whisker=ink if draws.chance(0.5) else LIGHT,
        collar=any_colour(draws) if draws.chance(0.4) else None,
        shading=Shading((strength * light_x, -strength * light_y), draws.uniform(0.05, 0.3), 0.3),
    )


def _luminance(colour: Colour) -> float:
    """Return how bright a colour is, from 0 to 1 (weights of ITU-R BT.601)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def any_colour(draws: Draws) -> Colour:
    """Draw a colour of any hue: a third of them like fur, so that fur's are no sign of a pet."""
    if draws.chance(0.35):
        return _fur_colour(draws)
    value, saturation = draws.uniform(0.25, 1.0), draws.uniform(0.05, 0.75)
    sector, within_sector = draws.integer(6), draws.uniform()
    low, rising = value * (1.0 - saturation), value * (1.0 - saturation * within_sector)
    channels = [value, rising, low]
    order = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0))[sector]
    return channels[order[0]], channels[order[1]], channels[order[2]]


def _fur_colour(draws: Draws) -> Colour:
    level = draws.uniform(-0.06, 0.06)
    red, green, blue = (
        min(max(part + level + draws.uniform(-0.03, 0.03), 0.04), 0.98)
        for part in draws.choice(FUR_COLOURS)
    )
    return red, green, blue


def _in_contrast(colour: Colour, ground: Colour) -> Colour:
    if abs(_luminance(colour) - _luminance(ground)) > 0.25:
        return colour
    return DARK if _luminance(ground) > 0.4 else NOSES[1]


def _draw_fur(
    draws: Draws, canvas: Canvas, frame: Frame, base: Colour, second: Colour
) -> np.ndarray:
    pattern = draws.choice(PATTERNS)
    x, y = canvas.all_coordinates(frame)
    warp = smooth_noise(draws.lattice(16, 16), x * 1.1 + 60.0, y * 1.1 + 60.0)
    if pattern == "plain":
        mask = 0.35 * warp
    elif pattern == "stripes":
        mask = _stripes(draws, x, y, warp)
    elif pattern == "patches":
        mask = _sharpen((warp - draws.uniform(0.48, 0.58)) * 8.0)
    else:
        mask = _spots(draws, x, y)
    return blend_planes(base, second, mask)


def _stripes(draws: Draws, x: np.ndarray, y: np.ndarray, warp: np.ndarray) -> np.ndarray:
    sin, cos = sin_cos(draws.uniform(-3.0, 3.0))
    along = (x * cos + y * sin) * draws.uniform(1.2, 2.2) + warp * draws.uniform(0.5, 1.5)
    wave = np.abs(along - np.floor(along) - 0.5) * 2.0
    return _sharpen((wave - draws.uniform(0.55, 0.7)) * 6.0)


def _spots(draws: Draws, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    scale = draws.uniform(1.3, 2.2)
    table = draws.lattice(3, 256)
    u, v = x * scale + 64.0, y * scale + 64.0
    column, row = np.floor(u), np.floor(v)
    cell = (column.astype(np.int32) * 37 + row.astype(np.int32) * 101) & 255
    radius = 0.16 + 0.18 * table[2][cell]
    du = u - column - 0.35 - 0.3 * table[0][cell]
    dv = v - row - 0.35 - 0.3 * table[1][cell]
    return _sharpen((radius - np.sqrt(du * du + dv * dv)) * 8.0)


def _sharpen(level: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(level + 0.5, 0.0), 1.0)


def smooth_noise(table: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate smoothly between random values on a grid that repeats.

    Args:
      table: (R, C) float32, R and C powers of two.
      x: columns of the grid, float32 >= 0.
      y: rows of the grid, same shape as `x`, float32 >= 0.

    Returns:
      float32 in the range of `table`, shape of `x`.
    """
    rows, columns = table.shape
    left, top = x.astype(np.int32), y.astype(np.int32)
    u, v = x - left.astype(np.float32), y - top.astype(np.float32)
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    right, bottom = (left + 1) & (columns - 1), ((top + 1) & (rows - 1)) * columns
    left, top = left & (columns - 1), (top & (rows - 1)) * columns
    flat = table.reshape(-1)
    upper = flat[top + left] * (1.0 - u) + flat[top + right] * u
    lower = flat[bottom + left] * (1.0 - u) + flat[bottom + right] * u
    return upper * (1.0 - v) + lower * v

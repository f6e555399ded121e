"""Shapes as signed distances, in exactly rounded arithmetic.

A distance is negative inside. All per-pixel work is + - * / sqrt, comparisons and integer
steps, which IEEE 754 rounds the same way on every CPU; sin and cos, whose last bits differ
between maths libraries, are taken of scalars only and rounded to nine digits.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Shape(NamedTuple):
    """What covers part of the plane."""

    distance: Distance  # (x, y) float32 arrays -> signed distance, in the same unit
    box: Box  # left, top, right, bottom of a rectangle that holds the shape


@functools.lru_cache(maxsize=1024)
def sin_cos(angle_radians: float) -> tuple[float, float]:
    """Return sine and cosine, rounded so that every maths library agrees."""
    return round(math.sin(angle_radians), 9), round(math.cos(angle_radians), 9)


def ellipse(centre: Point, radii: Point, angle_radians: float = 0.0) -> Shape:
    """Make an ellipse; its distance is exact on the outline and good to first order near it."""
    (cx, cy), (rx, ry) = centre, radii
    sin, cos = sin_cos(angle_radians)

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = x - cx, y - cy
        if sin:
            dx, dy = cos * dx + sin * dy, cos * dy - sin * dx
        if rx == ry:
            return np.sqrt(dx * dx + dy * dy) - rx
        u, v = dx * (1.0 / rx), dy * (1.0 / ry)
        level = np.sqrt(u * u + v * v)
        u, v = u * (1.0 / rx), v * (1.0 / ry)
        return level * (level - 1.0) / (np.sqrt(u * u + v * v) + 1e-6)

    half_x = math.sqrt(rx * cos * rx * cos + ry * sin * ry * sin)
    half_y = math.sqrt(rx * sin * rx * sin + ry * cos * ry * cos)
    return Shape(distance, (cx - half_x, cy - half_y, cx + half_x, cy + half_y))


def capsule(start: Point, end: Point, radius: float, end_radius: float | None = None) -> Shape:
    """Make a stroke with round ends, whose radius may change along the way."""
    (ax, ay), bx, by = start, end[0] - start[0], end[1] - start[1]
    grow = 0.0 if end_radius is None else end_radius - radius
    inverse = 1.0 / (bx * bx + by * by + 1e-9)

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = x - ax, y - ay
        along = np.minimum(np.maximum(dx * (bx * inverse) + dy * (by * inverse), 0.0), 1.0)
        dx, dy = dx - bx * along, dy - by * along
        return np.sqrt(dx * dx + dy * dy) - (radius + grow * along if grow else radius)

    reach = max(radius, radius + grow)
    return Shape(distance, _box_of([start, end], reach))


def polygon(corners: Sequence[Point], rounding: float = 0.0) -> Shape:
    """Make a convex polygon, grown by `rounding`, with its corners rounded likewise."""
    points = list(corners)
    if sum(ax * by - bx * ay for (ax, ay), (bx, by) in _edges(points)) <= 0:
        points.reverse()
    edges = _edges(points)

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        sides, squares = [], []
        for (ax, ay), (bx, by) in edges:
            ex, ey = bx - ax, by - ay
            length = math.sqrt(ex * ex + ey * ey) + 1e-9
            dx, dy = x - ax, y - ay
            sides.append(dx * (ey / length) - dy * (ex / length))
            if rounding:
                along = dx * (ex / (length * length)) + dy * (ey / (length * length))
                along = np.minimum(np.maximum(along, 0.0), 1.0)
                dx, dy = dx - ex * along, dy - ey * along
                squares.append(dx * dx + dy * dy)
        inside = functools.reduce(np.maximum, sides)
        if not rounding:
            return inside
        nearest = np.sqrt(functools.reduce(np.minimum, squares))
        return np.where(inside > 0.0, nearest, inside) - rounding

    return Shape(distance, _box_of(points, rounding))


def arc(centre: Point, radius: float, width: float) -> Shape:
    """Make the lower half of a ring, a smile, `width` thick."""
    cx, cy = centre

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = x - cx, y - cy
        ring = np.abs(np.sqrt(dx * dx + dy * dy) - radius) - 0.5 * width
        return np.maximum(ring, -dy)

    reach = radius + width
    return Shape(distance, (cx - reach, cy - width, cx + reach, cy + reach))


def curve(start: Point, bend: Point, end: Point, radius: float, end_radius: float) -> Shape:
    """Make a quadratic Bezier stroke out of short tapered capsules."""
    steps = 5
    points = []
    for step in range(steps + 1):
        t = step / steps
        a, b, c = (1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t
        points.append(
            (a * start[0] + b * bend[0] + c * end[0], a * start[1] + b * bend[1] + c * end[1])
        )
    radii = [radius + (end_radius - radius) * step / steps for step in range(steps + 1)]
    return union(*(capsule(points[i], points[i + 1], radii[i], radii[i + 1]) for i in range(steps)))


def union(*shapes: Shape, blend: float = 0.0) -> Shape:
    """Join shapes; with `blend` > 0 the seams are filled over about that length."""

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        joined = shapes[0].distance(x, y)
        for shape in shapes[1:]:
            other = shape.distance(x, y)
            nearer = np.minimum(joined, other)
            if blend:
                overlap = np.maximum(blend - np.abs(joined - other), 0.0)
                nearer = nearer - overlap * overlap * (0.25 / blend)
            joined = nearer
        return joined

    left, top, right, bottom = zip(*(shape.box for shape in shapes), strict=True)
    grown = 0.25 * blend
    box = (min(left) - grown, min(top) - grown, max(right) + grown, max(bottom) + grown)
    return Shape(distance, box)


def within(shape: Shape, limit: Shape) -> Shape:
    """Keep the part of `shape` that lies in `limit`."""
    left, top, right, bottom = zip(shape.box, limit.box, strict=True)
    return Shape(
        lambda x, y: np.maximum(shape.distance(x, y), limit.distance(x, y)),
        (max(left), max(top), min(right), min(bottom)),
    )


def _edges(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(itertools.pairwise([*points, points[0]]))


def _box_of(points: Sequence[Point], margin: float) -> Box:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin

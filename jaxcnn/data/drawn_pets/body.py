"""The body, in five poses that are painted alike for both classes."""

from jaxcnn.data.drawn_pets.animal import Animal
from jaxcnn.data.drawn_pets.head import paint_head
from jaxcnn.data.drawn_pets.shapes import Point, capsule, curve, ellipse, union


def paint_animal(animal: Animal) -> None:
    """Paint a whole animal, whose head's middle is the origin of its frame."""
    {
        "portrait": _paint_portrait,
        "sitting": _paint_sitting,
        "sitting_side": _paint_sitting_side,
        "standing": _paint_standing,
        "lying": _paint_lying,
    }[animal.pose.kind](animal)
    paint_head(animal.part((0.0, 0.0), animal.pose.head_tilt_radians))


def _paint_portrait(animal: Animal) -> None:
    trunk = animal.anatomy.trunk
    neck = capsule((0.0, 0.6), (0.0, 1.4), trunk, 1.15 * trunk)
    shoulders = ellipse((0.0, 2.2), (1.7 * trunk, 1.15))
    animal.paint_fur(union(neck, shoulders, blend=0.4))
    _paint_bib(animal, (0.0, 1.6), (0.55 * trunk, 0.8))
    _paint_collar(animal, (0.0, 0.98), 0.9 * trunk)


def _paint_sitting(animal: Animal) -> None:
    trunk, leg = animal.anatomy.trunk, animal.anatomy.leg
    side = 1.0 if animal.pose.tail_bend > 0 else -1.0
    _paint_tail(animal, (0.6 * side, 2.3), side)
    for foot in (-1.0, 1.0):
        animal.paint_fur(ellipse((foot * 0.95 * trunk, 2.15), (0.62 * trunk, 0.5)))  # haunch
    animal.paint_fur(capsule((0.0, 0.8), (0.0, 1.75), 0.85 * trunk, 1.1 * trunk))
    _paint_bib(animal, (0.0, 1.3), (0.5 * trunk, 0.6))
    for foot in (-1.0, 1.0):
        x = foot * 0.48 * trunk
        _paint_leg(animal, (x, 1.4), (x, 2.45), leg)
    _paint_collar(animal, (0.0, 0.88), 0.75 * trunk)


def _paint_sitting_side(animal: Animal) -> None:
    trunk, leg = animal.anatomy.trunk, animal.anatomy.leg
    _paint_tail(animal, (-1.2, 2.3), -1.0)
    _paint_leg(animal, (0.32, 1.3), (0.42, 2.45), leg)
    chest = capsule((0.0, 0.7), (-0.1, 1.2), 0.8 * trunk, 0.9 * trunk)
    back = ellipse((-0.55, 1.85), (1.15 * trunk, 1.0 * trunk))
    animal.paint_fur(union(chest, back, blend=0.5))
    _paint_bib(animal, (0.22, 1.25), (0.4 * trunk, 0.5))
    _paint_leg(animal, (0.08, 1.35), (0.12, 2.45), leg)
    animal.paint_fur(ellipse((-0.72, 2.05), (0.75 * trunk, 0.62 * trunk)))  # haunch
    _paint_leg(animal, (-0.75, 2.5), (-0.4, 2.5), 0.85 * leg)
    _paint_collar(animal, (0.0, 0.86), 0.72 * trunk)


def _paint_standing(animal: Animal) -> None:
    trunk, leg = animal.anatomy.trunk, animal.anatomy.leg
    step = 0.12 + 0.3 * animal.pose.stride
    _paint_tail(animal, (-2.3, 0.9), -1.0)
    for hip in (-0.15, -2.05):
        _paint_leg(animal, (hip, 1.2), (hip + step, 2.2), 0.95 * leg)
    chest = capsule((0.0, 0.5), (-0.4, 1.05), 0.7 * trunk, 0.9 * trunk)
    back = capsule((-0.4, 1.1), (-2.0, 1.1), 0.9 * trunk, 0.85 * trunk)
    animal.paint_fur(union(chest, back, blend=0.4))
    _paint_bib(animal, (-0.05, 1.15), (0.42 * trunk, 0.45))
    for hip in (-0.3, -2.2):
        _paint_leg(animal, (hip, 1.3), (hip - step, 2.2), leg)
    _paint_collar(animal, (-0.12, 0.82), 0.68 * trunk)


def _paint_lying(animal: Animal) -> None:
    trunk, leg = animal.anatomy.trunk, animal.anatomy.leg
    side = 1.0 if animal.pose.tail_bend > 0 else -1.0
    _paint_tail(animal, (1.3 * side, 1.2), side)
    animal.paint_fur(ellipse((0.25 * side, 0.85), (2.1 * trunk, 1.1 * trunk)))
    _paint_bib(animal, (0.0, 1.0), (0.55 * trunk, 0.45))
    for foot in (-1.0, 1.0):
        _paint_leg(animal, (foot * 0.75, 1.3), (foot * 0.35, 1.55), leg)
    _paint_collar(animal, (0.0, 0.85), 0.75 * trunk)


def _paint_leg(animal: Animal, hip: Point, foot: Point, radius: float) -> None:
    paw = ellipse((foot[0] + 0.06, foot[1]), (1.35 * radius, 0.9 * radius))
    animal.paint_fur(union(capsule(hip, foot, 1.1 * radius, 0.9 * radius), paw))
    if animal.coat.has_socks:
        animal.paint(paw, animal.coat.marking)


def _paint_tail(animal: Animal, root: Point, side: float) -> None:
    length, bend = animal.anatomy.tail_length, animal.pose.tail_bend
    x, y = root
    middle = (x + side * 0.75 * length, y + 0.15 * bend)
    tip = (x + side * length * (0.5 + 0.25 * bend), y - 0.75 * length)
    radius = animal.anatomy.tail_radius
    animal.paint_fur(curve(root, middle, tip, radius, radius * animal.anatomy.tail_taper))


def _paint_bib(animal: Animal, centre: Point, radii: Point) -> None:
    if animal.coat.has_bib:
        animal.paint(ellipse(centre, radii), animal.coat.marking)


def _paint_collar(animal: Animal, centre: Point, half_width: float) -> None:
    if animal.coat.collar is not None:
        x, y = centre
        band = capsule((x - half_width, y), (x + half_width, y), 0.09)
        animal.paint(band, animal.coat.collar, ink=animal.coat.ink, line=0.03)

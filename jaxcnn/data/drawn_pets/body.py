"""The body, in five poses that are drawn alike for both classes."""

from typing import NamedTuple

from jaxcnn.data.drawn_pets.anatomy import Anatomy
from jaxcnn.data.drawn_pets.canvas import Canvas, Frame
from jaxcnn.data.drawn_pets.coat import Coat
from jaxcnn.data.drawn_pets.draws import Draws
from jaxcnn.data.drawn_pets.head import Turn, paint_head
from jaxcnn.data.drawn_pets.shapes import Box, Point, Shape, capsule, curve, ellipse, union


class Pose(NamedTuple):
    """How an animal holds itself, and how much room it takes."""

    kind: str  # a key of POSE_BOXES
    turn: Turn
    head_tilt_radians: float
    tail_bend: float  # from -1 to 1
    stride: float  # how far the legs of a standing animal are apart, from 0 to 1


# Left, top, right and bottom of each pose in head radii; the head's middle is (0, 0).
POSE_BOXES: dict[str, Box] = {
    "portrait": (-1.25, -1.45, 1.25, 1.3),
    "sitting": (-1.4, -1.45, 1.4, 2.75),
    "sitting_side": (-2.1, -1.45, 1.4, 2.75),
    "standing": (-3.2, -1.45, 1.5, 2.45),
    "lying": (-1.9, -1.45, 1.9, 1.75),
}
_KINDS = ("portrait", "portrait", "sitting", "sitting_side", "standing", "lying")


def draw_pose(draws: Draws) -> Pose:
    """Draw a pose; portraits are twice as frequent as each of the others."""
    kind = draws.choice(_KINDS)
    sideways = kind in ("sitting_side", "standing")
    yaw = draws.uniform(0.2, 0.95) if sideways else draws.uniform(-0.7, 0.7)
    return Pose(
        kind=kind,
        turn=Turn(yaw, draws.uniform(-0.06, 0.10)),
        head_tilt_radians=draws.uniform(-0.3, 0.3),
        tail_bend=draws.uniform(-1.0, 1.0),
        stride=draws.uniform(),
    )


def paint_animal(canvas: Canvas, frame: Frame, anatomy: Anatomy, coat: Coat, pose: Pose) -> None:
    """Paint a whole animal, whose head's middle is the origin of `frame`."""
    {
        "portrait": _paint_portrait,
        "sitting": _paint_sitting,
        "sitting_side": _paint_sitting_side,
        "standing": _paint_standing,
        "lying": _paint_lying,
    }[pose.kind](canvas, frame, anatomy, coat, pose)
    head = frame.child((0.0, 0.0), pose.head_tilt_radians)
    paint_head(canvas, head, anatomy, coat, pose.turn)


def _paint_portrait(canvas: Canvas, frame: Frame, anatomy: Anatomy, coat: Coat, pose: Pose) -> None:
    trunk = anatomy.trunk
    neck = capsule((0.0, 0.6), (0.0, 1.4), trunk, 1.15 * trunk)
    shoulders = ellipse((0.0, 2.2), (1.7 * trunk, 1.15))
    coat.paint(canvas, frame, union(neck, shoulders, blend=0.4))
    _paint_bib(canvas, frame, coat, (0.0, 1.6), (0.55 * trunk, 0.8))
    _paint_collar(canvas, frame, coat, (0.0, 0.98), 0.9 * trunk)


def _paint_sitting(canvas: Canvas, frame: Frame, anatomy: Anatomy, coat: Coat, pose: Pose) -> None:
    trunk, leg = anatomy.trunk, anatomy.leg
    side = 1.0 if pose.tail_bend > 0 else -1.0
    _paint_tail(canvas, frame, anatomy, coat, pose, (0.6 * side, 2.3), side)
    for foot in (-1.0, 1.0):
        haunch = ellipse((foot * 0.95 * trunk, 2.15), (0.62 * trunk, 0.5))
        coat.paint(canvas, frame, haunch)
    coat.paint(canvas, frame, capsule((0.0, 0.8), (0.0, 1.75), 0.85 * trunk, 1.1 * trunk))
    _paint_bib(canvas, frame, coat, (0.0, 1.3), (0.5 * trunk, 0.6))
    for foot in (-1.0, 1.0):
        x = foot * 0.48 * trunk
        _paint_leg(canvas, frame, coat, (x, 1.4), (x, 2.45), leg)
    _paint_collar(canvas, frame, coat, (0.0, 0.88), 0.75 * trunk)


def _paint_sitting_side(
    canvas: Canvas, frame: Frame, anatomy: Anatomy, coat: Coat, pose: Pose
) -> None:
    trunk, leg = anatomy.trunk, anatomy.leg
    _paint_tail(canvas, frame, anatomy, coat, pose, (-1.2, 2.3), -1.0)
    _paint_leg(canvas, frame, coat, (0.32, 1.3), (0.42, 2.45), leg)
    body = union(
        capsule((0.0, 0.7), (-0.1, 1.2), 0.8 * trunk, 0.9 * trunk),
        ellipse((-0.55, 1.85), (1.15 * trunk, 1.0 * trunk)),
        blend=0.5,
    )
    coat.paint(canvas, frame, body)
    _paint_bib(canvas, frame, coat, (0.22, 1.25), (0.4 * trunk, 0.5))
    _paint_leg(canvas, frame, coat, (0.08, 1.35), (0.12, 2.45), leg)
    haunch = ellipse((-0.72, 2.05), (0.75 * trunk, 0.62 * trunk))
    coat.paint(canvas, frame, haunch)
    _paint_leg(canvas, frame, coat, (-0.75, 2.5), (-0.4, 2.5), 0.85 * leg)
    _paint_collar(canvas, frame, coat, (0.0, 0.86), 0.72 * trunk)


def _paint_standing(canvas: Canvas, frame: Frame, anatomy: Anatomy, coat: Coat, pose: Pose) -> None:
    trunk, leg, step = anatomy.trunk, anatomy.leg, 0.12 + 0.3 * pose.stride
    _paint_tail(canvas, frame, anatomy, coat, pose, (-2.3, 0.9), -1.0)
    for hip in (-0.15, -2.05):
        _paint_leg(canvas, frame, coat, (hip, 1.2), (hip + step, 2.2), 0.95 * leg)
    body = union(
        capsule((0.0, 0.5), (-0.4, 1.05), 0.7 * trunk, 0.9 * trunk),
        capsule((-0.4, 1.1), (-2.0, 1.1), 0.9 * trunk, 0.85 * trunk),
        blend=0.4,
    )
    coat.paint(canvas, frame, body)
    _paint_bib(canvas, frame, coat, (-0.05, 1.15), (0.42 * trunk, 0.45))
    for hip in (-0.3, -2.2):
        _paint_leg(canvas, frame, coat, (hip, 1.3), (hip - step, 2.2), leg)
    _paint_collar(canvas, frame, coat, (-0.12, 0.82), 0.68 * trunk)


def _paint_lying(canvas: Canvas, frame: Frame, anatomy: Anatomy, coat: Coat, pose: Pose) -> None:
    trunk, leg = anatomy.trunk, anatomy.leg
    side = 1.0 if pose.tail_bend > 0 else -1.0
    _paint_tail(canvas, frame, anatomy, coat, pose, (1.3 * side, 1.2), side)
    coat.paint(canvas, frame, ellipse((0.25 * side, 0.85), (2.1 * trunk, 1.1 * trunk)))
    _paint_bib(canvas, frame, coat, (0.0, 1.0), (0.55 * trunk, 0.45))
    for foot in (-1.0, 1.0):
        _paint_leg(canvas, frame, coat, (foot * 0.75, 1.3), (foot * 0.35, 1.55), leg)
    _paint_collar(canvas, frame, coat, (0.0, 0.85), 0.75 * trunk)


def _paint_leg(
    canvas: Canvas, frame: Frame, coat: Coat, hip: Point, foot: Point, radius: float
) -> None:
    paw = ellipse((foot[0] + 0.06, foot[1]), (1.35 * radius, 0.9 * radius))
    coat.paint(canvas, frame, union(capsule(hip, foot, 1.1 * radius, 0.9 * radius), paw))
    if coat.has_socks:
        canvas.paint(frame, paw, coat.marking)


def _paint_tail(
    canvas: Canvas,
    frame: Frame,
    anatomy: Anatomy,
    coat: Coat,
    pose: Pose,
    root: Point,
    side: float,
) -> None:
    length, bend = anatomy.tail_length, pose.tail_bend
    x, y = root
    middle = (x + side * 0.75 * length, y + 0.15 * bend)
    tip = (x + side * length * (0.5 + 0.25 * bend), y - 0.75 * length)
    tail = curve(root, middle, tip, anatomy.tail_radius, anatomy.tail_radius * anatomy.tail_taper)
    coat.paint(canvas, frame, tail)


def _paint_bib(canvas: Canvas, frame: Frame, coat: Coat, centre: Point, radii: Point) -> None:
    if coat.has_bib:
        bib: Shape = ellipse(centre, radii)
        canvas.paint(frame, bib, coat.marking)


def _paint_collar(
    canvas: Canvas, frame: Frame, coat: Coat, centre: Point, half_width: float
) -> None:
    if coat.collar is not None:
        x, y = centre
        band = capsule((x - half_width, y), (x + half_width, y), 0.09)
        canvas.paint(frame, band, coat.collar, ink=coat.ink, line=0.03)

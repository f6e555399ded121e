"""The head: ears, skull, eyes, muzzle, nose, mouth and whiskers, turned to any side."""

from jaxcnn.data.drawn_pets.animal import Animal
from jaxcnn.data.drawn_pets.canvas import Shading, mix
from jaxcnn.data.drawn_pets.coat import DARK, LIGHT
from jaxcnn.data.drawn_pets.shapes import (
    Point,
    Shape,
    arc,
    capsule,
    ellipse,
    polygon,
    sin_cos,
    union,
    within,
)


def paint_head(animal: Animal) -> None:
    """Paint a head, whose middle is the origin of the frame and whose radius is its unit."""
    anatomy, yaw = animal.anatomy, animal.pose.yaw_radians
    hanging = anatomy.ear_kind != "upright"  # over the face, not behind it
    # The ear on the side that the head turns to lies behind it, the other in front.
    far_hidden = abs(yaw) > 0.45
    far = 1.0 if yaw > 0 else -1.0
    for side in (far, -far):
        if not hanging or (side == far and far_hidden):
            _paint_ear(animal, side)
    muzzle = _paint_skull(animal)
    for side in (far, -far):
        _paint_eye(animal, side)
    animal.paint(muzzle, animal.coat.marking, shading=Shading((0.0, 0.0), 0.4, 0.14))
    _paint_mouth_and_nose(animal)
    for side in (far, -far):
        if hanging and not (side == far and far_hidden):
            _paint_ear(animal, side)
    if anatomy.whisker_length:
        _paint_whiskers(animal)


def _paint_skull(animal: Animal) -> Shape:
    """Paint skull and muzzle in one piece, and a blaze; return the muzzle, which lies over it."""
    anatomy = animal.anatomy
    width, height, radius = anatomy.head_width, anatomy.head_height, anatomy.muzzle_width
    cheeks = ellipse((0.0, 0.32 * height), (width * anatomy.cheeks, 0.58 * height))
    skull = union(ellipse((0.0, 0.0), (width, height)), cheeks, blend=0.1)
    muzzle = capsule(*_muzzle_ends(animal), radius, radius * anatomy.muzzle_taper)
    animal.paint_fur(union(skull, muzzle, blend=0.15))
    if animal.coat.has_blaze:
        sin, _ = sin_cos(animal.pose.yaw_radians)
        stripe = capsule((0.6 * sin, -height), (0.75 * sin, 0.3), 0.10, 0.24)
        animal.paint(within(stripe, skull), animal.coat.marking)
    return muzzle


def _muzzle_ends(animal: Animal) -> tuple[Point, Point]:
    sin, cos = sin_cos(animal.pose.yaw_radians)
    length = animal.anatomy.muzzle_length
    start = 0.45 * sin, animal.anatomy.muzzle_drop + animal.pose.pitch
    # Seen from the front a snout points at the viewer and hangs a little lower.
    end = (0.55 + length) * sin, start[1] + length * (0.14 + 0.32 * cos)
    return start, end


def _paint_ear(animal: Animal, side: float) -> None:
    anatomy = animal.anatomy
    sin, cos = sin_cos(animal.pose.yaw_radians)
    upright = anatomy.ear_kind == "upright"
    across, up = (0.62, 0.55) if upright else (0.74, 0.62)
    x = side * anatomy.head_width * across * cos
    # Leaning outwards turns an ear that points up the other way than one that points down.
    lean = (side if upright else -side) * anatomy.ear_splay_radians
    ear = animal.part((x - 0.12 * sin, -anatomy.head_height * up), lean)
    narrow = anatomy.ear_width * (0.55 + 0.45 * cos)
    length, tip = anatomy.ear_length, anatomy.ear_rounding
    if upright:
        ear.paint_fur(_triangle(narrow, length, tip, side))
        ear.paint(_triangle(0.55 * narrow, 0.62 * length, tip, side), animal.coat.inner_ear)
    elif anatomy.ear_kind == "folded":
        corners = [(-narrow, -0.05), (0.0, -0.3), (narrow, -0.02), (side * 0.16, length - 0.2)]
        ear.paint_fur(polygon(corners, tip))
    else:
        lobe = (side * 0.2 * cos, length)
        ear.paint_fur(capsule((0.0, 0.0), lobe, 0.6 * narrow, 0.95 * narrow))


def _triangle(half_width: float, length: float, rounding: float, side: float) -> Shape:
    tip = (side * 0.08, -length + rounding)
    return polygon([(-half_width, 0.2), tip, (half_width, 0.2)], rounding)


def _paint_eye(animal: Animal, side: float) -> None:
    anatomy, coat, pose = animal.anatomy, animal.coat, animal.pose
    sin, cos = sin_cos(pose.yaw_radians + side * anatomy.eye_apart_radians)
    if cos < 0.25:  # round the corner
        return
    squeeze = 0.45 + 0.55 * cos
    centre = (0.94 * anatomy.head_width * sin, -0.14 * anatomy.head_height + pose.pitch)
    eye = animal.part(centre, -side * anatomy.eye_tilt_radians)
    width, height = anatomy.eye_width * squeeze, anatomy.eye_height
    ball = ellipse((0.0, 0.0), (width, height))
    eye.paint(ball, coat.iris, ink=DARK, line=0.8 * coat.line)
    pupil = ellipse(
        (0.25 * width * sin_cos(pose.yaw_radians)[0], 0.0),
        (anatomy.pupil_width * width, anatomy.pupil_height * height),
    )
    eye.paint(pupil, DARK)
    glint = ellipse((0.22 * width, -0.35 * height), (0.24 * height, 0.24 * height))
    eye.paint(glint, LIGHT)


def _paint_mouth_and_nose(animal: Animal) -> None:
    anatomy, coat = animal.anatomy, animal.coat
    sin, _ = sin_cos(animal.pose.yaw_radians)
    radius = anatomy.muzzle_width * anatomy.muzzle_taper
    _, (x, y) = _muzzle_ends(animal)
    nose_width = anatomy.nose_width
    nose_x, nose_y = x + sin * (radius - 0.4 * nose_width), y - 0.45 * radius
    mouth_y, smile = y + 0.08 * radius, 0.42 * radius
    middle = x + 0.5 * sin * radius
    if anatomy.tongue_length:
        tip = (middle, mouth_y + smile + anatomy.tongue_length)
        tongue = capsule((middle, mouth_y + smile), tip, 0.7 * smile)
        animal.paint(tongue, coat.tongue, ink=mix(coat.tongue, DARK, 0.6), line=0.03)
    line = mix(DARK, coat.marking, 0.15) if sum(coat.marking) > 0.9 else coat.ink
    cheeks = [arc((middle + side * smile, mouth_y), smile, 0.06) for side in (-1.0, 1.0)]
    lips = union(*cheeks, capsule((nose_x, nose_y), (middle, mouth_y), 0.03))
    animal.paint(lips, line)
    if anatomy.nose_pointed:
        corners = [(-nose_width, -0.06), (nose_width, -0.06), (0.0, 0.09)]
        nose = polygon([(nose_x + dx, nose_y + dy) for dx, dy in corners], 0.035)
    else:
        nose = ellipse((nose_x, nose_y), (nose_width, 0.72 * nose_width))
    animal.paint(nose, coat.nose, ink=mix(coat.nose, DARK, 0.5), line=0.02)
    shine = (nose_x - 0.2 * nose_width, nose_y - 0.35 * nose_width)
    animal.paint(ellipse(shine, (0.3 * nose_width, 0.15 * nose_width)), LIGHT, opacity=0.6)


def _paint_whiskers(animal: Animal) -> None:
    _, cos = sin_cos(animal.pose.yaw_radians)
    _, (x, y) = _muzzle_ends(animal)
    reach = animal.anatomy.whisker_length * (0.6 + 0.4 * cos)
    for side in (-1.0, 1.0):
        whiskers = [
            capsule(
                (x + side * 0.3, y + 0.02 + 0.07 * row),
                (x + side * (0.35 + reach), y - 0.02 + 0.24 * row),
                0.022,
                0.012,
            )
            for row in (-1.0, 0.0, 1.0)
        ]
        animal.paint(union(*whiskers), animal.coat.whisker)

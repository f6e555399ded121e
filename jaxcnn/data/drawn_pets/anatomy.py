"""What makes a cat a cat and a dog a dog: the only place where the class matters.

All of it is shape. Colours, fur, light, pose and background are drawn elsewhere, from the same
distributions for both. Lengths are in head radii unless they say otherwise.
"""

from typing import NamedTuple

from jaxcnn.data.drawn_pets.draws import Draws

CAT, DOG = 0, 1


class Anatomy(NamedTuple):
    """The shape of one animal."""

    head_width: float  # half the width of the skull
    head_height: float  # half its height
    cheeks: float  # half the width at the cheeks, relative to head_width
    ear_kind: str  # "upright", "folded" or "hanging"
    ear_length: float
    ear_width: float  # half the width at the base
    ear_splay_radians: float  # how far the ears lean outwards
    ear_rounding: float  # radius of the tip
    muzzle_length: float  # how far the snout stands out of the face
    muzzle_width: float  # its radius at the face
    muzzle_taper: float  # its radius at the nose, relative to muzzle_width
    muzzle_drop: float  # how far below the middle of the head it starts
    nose_width: float  # half the width of the nose
    nose_pointed: bool  # a small triangle rather than an oval
    eye_width: float  # half the width of an eye
    eye_height: float
    eye_apart_radians: float  # angle from the middle of the face to each eye
    eye_tilt_radians: float  # outer corners up
    pupil_width: float  # relative to eye_width
    pupil_height: float  # relative to eye_height
    whisker_length: float  # 0 for none
    tongue_length: float  # 0 for none
    trunk: float  # radius of the body
    leg: float  # radius of a leg
    tail_length: float
    tail_radius: float
    tail_taper: float  # radius at the tip, relative to tail_radius


def draw_anatomy(draws: Draws, label: int) -> Anatomy:
    """Draw the shape of a cat (label 0) or a dog (label 1)."""
    return _draw_cat(draws) if label == CAT else _draw_dog(draws)


def _draw_cat(draws: Draws) -> Anatomy:
    return Anatomy(
        head_width=draws.uniform(0.95, 1.08),
        head_height=draws.uniform(0.78, 0.86),
        cheeks=draws.uniform(0.85, 1.0),
        ear_kind="upright",
        ear_length=draws.uniform(0.62, 0.85),
        ear_width=draws.uniform(0.32, 0.40),
        ear_splay_radians=draws.uniform(0.12, 0.50),
        ear_rounding=draws.uniform(0.02, 0.05),
        muzzle_length=draws.uniform(0.04, 0.14),
        muzzle_width=draws.uniform(0.30, 0.36),
        muzzle_taper=draws.uniform(0.85, 0.95),
        muzzle_drop=draws.uniform(0.34, 0.40),
        nose_width=draws.uniform(0.09, 0.13),
        nose_pointed=True,
        eye_width=draws.uniform(0.21, 0.27),
        eye_height=draws.uniform(0.17, 0.24),
        eye_apart_radians=draws.uniform(0.44, 0.54),
        eye_tilt_radians=draws.uniform(0.10, 0.35),
        pupil_width=draws.uniform(0.20, 0.60),
        pupil_height=draws.uniform(0.80, 0.98),
        whisker_length=draws.uniform(0.55, 0.95),
        tongue_length=draws.uniform(0.10, 0.16) if draws.chance(0.2) else 0.0,
        trunk=draws.uniform(0.66, 0.80),
        leg=draws.uniform(0.20, 0.25),
        tail_length=draws.uniform(1.5, 2.2),
        tail_radius=draws.uniform(0.14, 0.20),
        tail_taper=draws.uniform(0.65, 1.0),
    )


def _draw_dog(draws: Draws) -> Anatomy:
    ear_kind = draws.choice(("hanging", "hanging", "folded", "upright"))
    # What stands on end like a cat's ear goes with a longer snout and smaller eyes: a child,
    # and a small picture, must be able to tell.
    upright = ear_kind == "upright"
    length = {"hanging": (0.85, 1.35), "folded": (0.62, 0.80), "upright": (0.70, 0.95)}[ear_kind]
    return Anatomy(
        head_width=draws.uniform(0.80, 0.92),
        head_height=draws.uniform(0.84, 0.95),
        cheeks=draws.uniform(0.70, 0.95),
        ear_kind=ear_kind,
        ear_length=draws.uniform(*length),
        ear_width=draws.uniform(0.27, 0.36),
        ear_splay_radians=draws.uniform(0.05, 0.45),
        ear_rounding=draws.uniform(0.05, 0.12),
        muzzle_length=draws.uniform(0.72, 0.95) if upright else draws.uniform(0.50, 0.85),
        muzzle_width=draws.uniform(0.42, 0.50),
        muzzle_taper=draws.uniform(0.75, 0.95),
        muzzle_drop=draws.uniform(0.26, 0.34),
        nose_width=draws.uniform(0.19, 0.27),
        nose_pointed=False,
        eye_width=draws.uniform(0.13, 0.17) if upright else draws.uniform(0.15, 0.20),
        eye_height=draws.uniform(0.14, 0.18) if upright else draws.uniform(0.16, 0.21),
        eye_apart_radians=draws.uniform(0.40, 0.52),
        eye_tilt_radians=draws.uniform(-0.2, 0.1),
        pupil_width=draws.uniform(0.60, 0.80),
        pupil_height=draws.uniform(0.60, 0.80),
        whisker_length=0.0,
        tongue_length=draws.uniform(0.25, 0.50) if draws.chance(0.4) else 0.0,
        trunk=draws.uniform(0.70, 0.86),
        leg=draws.uniform(0.22, 0.28),
        tail_length=draws.uniform(1.0, 1.7),
        tail_radius=draws.uniform(0.14, 0.24),
        tail_taper=draws.uniform(0.3, 0.8),
    )

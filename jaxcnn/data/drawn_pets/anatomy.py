"""Shapes of cats and of dogs: the only place where the class matters.

All of it is shape. Colours, fur, light, pose and background are drawn elsewhere, from the same
distributions for both. Lengths are in head radii unless they say otherwise.
"""

from typing import NamedTuple

from jaxcnn.data.drawn_pets.random_draws import Draws

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


# Least and greatest length of a cat, and of a dog, in the order in which they are drawn.
_LENGTHS = {
    "head_width": ((0.95, 1.08), (0.80, 0.92)),
    "head_height": ((0.78, 0.86), (0.84, 0.95)),
    "cheeks": ((0.85, 1.0), (0.70, 0.95)),
    "ear_length": ((0.62, 0.85), (0.85, 1.35)),
    "ear_width": ((0.32, 0.40), (0.27, 0.36)),
    "ear_splay_radians": ((0.12, 0.50), (0.05, 0.45)),
    "ear_rounding": ((0.02, 0.05), (0.05, 0.12)),
    "muzzle_length": ((0.04, 0.14), (0.50, 0.85)),
    "muzzle_width": ((0.30, 0.36), (0.42, 0.50)),
    "muzzle_taper": ((0.85, 0.95), (0.75, 0.95)),
    "muzzle_drop": ((0.34, 0.40), (0.26, 0.34)),
    "nose_width": ((0.09, 0.13), (0.19, 0.27)),
    "eye_width": ((0.21, 0.27), (0.15, 0.20)),
    "eye_height": ((0.17, 0.24), (0.16, 0.21)),
    "eye_apart_radians": ((0.44, 0.54), (0.40, 0.52)),
    "eye_tilt_radians": ((0.10, 0.35), (-0.2, 0.1)),
    "pupil_width": ((0.20, 0.60), (0.60, 0.80)),
    "pupil_height": ((0.80, 0.98), (0.60, 0.80)),
    "whisker_length": ((0.55, 0.95), None),
    "tongue_length": ((0.10, 0.16), (0.25, 0.50)),
    "trunk": ((0.66, 0.80), (0.70, 0.86)),
    "leg": ((0.20, 0.25), (0.22, 0.28)),
    "tail_length": ((1.5, 2.2), (1.0, 1.7)),
    "tail_radius": ((0.14, 0.20), (0.14, 0.24)),
    "tail_taper": ((0.65, 1.0), (0.3, 0.8)),
}
_DOG_EARS = ("hanging", "hanging", "folded", "upright")
# Where dogs with other ears than hanging ones differ. Ears that stand up like a cat's go with a
# longer snout and smaller eyes: a child, and a small picture, must show which it is.
_DOG_LENGTHS = {
    "hanging": {},
    "folded": {"ear_length": (0.62, 0.80)},
    "upright": {
        "ear_length": (0.70, 0.95),
        "muzzle_length": (0.72, 0.95),
        "eye_width": (0.13, 0.17),
        "eye_height": (0.14, 0.18),
    },
}
_TONGUE_PROBABILITY = (0.2, 0.4)


def draw_anatomy(draws: Draws, label: int) -> Anatomy:
    """Draw the shape of a cat (label 0) or a dog (label 1)."""
    ranges = {name: of_class[label] for name, of_class in _LENGTHS.items()}
    ear_kind = "upright"
    if label == DOG:
        ear_kind = draws.choice(_DOG_EARS)
        ranges |= _DOG_LENGTHS[ear_kind]
    lengths = {}
    for name, ends in ranges.items():
        is_there = name != "tongue_length" or draws.chance(_TONGUE_PROBABILITY[label])
        lengths[name] = draws.uniform(*ends) if ends and is_there else 0.0
    return Anatomy(ear_kind=ear_kind, nose_pointed=label == CAT, **lengths)

"""Shapes of cats and of dogs: the only place where the class matters.

All of it is shape. Colours, fur, light, pose and background are drawn elsewhere, from the same
distributions for both. Lengths are in head radii unless they say otherwise.
"""

import dataclasses
from typing import Any

from jaxcnn.data.drawn_pets.random_draws import Draws

CAT, DOG = 0, 1


def _between(cat: tuple[float, float], dog: tuple[float, float] | None) -> Any:
    """Declare a length, with the least and the greatest of a cat and of a dog; None for neither."""
    return dataclasses.field(metadata={"ranges": (cat, dog)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anatomy:
    """The shape of one animal; its lengths in the order in which they are drawn."""

    head_width: float = _between((0.95, 1.08), (0.80, 0.92))  # half the width of the skull
    head_height: float = _between((0.78, 0.86), (0.84, 0.95))  # half its height
    # Half the width at the cheeks, relative to head_width
    cheeks: float = _between((0.85, 1.0), (0.70, 0.95))
    ear_kind: str  # "upright", "folded" or "hanging"
    ear_length: float = _between((0.62, 0.85), (0.85, 1.35))
    ear_width: float = _between((0.32, 0.40), (0.27, 0.36))  # half the width at the base
    # How far the ears lean outwards
    ear_splay_radians: float = _between((0.12, 0.50), (0.05, 0.45))
    ear_rounding: float = _between((0.02, 0.05), (0.05, 0.12))  # radius of the tip
    # How far the snout stands out of the face
    muzzle_length: float = _between((0.04, 0.14), (0.50, 0.85))
    muzzle_width: float = _between((0.30, 0.36), (0.42, 0.50))  # its radius at the face
    # Its radius at the nose, relative to muzzle_width
    muzzle_taper: float = _between((0.85, 0.95), (0.75, 0.95))
    # How far below the middle of the head it starts
    muzzle_drop: float = _between((0.34, 0.40), (0.26, 0.34))
    nose_width: float = _between((0.09, 0.13), (0.19, 0.27))  # half the width of the nose
    nose_pointed: bool  # a small triangle rather than an oval
    eye_width: float = _between((0.21, 0.27), (0.15, 0.20))  # half the width of an eye
    eye_height: float = _between((0.17, 0.24), (0.16, 0.21))
    # Angle from the middle of the face to each eye
    eye_apart_radians: float = _between((0.44, 0.54), (0.40, 0.52))
    eye_tilt_radians: float = _between((0.10, 0.35), (-0.2, 0.1))  # outer corners up
    pupil_width: float = _between((0.20, 0.60), (0.60, 0.80))  # relative to eye_width
    pupil_height: float = _between((0.80, 0.98), (0.60, 0.80))  # relative to eye_height
    whisker_length: float = _between((0.55, 0.95), None)  # 0 for none
    tongue_length: float = _between((0.10, 0.16), (0.25, 0.50))  # 0 for none
    trunk: float = _between((0.66, 0.80), (0.70, 0.86))  # radius of the body
    leg: float = _between((0.20, 0.25), (0.22, 0.28))  # radius of a leg
    tail_length: float = _between((1.5, 2.2), (1.0, 1.7))
    tail_radius: float = _between((0.14, 0.20), (0.14, 0.24))
    # Radius at the tip, relative to tail_radius
    tail_taper: float = _between((0.65, 1.0), (0.3, 0.8))


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
    fields = dataclasses.fields(Anatomy)
    ranges = {field.name: field.metadata["ranges"][label] for field in fields if field.metadata}
    ear_kind = "upright"
    if label == DOG:
        ear_kind = draws.choice(_DOG_EARS)
        ranges |= _DOG_LENGTHS[ear_kind]
    lengths = {}
    for name, ends in ranges.items():
        is_there = name != "tongue_length" or draws.chance(_TONGUE_PROBABILITY[label])
        lengths[name] = draws.uniform(*ends) if ends and is_there else 0.0
    return Anatomy(ear_kind=ear_kind, nose_pointed=label == CAT, **lengths)

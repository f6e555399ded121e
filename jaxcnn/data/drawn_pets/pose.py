"""How an animal holds itself, drawn alike for both classes."""

from typing import NamedTuple

from jaxcnn.data.drawn_pets.random_draws import Draws
from jaxcnn.data.drawn_pets.shapes import Box

# Left, top, right and bottom of each pose in head radii; the head's middle is (0, 0).
POSE_BOXES: dict[str, Box] = {
    "portrait": (-1.25, -1.45, 1.25, 1.3),
    "sitting": (-1.4, -1.45, 1.4, 2.75),
    "sitting_side": (-2.1, -1.45, 1.4, 2.75),
    "standing": (-3.2, -1.45, 1.5, 2.45),
    "lying": (-1.9, -1.45, 1.9, 1.75),
}


class Pose(NamedTuple):
    """How an animal holds itself."""

    kind: str  # a key of POSE_BOXES
    yaw_radians: float  # of the head: 0 looks at the viewer, positive to the right of the frame
    pitch: float  # how far the face is moved down, in head radii
    head_tilt_radians: float
    tail_bend: float  # from -1 to 1
    stride: float  # distance between the legs of a standing animal, from 0 to 1


def draw_pose(draws: Draws) -> Pose:
    """Draw a pose; portraits are twice as frequent as each of the others."""
    kind = draws.choice(("portrait", *POSE_BOXES))
    sideways = kind in ("sitting_side", "standing")
    return Pose(
        kind=kind,
        yaw_radians=draws.uniform(0.2, 0.95) if sideways else draws.uniform(-0.7, 0.7),
        pitch=draws.uniform(-0.06, 0.10),
        head_tilt_radians=draws.uniform(-0.3, 0.3),
        tail_bend=draws.uniform(-1.0, 1.0),
        stride=draws.uniform(),
    )

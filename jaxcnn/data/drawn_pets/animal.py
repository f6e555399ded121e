"""One animal: how it holds itself, all else that was drawn of it, and how its parts are painted."""

from typing import Any, NamedTuple

import numpy as np

from jaxcnn.data.drawn_pets.anatomy import Anatomy
from jaxcnn.data.drawn_pets.canvas import Canvas, Colour, Frame
from jaxcnn.data.drawn_pets.coat import Coat
from jaxcnn.data.drawn_pets.random_draws import Draws
from jaxcnn.data.drawn_pets.shapes import Box, Point, Shape

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
    """Draw a pose, alike for both classes; portraits are twice as frequent as each other one."""
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


class Animal(NamedTuple):
    """An animal, or a part of it, on a canvas."""

    canvas: Canvas
    frame: Frame  # of the part; that of the whole has the head's middle as its origin
    anatomy: Anatomy
    coat: Coat
    pose: Pose

    def part(self, origin: Point, angle_radians: float = 0.0) -> "Animal":
        """Return the animal with a frame that is given in terms of its own."""
        return self._replace(frame=self.frame.child(origin, angle_radians))

    def paint(self, shape: Shape, fill: Colour | np.ndarray, **options: Any) -> None:
        """Paint a shape of the frame; the options are those of `Canvas.paint`."""
        self.canvas.paint(self.frame, shape, fill, **options)

    def paint_fur(self, shape: Shape) -> None:
        """Paint a shape of the frame in fur, outlined and rounded."""
        coat = self.coat
        self.paint(shape, coat.fur, ink=coat.ink, line=coat.line, shading=coat.shading)

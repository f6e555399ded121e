"""One animal, with all that was drawn of it, and how its parts are painted."""

from typing import Any, NamedTuple

import numpy as np

from jaxcnn.data.drawn_pets.anatomy import Anatomy
from jaxcnn.data.drawn_pets.canvas import Canvas, Colour, Frame
from jaxcnn.data.drawn_pets.coat import Coat
from jaxcnn.data.drawn_pets.pose import Pose
from jaxcnn.data.drawn_pets.shapes import Point, Shape


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

"""One picture from (seed, index): the composition of all the parts."""

import numpy as np

from jaxcnn.data.drawn_pets.anatomy import draw_anatomy
from jaxcnn.data.drawn_pets.animal import POSE_BOXES, Animal, Pose, draw_pose
from jaxcnn.data.drawn_pets.body import paint_animal
from jaxcnn.data.drawn_pets.canvas import SCENE, Canvas, Frame
from jaxcnn.data.drawn_pets.coat import DARK, draw_coat
from jaxcnn.data.drawn_pets.random_draws import Draws
from jaxcnn.data.drawn_pets.scene import light, paint_background, paint_foreground
from jaxcnn.data.drawn_pets.shapes import ellipse

MIN_SIZE_PX = 16
_LABEL, _ANATOMY, _POSE, _COAT, _SCENE, _LIGHT = range(6)  # streams of draws


def draw_pet(seed: int, index: int, size_px: int) -> tuple[np.ndarray, int]:
    """Draw a cat or a dog.

    Of the pictures 2k and 2k + 1 one shows a cat and one a dog; which is which is drawn.

    Args:
      seed: of the data set; >= 0.
      index: of the picture; >= 0.
      size_px: height and width; >= 16. The scene is the same at every size.

    Returns:
      (size_px, size_px, 3) uint8, and the label: 0 for a cat, 1 for a dog.

    Raises:
      ValueError: if an argument is below its bound.

    Example:
      >>> image, label = draw_pet(seed=0, index=0, size_px=32)
      >>> image.shape, image.dtype.name, label in (0, 1)
      ((32, 32, 3), 'uint8', True)
    """
    if size_px < MIN_SIZE_PX:
        raise ValueError(f"size_px (={size_px}) must be at least {MIN_SIZE_PX}.")
    label = draw_label(seed, index)
    return render(seed, index, size_px, label), label


def draw_label(seed: int, index: int) -> int:
    """Draw the class of a picture, without the picture.

    Args:
      seed: of the data set; >= 0.
      index: of the picture; >= 0.

    Returns:
      0 for a cat, 1 for a dog; one of each among the pictures 2k and 2k + 1.

    Raises:
      ValueError: if an argument is negative.

    Example:
      >>> sorted([draw_label(0, 4), draw_label(0, 5)])
      [0, 1]
    """
    if seed < 0 or index < 0:
        raise ValueError(f"seed (={seed}) and index (={index}) must be at least 0.")
    return (Draws(seed, index // 2, _LABEL).integer(2) + index) % 2


def render(seed: int, index: int, size_px: int, label: int) -> np.ndarray:
    """Draw picture `index` with an animal of the given class.

    Everything but the animal's shape is the same for either label.

    Args:
      seed: of the data set.
      index: of the picture.
      size_px: height and width.
      label: 0 for a cat, 1 for a dog.

    Returns:
      (size_px, size_px, 3) uint8.
    """
    canvas = Canvas(size_px)
    scene = Draws(seed, index, _SCENE)
    poses = Draws(seed, index, _POSE)
    pose = draw_pose(poses)
    frame = _draw_place(poses, pose)
    anatomy = draw_anatomy(Draws(seed, index, _ANATOMY), label)
    paint_background(canvas, scene)
    coat = draw_coat(Draws(seed, index, _COAT), canvas, frame)
    _paint_shadow(canvas, frame, pose)
    paint_animal(Animal(canvas, frame, anatomy, coat, pose))
    paint_foreground(canvas, scene)
    return light(canvas, Draws(seed, index, _LIGHT))


def _draw_place(draws: Draws, pose: Pose) -> Frame:
    """Draw where the animal stands, how large it is, how it leans and which way it faces."""
    left, top, right, bottom = POSE_BOXES[pose.kind]
    extent = max(right - left, bottom - top)
    unit = draws.uniform(0.82, 1.02) / extent
    mirror = draws.sign()
    lean = draws.uniform(-0.3, 0.3)
    shift = (draws.uniform(-0.06, 0.06), draws.uniform(-0.05, 0.05))
    middle = Frame((0.5 + shift[0], 0.5 + shift[1]), unit, lean, mirror)
    return middle.child((-0.5 * (left + right), -0.5 * (top + bottom)))


def _paint_shadow(canvas: Canvas, frame: Frame, pose: Pose) -> None:
    if pose.kind == "portrait":
        return
    left, _, right, bottom = POSE_BOXES[pose.kind]
    centre = frame.to_scene((0.5 * (left + right), bottom - 0.15))
    radii = (0.42 * (right - left) * frame.unit, 0.3 * frame.unit)
    canvas.paint(SCENE, ellipse(centre, radii), DARK, opacity=0.3)

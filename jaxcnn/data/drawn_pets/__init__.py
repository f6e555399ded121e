"""Drawn cats and dogs: a data set that needs no download and looks the same everywhere.

Every picture is drawn from (seed, index) by exactly rounded arithmetic, so its bytes do not
depend on the machine. Only shape distinguishes the classes: both draw their colours, fur, light,
poses and surroundings from the same distributions.

    splits               the pictures as sources
    processes            several pictures at once
    drawing              one picture from (seed, index)
    random_draws         random numbers that are the same everywhere
    anatomy, coat        what is drawn of an animal: its shape, its colours
    animal, body, head   its posture, and how it is painted
    scene                backgrounds, clutter, light
    canvas               the picture being painted
    shapes               ellipses, strokes, polygons
"""

from jaxcnn.data.drawn_pets.drawing import draw_pet
from jaxcnn.data.drawn_pets.splits import CLASS_NAMES, DrawnPetsSource, drawn_pets_splits

__all__ = ["CLASS_NAMES", "DrawnPetsSource", "draw_pet", "drawn_pets_splits"]

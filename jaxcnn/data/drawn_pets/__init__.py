"""Drawn cats and dogs: a data set that needs no download and looks the same everywhere.

Every picture is drawn from (seed, index) by exactly rounded arithmetic, so its bytes do not
depend on the machine. The class is told by shape alone: both classes draw their colours, fur,
light, poses and surroundings from the same distributions.
"""

from jaxcnn.data.drawn_pets.drawing import draw_pet
from jaxcnn.data.drawn_pets.splits import CLASS_NAMES, DrawnPetsSource, drawn_pets_splits

__all__ = ["CLASS_NAMES", "DrawnPetsSource", "draw_pet", "drawn_pets_splits"]

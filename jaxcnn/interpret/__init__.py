"""Look inside a network: pure functions from variables and images to what can be drawn.

All of them work on every network of `jaxcnn.models` by its named stages, take images as the network
does, (B, H, W, C) float32 normalised, and leave compiling to the caller. The pictures are drawn by
`jaxcnn.plots`.
"""

from jaxcnn.interpret.class_activation import class_activation_maps, resize_maps, to_unit_range
from jaxcnn.interpret.scores import class_scores

__all__ = ["class_activation_maps", "class_scores", "resize_maps", "to_unit_range"]

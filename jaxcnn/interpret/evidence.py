"""Where in a photo a network finds what decides for a class and against the others."""

import jax
import jax.numpy as jnp

from jaxcnn.interpret.class_activation import map_gradient, stage_maps
from jaxcnn.interpret.scores import class_log_odds
from jaxcnn.models import StagedNetwork
from jaxcnn.types import Array, PyTree


def evidence_maps(
    model: StagedNetwork,
    variables: PyTree,
    images: jax.Array,
    classes: Array,
    *,
    min_side: int = 5,
) -> jax.Array:
    """Compute where each image speaks for a class and against the others.

    With A a stage's output, (h, w, C), and s the class's log-odds,

        map = relu(sum over channels c of  ds / dA[..., c]  *  A[..., c]).

    Unlike Grad-CAM it weighs each pixel by its own gradient. Before a head that is a mean and a
    linear layer the two agree but for a factor; before further layers Grad-CAM's mean over pixels
    may cancel out, and its map be empty for a class that the network is sure of.

    Args:
      model: a network with a head.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      classes: (B,) integers in [0, K), the class asked about.
      min_side: the last stage whose map has so many pixels a side is asked; where none has, the
        first.

    Returns:
      (B, h, w) float32, >= 0, in the unit of log-odds a pixel.

    Raises:
      ValueError: if `classes` is not (B,) integers, or no stage of the network gives a map.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model = create_model("six_conv", 2, depth=2)
      >>> images = jnp.ones((3, 16, 16, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> evidence_maps(model, variables, images, jnp.array([0, 1, 1])).shape
      (3, 8, 8)

    Source: Draelos and Carin 2020, arXiv:2011.08891, equation 7 (HiResCAM); deviations: of the
    log-odds in place of the logit, and of an earlier stage where the last is but a few pixels.
    """
    features = stage_maps(model, variables, images)
    large = [name for name, found in features.items() if min(found.shape[1:3]) >= min_side]
    stage = large[-1] if large else next(iter(features))
    gradient = map_gradient(class_log_odds, model, variables, features[stage], classes, stage)
    return jax.nn.relu((gradient * features[stage].astype(jnp.float32)).sum(axis=-1))

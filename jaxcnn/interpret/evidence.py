"""Where in a photo a network finds what decides for a class and against the others."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxcnn.models import StagedNetwork, rest_after, stage_infos
from jaxcnn.types import Array, PyTree


def class_log_odds(
    model: StagedNetwork, variables: PyTree, inputs: jax.Array, classes: Array
) -> jax.Array:
    """Compute the log-odds of one class for each input.

    With s the logits and c the class, s_c - log(sum over k != c of exp(s_k)), which is
    log(p_c / (1 - p_c)) of the probabilities. A class may win because the logits of the others are
    low; its own logit alone then tells nothing, this does. Of two classes it is the difference of
    their logits.

    Args:
      model: a network with a head, or the rest of one, see `models.rest_after`.
      variables: of the whole network.
      inputs: (B, ...), what `model` takes.
      classes: (B,) integers in [0, K).

    Returns:
      (B,) float32.

    Raises:
      ValueError: if `classes` is not (B,) integers.
    """
    classes = jnp.asarray(classes)
    if classes.shape != inputs.shape[:1] or not jnp.issubdtype(classes.dtype, jnp.integer):
        raise ValueError(
            f"classes must be one integer an image, of shape {inputs.shape[:1]}; got "
            f"{classes.dtype} of shape {classes.shape}."
        )
    logits = jnp.asarray(model.apply(variables, inputs, train=False)).astype(jnp.float32)
    if model.head == "sigmoid":  # its one logit is the log-odds of class 1
        return jnp.where(classes == 1, logits[:, 0], -logits[:, 0])
    is_own = jax.nn.one_hot(classes, logits.shape[1], dtype=jnp.bool_)
    own = jnp.where(is_own, logits, 0.0).sum(axis=1)
    others = jax.nn.logsumexp(jnp.where(is_own, -jnp.inf, logits), axis=1)
    return own - others


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
    height, width, channels = images.shape[1:]
    names = [info.name for info in stage_infos(model, (height, width, channels))]
    if not names:
        raise ValueError("no stage of this network gives a feature map to look at.")
    features = model.clone(features_only=True).apply(variables, images, train=False)
    assert isinstance(features, Mapping)
    large = [name for name in names if min(features[name].shape[1:3]) >= min_side]
    stage = large[-1] if large else names[0]
    rest = rest_after(model, stage)

    def total(feature_map: jax.Array) -> jax.Array:
        return class_log_odds(rest, variables, feature_map, classes).sum()

    gradient = jax.grad(total)(features[stage]).astype(jnp.float32)
    return jax.nn.relu((gradient * features[stage].astype(jnp.float32)).sum(axis=-1))

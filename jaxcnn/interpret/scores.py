"""The one number a photo and a class that explanations explain: the class's logit."""

import jax
import jax.numpy as jnp

from jaxcnn.models import StagedNetwork
from jaxcnn.types import Array, PyTree


def class_scores(
    model: StagedNetwork, variables: PyTree, inputs: jax.Array, classes: Array
) -> jax.Array:
    """Compute the logit of one class for each input.

    A sigmoid head has one logit, the log-odds of class 1; the score of class 0 is its negative.

    Args:
      model: a network with a head, or the rest of one, see `models.rest_after`.
      variables: of the whole network.
      inputs: (B, ...), what `model` takes.
      classes: (B,) integers in [0, K); one outside scores NaN.

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
    logits = jnp.asarray(model.apply(variables, inputs, train=False))
    if model.head == "sigmoid":
        logits = jnp.concatenate([-logits, logits], axis=1)
    return jnp.take_along_axis(logits, classes[:, None], axis=1, mode="fill")[:, 0]

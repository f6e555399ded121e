"""The one number a photo and a class that explanations explain: the class's logit, or its odds."""

import jax
import jax.numpy as jnp

from jaxcnn.models import StagedNetwork
from jaxcnn.types import Array, PyTree


def class_scores(
    model: StagedNetwork, variables: PyTree, inputs: jax.Array, classes: Array
) -> jax.Array:
    """Compute the logit of one class for each input.

    A sigmoid head has one logit, the log-odds of class 1; the score of class 0 is its negative.
    The logits of head "multi_label" are the log-odds of each class.

    Args:
      model: a network with a head, or the rest of one, see `jaxcnn.models.rest_after`.
      variables: of the whole network.
      inputs: (B, ...), what `model` takes.
      classes: (B,) integers in [0, K); one outside scores NaN.

    Returns:
      (B,) float32.

    Raises:
      ValueError: if `classes` is not (B,) integers.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("six_conv", 2, depth=1), jnp.ones((1, 8, 8, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> logits = model.apply(variables, images, train=False)
      >>> bool(class_scores(model, variables, images, jnp.array([1]))[0] == logits[0, 1])
      True
    """
    logits, classes = _logits(model, variables, inputs, classes)
    if model.head == "sigmoid":
        logits = jnp.concatenate([-logits, logits], axis=1)
    return jnp.take_along_axis(logits, classes[:, None], axis=1, mode="fill")[:, 0]


def class_log_odds(
    model: StagedNetwork, variables: PyTree, inputs: jax.Array, classes: Array
) -> jax.Array:
    """Compute the log-odds of one class for each input.

    With s the logits and c the class, s_c - log(sum over k != c of exp(s_k)), which is
    log(p_c / (1 - p_c)) of the probabilities. A class may win because the logits of the others are
    low; its own logit alone then tells nothing, this does. Of two classes it is the difference of
    their logits.

    Args:
      model: a network with a head, or the rest of one, see `jaxcnn.models.rest_after`.
      variables: of the whole network.
      inputs: (B, ...), what `model` takes.
      classes: (B,) integers in [0, K).

    Returns:
      (B,) float32.

    Raises:
      ValueError: if `classes` is not (B,) integers.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("six_conv", 2, depth=1), jnp.ones((1, 8, 8, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> cat, dog = (class_log_odds(model, variables, images, jnp.array([c])) for c in (0, 1))
      >>> bool(jnp.allclose(cat, -dog))
      True
    """
    if model.head != "softmax":  # a sigmoid's logit is the log-odds of its class
        return class_scores(model, variables, inputs, classes)
    logits, classes = _logits(model, variables, inputs, classes)
    is_own = jax.nn.one_hot(classes, logits.shape[1], dtype=jnp.bool_)
    own = jnp.where(is_own, logits, 0.0).sum(axis=1)
    others = jax.nn.logsumexp(jnp.where(is_own, -jnp.inf, logits), axis=1)
    return own - others


def _logits(
    model: StagedNetwork, variables: PyTree, inputs: jax.Array, classes: Array
) -> tuple[jax.Array, jax.Array]:
    """Give the network's float32 logits, and the classes as an array of one integer each."""
    classes = jnp.asarray(classes)
    if classes.shape != inputs.shape[:1] or not jnp.issubdtype(classes.dtype, jnp.integer):
        raise ValueError(
            f"classes must be one integer an image, of shape {inputs.shape[:1]}; got "
            f"{classes.dtype} of shape {classes.shape}."
        )
    return jnp.asarray(model.apply(variables, inputs, train=False)).astype(jnp.float32), classes

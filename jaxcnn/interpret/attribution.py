"""Integrated gradients: how much of a class's logit each pixel of the photo brings."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.interpret.scores import class_scores
from jaxcnn.models import StagedNetwork
from jaxcnn.types import Array, PyTree


class Attribution(NamedTuple):
    """What each pixel brings, and what they should bring together."""

    values: jax.Array  # (B, H, W, C) float32, in logits
    score: jax.Array  # (B,) float32, the class's logit of the image
    baseline_score: jax.Array  # (B,) float32, that of the baseline

    @property
    def gap(self) -> jax.Array:
        """Give what the sum of the values lacks of the difference of the logits: (B,) float32."""
        return (self.score - self.baseline_score) - self.values.sum(axis=(1, 2, 3))


def integrated_gradients(
    model: StagedNetwork,
    variables: PyTree,
    images: jax.Array,
    classes: Array,
    *,
    baselines: Array | None = None,
    num_steps: int = 64,
) -> Attribution:
    """Attribute the difference in a class's logit, between image and baseline, to the pixels.

        value = (image - baseline) * mean over the straight way between them of d logit / d pixel

    The mean is a sum over `num_steps` steps, so the values sum to the difference up to `gap`, which
    falls as the steps grow. Step k goes from the share (k / n)^3 of the way to ((k + 1) / n)^3:
    logits change most in the first hundredth of the way, where a flat image becomes a picture.

    Args:
      model: a network with a head.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      classes: (B,) integers in [0, K), the class asked about.
      baselines: (B, H, W, C) float32, images that say nothing; None for zeros, the data's mean
        colour.
      num_steps: points at which the gradient is taken, at least 1.

    Returns:
      The attribution.

    Raises:
      ValueError: if the baselines are of another shape, or num_steps < 1.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("six_conv", 2, depth=1), jnp.ones((1, 8, 8, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> found = integrated_gradients(model, variables, images, jnp.array([1]))
      >>> bool(abs(found.gap[0]) < 1e-3)
      True

    Source: Sundararajan, Taly & Yan 2017, arXiv:1703.01365, equation 3; deviations: a point within
    each step in place of its right-hand end, and steps that grow.
    """
    baselines = jnp.zeros_like(images) if baselines is None else jnp.asarray(baselines)
    if baselines.shape != images.shape or num_steps < 1:
        raise ValueError(
            f"baselines must have the images' shape {images.shape} and num_steps be at least 1; "
            f"got {baselines.shape} and {num_steps}."
        )
    difference = images - baselines

    def total(images: jax.Array) -> jax.Array:
        return class_scores(model, variables, images, classes).sum()

    def add(mean: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        share, length = step
        return mean + length * jax.grad(total)(baselines + share * difference), None

    ends = (np.arange(num_steps + 1) / num_steps) ** 3
    middles = ((np.arange(num_steps) + 0.5) / num_steps) ** 3
    steps = (jnp.asarray(middles, images.dtype), jnp.asarray(np.diff(ends), images.dtype))
    gradients, _ = jax.lax.scan(add, jnp.zeros_like(images), steps)
    scores = (class_scores(model, variables, x, classes) for x in (images, baselines))
    return Attribution(difference * gradients, *scores)

"""Grad-CAM: where in a photo a network sees a class."""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp

from jaxcnn.interpret.scores import class_scores
from jaxcnn.models import StagedNetwork, rest_after, stage_infos
from jaxcnn.registry import unknown_name
from jaxcnn.types import Array, PyTree

Score = Callable[[StagedNetwork, PyTree, jax.Array, Array], jax.Array]


def class_activation_maps(
    model: StagedNetwork,
    variables: PyTree,
    images: jax.Array,
    classes: Array,
    *,
    stage: str | None = None,
    score: Score = class_scores,
) -> jax.Array:
    """Compute where each image speaks for a class, from a stage's feature map and its gradient.

    With A the stage's output, (h, w, C), and s the class's score,

        map = relu(sum over channels c of  mean over pixels of (ds / dA[..., c])  *  A[..., c]).

    Args:
      model: a network with a head.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      classes: (B,) integers in [0, K), the class asked about.
      stage: name of a stage that gives a feature map; None for the last one of more than a pixel.
      score: (model, variables, inputs, classes) to (B,), what is explained: the class's logit, or
        `log_odds.class_log_odds` for what speaks for it against the others.

    Returns:
      (B, h, w) float32, >= 0, h and w being the stage's; in the unit of score a pixel, so that two
      photos compare. All zeros where nothing speaks for the class.

    Raises:
      ValueError: if the stage is unknown or gives no feature map, or `classes` is not (B,)
        integers.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model = create_model("six_conv", 2, depth=2)
      >>> images = jnp.ones((3, 16, 16, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> class_activation_maps(model, variables, images, jnp.array([0, 1, 1])).shape
      (3, 4, 4)

    Source: Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2; deviations: none.
    """
    height, width, channels = images.shape[1:]
    names = [info.name for info in stage_infos(model, (height, width, channels))]
    if stage is not None and stage not in names:
        raise unknown_name("stage with a feature map", stage, names)
    features = model.clone(features_only=True).apply(variables, images, train=False)
    assert isinstance(features, Mapping)
    stage = stage or last_spatial_stage(names, features)
    feature_map, rest = features[stage], rest_after(model, stage)

    def total(feature_map: jax.Array) -> jax.Array:
        return score(rest, variables, feature_map, classes).sum()

    weights = jax.grad(total)(feature_map).astype(jnp.float32).mean(axis=(1, 2), keepdims=True)
    return jax.nn.relu((weights * feature_map.astype(jnp.float32)).sum(axis=-1))


def last_spatial_stage(names: Sequence[str], features: Mapping[str, jax.Array]) -> str:
    """Find the last stage whose feature map has more than one pixel.

    Args:
      names: the stages in order.
      features: (B, h, w, C) of each.

    Returns:
      Its name; that of the last stage where all have one pixel.
    """
    spatial = [name for name in names if features[name].shape[1] * features[name].shape[2] > 1]
    return (spatial or list(names))[-1]


def resize_maps(maps: jax.Array, size_px: tuple[int, int]) -> jax.Array:
    """Enlarge maps to the photo they explain, between pixels linearly.

    Args:
      maps: (B, h, w) floating.
      size_px: height and width of the photo.

    Returns:
      (B, H, W), dtype of `maps`, within the range of each map.

    Example:
      >>> resize_maps(jnp.array([[[0.0, 1.0]]]), (1, 4))[0].tolist()
      [[0.0, 0.25, 0.75, 1.0]]
    """
    return jax.image.resize(maps, (maps.shape[0], *size_px), "linear")


def to_unit_range(maps: jax.Array) -> jax.Array:
    """Scale each map so that its greatest value is 1, as pictures show it.

    Args:
      maps: (B, h, w) floating, >= 0.

    Returns:
      The same shape and dtype, in [0, 1]; a map of zeros stays one.

    Example:
      >>> to_unit_range(jnp.array([[[0.0, 4.0]], [[0.0, 0.0]]])).tolist()
      [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    greatest = maps.max(axis=(1, 2), keepdims=True)
    return maps / jnp.where(greatest > 0, greatest, 1)

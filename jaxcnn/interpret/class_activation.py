"""Class activation maps, where in a photo a network sees a class: Grad-CAM and HiResCAM."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from jaxcnn.host.names import unknown_name
from jaxcnn.interpret.channels import stage_maps
from jaxcnn.interpret.receptive_field import ReceptiveField, interpolation_weights
from jaxcnn.interpret.scores import class_log_odds, class_scores
from jaxcnn.models import StagedNetwork, rest_after
from jaxcnn.types import Array, PyTree


def class_activation_maps(
    model: StagedNetwork,
    variables: PyTree,
    images: jax.Array,
    classes: Array,
    *,
    stage: str | None = None,
) -> jax.Array:
    """Compute where each image speaks for a class, from a stage's feature map and its gradient.

    With A the stage's output, (h, w, C), and s the class's logit,

        map = relu(sum over channels c of  mean over pixels of (ds / dA[..., c])  *  A[..., c]).

    Args:
      model: a network with a head.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.
      classes: (B,) integers in [0, K), the class asked about.
      stage: name of a stage that gives a feature map; None for the last one of more than a pixel.

    Returns:
      (B, h, w) float32, >= 0, h and w being the stage's; in the unit of logit a pixel, so that two
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
    features = stage_maps(model, variables, images)
    if stage is not None and stage not in features:
        raise unknown_name("stage with a feature map", stage, list(features))
    stage = stage or last_spatial_stage(features)
    gradient = map_gradient(class_scores, model, variables, features[stage], classes, stage)
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    return jax.nn.relu((weights * features[stage].astype(jnp.float32)).sum(axis=-1))


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
      min_side: pixels a side that a map must have; the last stage with such a map is taken, or the
        first where there is none.

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


def map_gradient(
    score: Callable[[StagedNetwork, PyTree, jax.Array, Array], jax.Array],
    model: StagedNetwork,
    variables: PyTree,
    feature_map: jax.Array,
    classes: Array,
    stage: str,
) -> jax.Array:
    """Differentiate each image's score of a class by what a stage made of the image.

    Args:
      score: (network, variables, inputs, classes) to (B,), such as `class_scores`.
      model: the whole network.
      variables: of it.
      feature_map: (B, h, w, C), what `stage` gave.
      classes: (B,) integers in [0, K).
      stage: the stage's name.

    Returns:
      (B, h, w, C) float32.
    """
    rest = rest_after(model, stage)

    def total(feature_map: jax.Array) -> jax.Array:
        return score(rest, variables, feature_map, classes).sum()

    return jax.grad(total)(feature_map).astype(jnp.float32)


def last_spatial_stage(features: Mapping[str, jax.Array]) -> str:
    """Find the last stage whose feature map has more than one pixel.

    Args:
      features: {stage: (B, h, w, C)}, in the order of the stages.

    Returns:
      Its name; that of the last stage where all have one pixel.
    """
    spatial = [name for name, found in features.items() if found.shape[1] * found.shape[2] > 1]
    return (spatial or list(features))[-1]


def resize_maps(
    maps: jax.Array, size_px: tuple[int, int], *, field: ReceptiveField | None = None
) -> jax.Array:
    """Enlarge maps to the photo they explain, between pixels linearly.

    Args:
      maps: (B, h, w) float32.
      size_px: height and width of the photo.
      field: what the map's pixels see, see `receptive_fields`: each is then put in the middle of
        it, which padding moves by up to half a pixel of the map. None divides the photo evenly.

    Returns:
      (B, H, W) float32, within the range of each map.

    Example:
      >>> resize_maps(jnp.array([[[0.0, 1.0]]]), (1, 4))[0].tolist()
      [[0.0, 0.25, 0.75, 1.0]]
    """
    if field is None:
        return jax.image.resize(maps, (maps.shape[0], *size_px), "linear")
    spans = (field.rows, field.columns)
    rows, columns = (
        interpolation_weights(span, count, side)
        for span, count, side in zip(spans, maps.shape[1:], size_px, strict=True)
    )
    return jnp.einsum("bhw,Hh,Ww->bHW", maps, rows, columns)


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

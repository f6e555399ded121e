"""What a photo becomes, stage by stage, and the filters that it meets first."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.models import StagedNetwork, stage_infos
from jaxcnn.types import Array, PyTree


def feature_maps(
    model: StagedNetwork, variables: PyTree, images: jax.Array
) -> dict[str, jax.Array]:
    """Compute what comes out of each stage.

    Args:
      model: a network.
      variables: {"params": ..., "batch_stats": ...}.
      images: (B, H, W, C) float32, normalised.

    Returns:
      {stage name: (B, h, w, c) float32} of the stages that give feature maps, in their order
      unless it comes out of `jax.jit`, which sorts names.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 10), jnp.ones((1, 32, 32, 1))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> {name: x.shape[1:] for name, x in feature_maps(model, variables, images).items()}["s2"]
      (14, 14, 6)
    """
    found = model.clone(features_only=True).apply(variables, images, train=False)
    assert isinstance(found, Mapping)
    return {name: jnp.asarray(x, jnp.float32) for name, x in found.items()}


def strongest_channels(feature_map: Array, *, count: int = 8) -> np.ndarray:
    """Choose the channels of a photo's feature map that say most about where things are.

    Args:
      feature_map: (h, w, C) floating, h * w > 1 for an order that means something.
      count: the most to give.

    Returns:
      (min(count, C),) int64, the channel of the greatest standard deviation over the pixels first.

    Example:
      >>> strongest_channels(np.array([[[0.0, 0.0], [1.0, 5.0]]]), count=1).tolist()
      [1]
    """
    spread = np.asarray(feature_map, np.float64).std(axis=(0, 1))
    return np.argsort(-spread, kind="stable")[:count]


def first_layer_filters(
    model: StagedNetwork, variables: PyTree, image_shape: tuple[int, int, int]
) -> np.ndarray:
    """Take the kernel of the first convolution, whose filters can be looked at as small images.

    Args:
      model: a network.
      variables: {"params": ...}; with BatchNorm folded, its factors are in the filters.
      image_shape: (H, W, C) of an image that it takes.

    Returns:
      (height, width, C, F) float32.

    Raises:
      ValueError: if the first stage has no convolution of the image's channels.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 10), jnp.ones((1, 32, 32, 1))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> first_layer_filters(model, variables, (32, 32, 1)).shape
      (5, 5, 1, 6)
    """
    first = stage_infos(model, image_shape)[0].name
    for kernel in _kernels(variables["params"].get(first, {})):
        if kernel.ndim == 4 and kernel.shape[2] == image_shape[2]:
            return np.asarray(kernel, np.float32)
    raise ValueError(f"the first stage, {first}, has no convolution of {image_shape[2]} channels.")


def _kernels(tree: Any) -> list[Any]:
    """List the kernels below a place of the parameters, the first layers first."""
    if not isinstance(tree, Mapping):
        return []
    own = [tree["kernel"]] if "kernel" in tree else []
    return own + [kernel for name in sorted(tree) for kernel in _kernels(tree[name])]

"""What both kinds of looking need of a classifier."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.augment import center_crop
from jaxcnn.interpret import ReceptiveField, receptive_fields
from jaxcnn.models import StagedNetwork
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import TrainConfig
from jaxcnn.training.preprocessing import normalize, to_unit_interval
from jaxcnn.types import Array, PyTree


class Inside(NamedTuple):
    """A network laid open."""

    model: StagedNetwork  # BatchNorm folded into its convolutions
    variables: PyTree
    config: TrainConfig
    class_names: tuple[str, ...]
    fields: Mapping[str, ReceptiveField]  # of each stage with a feature map, the first stage first


def open_network(classifier: Classifier) -> Inside:
    """Lay a classifier's network open; of several the first.

    Args:
      classifier: a trained network.

    Returns:
      Its parts.
    """
    config = classifier.config
    shape = (config.data.image_size_px, config.data.image_size_px, config.data.num_channels)
    fields = {field.stage: field for field in receptive_fields(classifier.model, shape)}
    return Inside(classifier.model, classifier.members[0], config, classifier.class_names, fields)


def network_input(config: TrainConfig, images: Array) -> jax.Array:
    """Make what the network takes of preprocessed images.

    Args:
      config: complete settings.
      images: (B, S, S, C) uint8, as `Classifier.preprocess` gives each.

    Returns:
      (B, H, W, C) float32: the middle, normalised.
    """
    pixels = to_unit_interval(center_crop(jnp.asarray(images), config.data.image_size_px))
    return normalize(pixels, mean=config.data.pixel_mean, std=config.data.pixel_std)


def seen_part(config: TrainConfig, images: np.ndarray) -> np.ndarray:
    """Cut out of preprocessed images what the network sees, to be drawn.

    Args:
      config: complete settings.
      images: (B, S, S, C) uint8.

    Returns:
      (B, H, W, C) uint8.
    """
    return np.asarray(center_crop(jnp.asarray(images), config.data.image_size_px))

"""What both kinds of looking need of a classifier."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn.augment import center_crop
from jaxcnn.interpret import ReceptiveField, receptive_fields
from jaxcnn.interpret.receptive_field import UnknownOperationError
from jaxcnn.models import StagedNetwork, stage_infos
from jaxcnn.runs.build import image_shape
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import TrainConfig
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)


class Inside(NamedTuple):
    """A network laid open."""

    model: StagedNetwork  # BatchNorm folded into its convolutions
    variables: PyTree
    config: TrainConfig
    class_names: tuple[str, ...]
    # Of each stage with a feature map, the first stage first; None where it is not known.
    fields: Mapping[str, ReceptiveField | None]


def open_network(classifier: Classifier) -> Inside:
    """Lay a classifier's network open; of several the first.

    Args:
      classifier: a trained network.

    Returns:
      Its parts.
    """
    config = classifier.config
    shape = image_shape(config)
    fields: dict[str, ReceptiveField | None]
    try:
        fields = {field.stage: field for field in receptive_fields(classifier.model, shape)}
    except UnknownOperationError as error:
        logger.warning(f"pictures that need receptive fields are left out: {error}")
        fields = {info.name: None for info in stage_infos(classifier.model, shape)}
    return Inside(classifier.model, classifier.members[0], config, classifier.class_names, fields)


def seen_part(config: TrainConfig, images: np.ndarray) -> np.ndarray:
    """Cut out of preprocessed images what the network sees, to be drawn.

    Args:
      config: complete settings.
      images: (B, S, S, C) uint8.

    Returns:
      (B, H, W, C) uint8.
    """
    return np.asarray(center_crop(jnp.asarray(images), config.data.image_size_px))

"""What both kinds of looking need of a classifier."""

import logging
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from jaxcnn.augment import center_crop
from jaxcnn.interpret import ReceptiveField, receptive_fields
from jaxcnn.interpret.receptive_field import UnknownOperationError
from jaxcnn.models import stage_infos
from jaxcnn.runs.build import image_shape
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import TrainConfig

logger = logging.getLogger(__name__)


# By stage with a feature map, the first stage first; None where the field is not known.
Fields = Mapping[str, ReceptiveField | None]


def known_fields(classifier: Classifier) -> Fields:
    """Find the receptive field of each stage with a feature map.

    Args:
      classifier: a trained network.

    Returns:
      The fields; each is None, and a warning logged, where they cannot be read.
    """
    shape = image_shape(classifier.config)
    try:
        return {field.stage: field for field in receptive_fields(classifier.model, shape)}
    except UnknownOperationError as error:
        logger.warning(f"pictures that need receptive fields are left out: {error}")
        return {info.name: None for info in stage_infos(classifier.model, shape)}


def seen_part(config: TrainConfig, images: np.ndarray) -> np.ndarray:
    """Cut out of preprocessed images what the network sees, to be drawn.

    Args:
      config: complete settings.
      images: (B, S, S, C) uint8.

    Returns:
      (B, H, W, C) uint8.
    """
    return np.asarray(center_crop(jnp.asarray(images), config.data.image_size_px))

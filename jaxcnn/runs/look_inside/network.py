"""What both kinds of looking need of a classifier."""

import logging
from collections.abc import Mapping

from jaxcnn.interpret import ReceptiveField, receptive_fields
from jaxcnn.interpret.receptive_field import UnknownOperationError
from jaxcnn.models import stage_infos
from jaxcnn.runs.classifier import Classifier

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
    shape = classifier.preprocessing.image_shape
    try:
        return {field.stage: field for field in receptive_fields(classifier.model, shape)}
    except UnknownOperationError as error:
        logger.warning(f"pictures that need receptive fields are left out: {error}")
        return {info.name: None for info in stage_infos(classifier.model, shape)}

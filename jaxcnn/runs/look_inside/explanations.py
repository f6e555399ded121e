"""What a network makes of photos: feature maps, and where it sees a class."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn import plots
from jaxcnn.host.names import unknown_name
from jaxcnn.interpret import (
    ReceptiveField,
    class_activation_maps,
    feature_maps,
    first_layer_filters,
    integrated_gradients,
    occlusion_maps,
    receptive_fields,
    resize_maps,
    strongest_channels,
)
from jaxcnn.interpret.class_activation import last_spatial_stage
from jaxcnn.interpret.receptive_field import UnknownOperationError
from jaxcnn.models import stage_infos
from jaxcnn.runs.classifier import Classifier
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.preprocessing import network_input, seen_part
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

MAX_PHOTOS = 24  # that fit into one picture
_WIDE_GAP = 0.05  # share of a logit that attributions may lack before it is said
# By stage with a feature map, the first stage first; None where the field is not known.
Fields = Mapping[str, ReceptiveField | None]


def look_at_photos(
    classifier: Classifier,
    photos: Mapping[str, np.ndarray],
    folder: Path,
    *,
    class_name: str | None = None,
    stage: str | None = None,
    num_steps: int = 64,
) -> list[Path]:
    """Draw what a network makes of photos.

    Args:
      classifier: a trained network; of several, the first is looked into.
      photos: (S, S, C) uint8 by name, as `Classifier.preprocess` gives each; at most 24.
      folder: where the pictures go.
      class_name: the class asked about; None for the most probable one of each photo.
      stage: name of the stage whose feature map Grad-CAM asks; None for the last of more than a
        pixel.
      num_steps: of integrated gradients.

    Returns:
      The pictures.

    Raises:
      ValueError: if there is no photo or are too many, or a class or stage is unknown.
    """
    if not 1 <= len(photos) <= MAX_PHOTOS:
        raise ValueError(f"got {len(photos)} photos; expected 1 to {MAX_PHOTOS} to look into.")
    fields, class_names = known_fields(classifier), classifier.class_names
    if stage is not None and stage not in fields:
        raise unknown_name("stage with a feature map", stage, fields)
    if class_name is not None and class_name not in class_names:
        raise unknown_name("class", class_name, class_names)
    images = np.stack(list(photos.values()))
    probabilities = classifier.probabilities(images)
    classes = probabilities.argmax(axis=1).astype(np.int32)
    if class_name is not None:
        classes[:] = class_names.index(class_name)
    chosen = probabilities[np.arange(len(classes)), classes]
    activation, occlusion, gradients, features = _explain(
        classifier, fields, images, classes, stage=stage, num_steps=num_steps
    )
    differences = gradients.score - gradients.baseline_score
    for i, name in enumerate(photos):
        said = f"{name}: {class_names[classes[i]]} {chosen[i]:.1%}, its logit "
        logger.info(said + _sums(float(differences[i]), float(gradients.gap[i]), num_steps))
    seen = np.asarray(seen_part(images, classifier.preprocessing))
    made = _draw_network(classifier, fields, seen[0], folder)
    made.append(
        plots.plot_explanations(
            folder / "explanations.png",
            seen,
            classes,
            class_names,
            probabilities=chosen,
            maps={"Grad-CAM": activation, "occlusion": occlusion},
            attributions={"integrated gradients": gradients.values},
        )
    )
    for i in range(len(photos)):
        maps = {stage: features[stage][i] for stage in fields}
        channels = {stage: strongest_channels(x) for stage, x in maps.items()}
        path = folder / f"feature_maps_{i + 1}.png"
        made.append(plots.plot_feature_maps(path, seen[i], maps, channels=channels))
    return made


def _sums(difference: float, gap: float, num_steps: int) -> str:
    """Say what the attributions sum to, and where that is not what they should."""
    text = (
        f"{difference:+.2f} over that of the mean colour; the attributions sum to "
        f"{difference - gap:+.2f}"
    )
    if abs(gap) > _WIDE_GAP * abs(difference):
        text += f" in {num_steps} steps: num_steps={4 * num_steps} would come closer"
    return text


def _explain(
    classifier: Classifier,
    fields: Fields,
    images: np.ndarray,
    classes: np.ndarray,
    *,
    stage: str | None,
    num_steps: int,
) -> tuple[Any, ...]:
    """Explain photos one by one, so that large ones fit into memory.

    Returns:
      (B, H, W) class activation, (B, H, W) fall of the logit where covered, integrated gradients of
      (B, H, W, C), and the (B, h, w, c) feature map of each stage.
    """
    model, preprocessing = classifier.model, classifier.preprocessing

    def explain(variables: PyTree, images: jax.Array, classes: jax.Array) -> tuple[Any, ...]:
        x = network_input(images, preprocessing)
        features = feature_maps(model, variables, x)
        source = stage or last_spatial_stage(features)
        maps = class_activation_maps(model, variables, x, classes, stage=source)
        maps = resize_maps(maps, preprocessing.image_shape[:2], field=fields[source])
        covered = occlusion_maps(model, variables, x, classes)
        gradients = integrated_gradients(model, variables, x, classes, num_steps=num_steps)
        return maps, covered, gradients, features

    logger.info("compiling what explains a photo")
    compiled = compile_step(explain, classifier.members[0], images[:1], classes[:1])
    parts, started = [], time.perf_counter()
    for i in range(len(images)):
        found = compiled(classifier.members[0], images[i : i + 1], classes[i : i + 1])
        parts.append(jax.tree.map(np.asarray, found))
        seconds = time.perf_counter() - started
        logger.info(f"photo {i + 1} of {len(images)} explained, {seconds:.0f} s")
    explained: tuple[Any, ...] = jax.tree.map(lambda *each: np.concatenate(each), *parts)
    return explained


def _draw_network(
    classifier: Classifier, fields: Fields, photo: np.ndarray, folder: Path
) -> list[Path]:
    """Draw what is the same for every photo: filters and receptive fields."""
    rows = [
        plots.FieldRow(stage, field.size_px, field.rows.stride_px, field.sees_all)
        for stage, field in fields.items()
        if field is not None
    ]
    made = []
    if rows:
        made.append(plots.plot_receptive_fields(folder / "receptive_fields.png", photo, rows))
    shape = classifier.preprocessing.image_shape
    filters = first_layer_filters(classifier.model, classifier.members[0], shape)
    return [*made, plots.plot_filters(folder / "filters.png", filters)]


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

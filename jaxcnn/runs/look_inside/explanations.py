"""What a network makes of photos: feature maps, and where it sees a class."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxcnn import plots
from jaxcnn.host.names import unknown_name
from jaxcnn.interpret import (
    class_activation_maps,
    feature_maps,
    first_layer_filters,
    integrated_gradients,
    occlusion_maps,
    resize_maps,
    strongest_channels,
)
from jaxcnn.interpret.class_activation import last_spatial_stage
from jaxcnn.runs.build import image_shape, network_input
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.look_inside.network import Inside, open_network, seen_part
from jaxcnn.training.compilation import compile_step
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

MAX_PHOTOS = 24  # that fit into one picture
_WIDE_GAP = 0.05  # share of a logit that attributions may lack before it is said


class Explanation(NamedTuple):
    """What speaks for a class in each photo, at the size that the network sees; see `interpret`."""

    activation: jax.Array  # (B, H, W) class activation, >= 0
    occlusion: jax.Array  # (B, H, W) fall of the logit, of either sign
    attribution: jax.Array  # (B, H, W, C) integrated gradients
    difference: jax.Array  # (B,) the logit, less that of the mean colour
    gap: jax.Array  # (B,) what the attributions lack of it
    features: Mapping[str, jax.Array]  # (B, h, w, c) of each stage


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
    inside = open_network(classifier)
    if stage is not None and stage not in inside.fields:
        raise unknown_name("stage with a feature map", stage, inside.fields)
    images = np.stack(list(photos.values()))
    probabilities = classifier.probabilities(images)
    classes = _asked(probabilities, inside.class_names, class_name)
    chosen = probabilities[np.arange(len(classes)), classes]
    found = _explain(inside, images, classes, stage=stage, num_steps=num_steps)
    for i, name in enumerate(photos):
        said = f"{name}: {inside.class_names[classes[i]]} {chosen[i]:.1%}, its logit "
        logger.info(said + _sums(float(found.difference[i]), float(found.gap[i]), num_steps))
    seen = seen_part(inside.config, images)
    made = _draw_network(inside, seen[0], folder)
    made.append(
        plots.plot_explanations(
            folder / "explanations.png",
            seen,
            classes,
            inside.class_names,
            probabilities=chosen,
            maps={
                "Grad-CAM": np.asarray(found.activation),
                "occlusion": np.asarray(found.occlusion),
            },
            attributions={"integrated gradients": np.asarray(found.attribution)},
        )
    )
    for i in range(len(photos)):
        maps = {name: np.asarray(found.features[name][i]) for name in inside.fields}
        made.append(
            plots.plot_feature_maps(
                folder / f"feature_maps_{i + 1}.png",
                seen[i],
                maps,
                channels={name: strongest_channels(x) for name, x in maps.items()},
            )
        )
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


def _asked(
    probabilities: np.ndarray, class_names: tuple[str, ...], class_name: str | None
) -> np.ndarray:
    """Give the class that each photo is asked about: (B,) int32."""
    if class_name is None:
        return probabilities.argmax(axis=1).astype(np.int32)
    if class_name not in class_names:
        raise unknown_name("class", class_name, class_names)
    return np.full(len(probabilities), class_names.index(class_name), np.int32)


def _explain(
    inside: Inside,
    images: np.ndarray,
    classes: np.ndarray,
    *,
    stage: str | None,
    num_steps: int,
) -> Explanation:
    """Explain photos one by one, so that large ones fit into memory."""
    side = inside.config.data.image_size_px

    def explain(variables: PyTree, images: jax.Array, classes: jax.Array) -> Explanation:
        x = network_input(inside.config.data, images)
        features = feature_maps(inside.model, variables, x)
        source = stage or last_spatial_stage(features)
        maps = class_activation_maps(inside.model, variables, x, classes, stage=source)
        maps = resize_maps(maps, (side, side), field=inside.fields[source])
        covered = occlusion_maps(inside.model, variables, x, classes)
        pixels = integrated_gradients(inside.model, variables, x, classes, num_steps=num_steps)
        difference = pixels.score - pixels.baseline_score
        return Explanation(maps, covered, pixels.values, difference, pixels.gap, features)

    logger.info("compiling what explains a photo")
    parts = []
    compiled = compile_step(explain, inside.variables, images[:1], classes[:1])
    started = time.perf_counter()
    for number in range(len(images)):
        one = slice(number, number + 1)
        found = compiled(inside.variables, images[one], classes[one])
        parts.append(jax.tree.map(np.asarray, found))
        seconds = time.perf_counter() - started
        logger.info(f"photo {number + 1} of {len(images)} explained, {seconds:.0f} s")
    joined: Explanation = jax.tree.map(lambda *each: np.concatenate(each), *parts)
    return joined


def _draw_network(inside: Inside, photo: np.ndarray, folder: Path) -> list[Path]:
    """Draw what is the same for every photo: filters and receptive fields."""
    rows = [
        plots.FieldRow(name, field.size_px, field.rows.stride_px, field.sees_all)
        for name, field in inside.fields.items()
        if field is not None
    ]
    made = []
    if rows:
        made.append(plots.plot_receptive_fields(folder / "receptive_fields.png", photo, rows))
    filters = first_layer_filters(inside.model, inside.variables, image_shape(inside.config))
    return [*made, plots.plot_filters(folder / "filters.png", filters)]

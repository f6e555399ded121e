"""The settings that suit published weights."""

from typing import Any

from jaxcnn.pretrained import Pretrained
from jaxcnn.runs.config.settings import MODEL_OPTIONS


def settings_for(
    found: Pretrained,
    *,
    image_size_px: int | None = None,
    num_channels: int = 3,
    model_options: str = "",
) -> dict[str, Any]:
    """Choose the settings of a run that suit weights.

    Args:
      found: the weights.
      image_size_px: side of the images, where it is not the weights' own.
      num_channels: 3 for colour, 1 for grey.
      model_options: further options of the network, which win over the weights' own.

    Returns:
      {field of TrainConfig: value}.
    """
    as_wanted = found.preprocessing
    own = {name: value for name, value in found.options.items() if name in MODEL_OPTIONS}
    others = [f"{name}={v}" for name, v in found.options.items() if name not in MODEL_OPTIONS]
    size = image_size_px or as_wanted.image_size_px
    return {
        "model": found.model,
        "image_size_px": size,
        "stored_size_px": round(size * as_wanted.resize_px / as_wanted.image_size_px),
        "interpolation": as_wanted.interpolation,
        "pixel_mean": for_channels(as_wanted.mean, num_channels),
        "pixel_std": for_channels(as_wanted.std, num_channels),
        **own,
        "model_options": ",".join([*others, model_options]).strip(","),
    }


def for_channels(values: tuple[float, ...], num_channels: int) -> tuple[float, ...]:
    """Take the mean for grey images, whose one channel stands for all three."""
    if len(values) in (1, num_channels):
        return values
    return (sum(values) / len(values),)

"""Checks on the arguments of augmentations."""

import jax
import jax.numpy as jnp

Size = int | tuple[int, int]  # the side of a square, or (height, width); in pixels


def check_image(image: jax.Array) -> None:
    """Raise unless `image` is one floating image.

    Args:
      image: anything with a shape and a dtype.

    Raises:
      ValueError: if it is not (H, W, C) floating.
    """
    if image.ndim != 3:
        raise ValueError(
            f"image has shape {image.shape}; expected (H, W, C). Use jax.vmap for a batch."
        )
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(
            f"image has dtype {image.dtype}; expected floating values in [0, 1]. "
            "Convert bytes with image.astype(jnp.float32) / 255."
        )


def check_color_image(image: jax.Array) -> None:
    """Raise unless `image` is one floating image, grey or RGB.

    Args:
      image: anything with a shape and a dtype.

    Raises:
      ValueError: if it is not (H, W, 1) or (H, W, 3) floating.
    """
    check_image(image)
    if image.shape[-1] not in (1, 3):
        raise ValueError(
            f"image has {image.shape[-1]} channels; expected 1 (grey) or 3 (RGB). "
            "Leave hue and saturation out for other images."
        )


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise unless `low <= value <= high`.

    Args:
      name: the option's name, for the message.
      value: what was passed; NaN is outside every range.
      low: least allowed value.
      high: greatest allowed value.

    Raises:
      ValueError: if `value` is outside.

    Example:
      >>> check_range("probability", 1.5, 0, 1)
      Traceback (most recent call last):
      ValueError: probability (=1.5) is outside [0, 1].
    """
    if not low <= value <= high:
        raise ValueError(f"{name} (={value}) is outside [{low:g}, {high:g}].")


def check_interval(
    name: str, interval: tuple[float, float], *, above: float, high: float = float("inf")
) -> None:
    """Raise unless `above < interval[0] <= interval[1] <= high`.

    Args:
      name: the option's name, for the message.
      interval: (least, greatest) value to draw.
      above: what the least value must exceed.
      high: what the greatest value must not exceed.

    Raises:
      ValueError: if the interval is empty or sticks out.
    """
    low_end, high_end = interval
    if not above < low_end <= high_end <= high:
        raise ValueError(
            f"{name} (={interval}) must be (least, greatest) with "
            f"{above:g} < least <= greatest <= {high:g}."
        )


def as_height_width(name: str, size_px: Size) -> tuple[int, int]:
    """Read a size, a single number meaning a square.

    Args:
      name: the option's name, for the message.
      size_px: side, or (height, width), in pixels.

    Returns:
      (height, width).

    Raises:
      ValueError: if a side is below 1.

    Example:
      >>> as_height_width("output_size_px", 96)
      (96, 96)
    """
    height, width = (size_px, size_px) if isinstance(size_px, int) else size_px
    if height < 1 or width < 1:
        raise ValueError(f"{name} (={size_px}) must be at least 1 px on each side.")
    return height, width

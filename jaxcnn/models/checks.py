"""Checks on the options of networks, so that a mistake is found before any compilation."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.host.names import unknown_name

HEADS = ("softmax", "sigmoid", "multi_label")


def check_name(option: str, name: str, known: Iterable[str]) -> None:
    """Raise a ValueError that lists the known names unless `name` is one of them."""
    if name not in known:
        raise unknown_name(option, name, known)


def check_positive_int(option: str, *values: int) -> None:
    """Raise a ValueError unless every value is an int of at least 1."""
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{option} must be whole numbers above 0, got {value!r}.")


def check_positive(option: str, value: float) -> None:
    """Raise a ValueError unless `value` is greater than 0."""
    if not value > 0:
        raise ValueError(f"{option} (={value}) must be greater than 0.")


def check_head(num_classes: int, head: str, dropout_rate: float = 0.0) -> None:
    """Raise a ValueError unless `Head` can be made of these options."""
    check_positive_int("num_classes", num_classes)
    check_name("head", head, HEADS)
    if num_classes < 2:
        raise ValueError(f"num_classes (={num_classes}) must be at least 2.")
    if head == "sigmoid" and num_classes != 2:
        raise ValueError(
            f"head='sigmoid' gives one logit for two classes, but num_classes={num_classes}; "
            "use head='softmax'."
        )
    check_rate("dropout_rate", dropout_rate)


def check_dtype(dtype: Any) -> None:
    """Raise a ValueError unless `dtype` is one that networks compute in."""
    known = ("float32", "bfloat16", "float16")
    try:
        name = jnp.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    check_name("dtype", name, known)


def check_rate(option: str, rate: float) -> None:
    """Raise a ValueError unless `rate` is a probability below 1."""
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"{option} (={rate}) must lie in [0, 1); 0 turns it off.")


def check_images(images: jax.Array) -> None:
    """Raise a ValueError unless `images` are floating (B, H, W, C)."""
    if images.ndim != 4:
        raise ValueError(
            f"images must be (B, H, W, C), got shape {images.shape}; add the missing axes."
        )
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(
            f"images must be normalised floats, got {images.dtype}; divide by 255, subtract the "
            "mean and divide by the standard deviation first."
        )

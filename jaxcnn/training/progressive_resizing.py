"""Progressive resizing: train on smaller images first, since steps on them cost less."""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from jaxcnn.types import Array

T = TypeVar("T")


class SizeUntil(NamedTuple):
    """An image size, and the step at which it ends, exclusive."""

    size_px: int
    end_step: int


def parse_shares(text: str) -> dict[int, float]:
    """Read sizes and their shares of the epochs, written as SIZE:SHARE, comma-separated.

    Args:
      text: such as "64:0.4,80:0.3"; "" for none.

    Returns:
      {side in px: share}, as `plan_sizes` takes.

    Raises:
      ValueError: if a part is not of this form, or a size comes twice.

    Example:
      >>> parse_shares("64:0.4, 80:0.3")
      {64: 0.4, 80: 0.3}
    """
    shares: dict[int, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([0-9]+) *: *([0-9]*\.?[0-9]+)", part)
        if not found:
            raise ValueError(
                "progressive_resizing must be SIZE:SHARE pairs, a size in px and a share of the "
                f"epochs, such as 64:0.4,80:0.3; got {part!r}."
            )
        if int(found[1]) in shares:
            raise ValueError(
                f"progressive_resizing has the size {found[1]} px twice; give it once."
            )
        shares[int(found[1])] = float(found[2])
    return shares


def plan_sizes(
    shares: Mapping[int, float],
    *,
    num_epochs: int,
    steps_per_epoch: int | None,
    first_step: int = 0,
) -> tuple[SizeUntil, ...]:
    """Turn shares of training into steps; sizes change between epochs.

    Args:
      shares: side of the images in px to the share of the epochs trained at it, from the smallest;
        what is left is trained at the full size. See `check_sizes`.
      num_epochs: of this phase of training.
      steps_per_epoch: steps of each; None where that is not known, and there are no shares.
      first_step: steps done before this phase.

    Returns:
      Each size and where it ends.

    Example:
      >>> plan_sizes({64: 0.5, 80: 0.25}, num_epochs=10, steps_per_epoch=100)
      (SizeUntil(size_px=64, end_step=500), SizeUntil(size_px=80, end_step=700))
    """
    planned, passed = [], 0.0
    for size_px, share in shares.items():
        passed += share
        # Down to a whole epoch, so that even a short training ends at the full size.
        end_epoch = math.floor(passed * num_epochs + 1e-6)
        planned.append(SizeUntil(size_px, first_step + end_epoch * (steps_per_epoch or 0)))
    return tuple(planned)


def check_sizes(shares: Mapping[int, float], full_size_px: int) -> None:
    """Raise a ValueError unless sizes increase and leave a share for the full size.

    Args:
      shares: see `plan_sizes`.
      full_size_px: side of the images at the end, px.
    """
    sizes = [*shares, full_size_px]
    if not all(small < large for small, large in zip([0, *sizes], sizes, strict=False)):
        raise ValueError(
            f"progressive_resizing has the sizes {', '.join(map(str, shares))} px; they must "
            f"increase, and be smaller than the full size, {full_size_px} px."
        )
    if not all(share > 0 for share in shares.values()) or math.fsum(shares.values()) >= 1:
        raise ValueError(
            f"progressive_resizing has the shares {', '.join(map(str, shares.values()))}; each "
            "must be above 0, and their sum below 1: the rest is trained at the full size."
        )


def mean_area(shares: Mapping[int, float], full_size_px: int) -> float:
    """Give the mean area of the images over training, relative to that of the full size.

    Example:
      >>> mean_area({48: 0.5}, 96)
      0.625
    """
    areas = [share * (1 - (size_px / full_size_px) ** 2) for size_px, share in shares.items()]
    return 1 - sum(areas)


def area_of_steps(
    sizes: Sequence[SizeUntil], full_size_px: int, first_step: int, last_step: int
) -> float:
    """Count steps, those on smaller images by their area relative to the full size.

    Args:
      sizes: as `plan_sizes` gives.
      full_size_px: side of the images after these.
      first_step: the first one.
      last_step: one after the last.

    Example:
      >>> area_of_steps((SizeUntil(48, 100),), 96, 60, 110)
      20.0
    """
    area, start = 0.0, first_step
    for size_px, end_step in (*sizes, SizeUntil(full_size_px, last_step)):
        end = max(start, min(end_step, last_step))
        area += (end - start) * (size_px / full_size_px) ** 2
        start = end
    return area


def at_size(
    function: Callable[[jax.Array], T], inputs: jax.Array, step: Array, sizes: Sequence[SizeUntil]
) -> T:
    """Apply a function to images resized to the step's size.

    Args:
      function: of (B, H, W, C), whose result has the same shapes for every size.
      inputs: (B, H, W, C) floating, of the full size; the shorter side becomes that of `sizes`.
      step: () int32, steps done.
      sizes: as `plan_sizes` gives; () for the full size at every step.

    Returns:
      What the function gives. The program has a branch for each size; each step runs one of them.
    """
    if not sizes:
        return function(inputs)

    def at(size_px: int, inputs: jax.Array) -> T:
        shape = resized_shape(inputs.shape, size_px)
        return function(jax.image.resize(inputs, shape, "linear", antialias=True))

    branches = [functools.partial(at, size_px) for size_px, _ in sizes]
    position = jnp.sum(step >= jnp.array([end_step for _, end_step in sizes]))
    return jax.lax.switch(position, [*branches, function], inputs)


def resized_shape(shape: Sequence[int], size_px: int) -> tuple[int, ...]:
    """Give the shape of images whose shorter side becomes that of `size_px`.

    Example:
      >>> resized_shape((8, 96, 120, 3), 64)
      (8, 64, 80, 3)
    """
    batch_size, height, width, num_channels = shape
    shorter = min(height, width)
    return batch_size, *(round(side * size_px / shorter) for side in (height, width)), num_channels

"""How a kernel goes over an image, and the convolution that XLA makes of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], tuple[int, int]]
Pair = tuple[int, int]

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


class Geometry(NamedTuple):
    """How a kernel goes over an image; hashable, so that it can be static."""

    strides: Pair
    pads: Pads
    dilation: Pair = (1, 1)
    groups: int = 1
    by_onednn: bool = False
    swap_channels: bool = False  # of the kernel, for oneDNN

    def is_depthwise(self, kernel: jax.Array | jax.ShapeDtypeStruct) -> bool:
        """Whether each channel has one kernel of its own."""
        return self.groups > 1 and self.groups == kernel.shape[3] and kernel.shape[2] == 1

    def is_pointwise(self, kernel: jax.Array | jax.ShapeDtypeStruct) -> bool:
        """Whether the kernel sees one pixel, and all of its channels."""
        return kernel.shape[:2] == (1, 1) and self.groups == 1 and not any(map(any, self.pads))


def by_xla(images: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve as XLA does."""
    return lax.conv_general_dilated(
        images,
        kernel,
        geometry.strides,
        geometry.pads,
        rhs_dilation=geometry.dilation,
        dimension_numbers=DIMENSIONS,
        feature_group_count=geometry.groups,
    )


def take_pixels(x: jax.Array, start: Pair, counts: Pair, strides: Pair) -> jax.Array:
    """Take `counts` rows and columns of (..., H, W, C), from `start` on, `strides` apart.

    By `lax`, since an index becomes a gather where the number of images is symbolic.
    """
    *batch, _, _, channels = x.shape
    ends = (i + (n - 1) * step + 1 for i, n, step in zip(start, counts, strides, strict=True))
    leading = len(batch)
    return lax.slice(
        x,
        (*leading * (0,), *start, 0),
        (*batch, *ends, channels),
        (*leading * (1,), *strides, 1),
    )


def rounded(kernel: jax.Array, images: jax.Array) -> jax.Array:
    """Round a float32 kernel to the dtype of images of half precision.

    Args:
      kernel: floating.
      images: floating.

    Returns:
      The kernel, in bfloat16 or float16 if it was float32 and the images are.
    """
    is_wider = kernel.dtype == jnp.float32 and images.dtype in (jnp.bfloat16, jnp.float16)
    return kernel.astype(images.dtype) if is_wider else kernel

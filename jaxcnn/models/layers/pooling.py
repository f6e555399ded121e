"""Pooling as a layer, and as PyTorch lays its windows."""

import functools
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax

from jaxcnn.ops.pooling import avg_pool, max_pool

POOLINGS: Mapping[str, Callable[..., jax.Array]] = {
    "max": max_pool,
    "avg": functools.partial(avg_pool, count_include_pad=False),
}


PADDINGS = ("same", "valid")


def max_pool_like_torch(
    x: jax.Array, *, size: int, stride: int, padding: int = 0, ceil_mode: bool = False
) -> jax.Array:
    """Take the maximum of windows, as torch.nn.MaxPool2d lays them.

    Args:
      x: (B, H, W, C).
      size: height and width of the window, px.
      stride: step of the window, px.
      padding: px on every side.
      ceil_mode: whether a last window that hangs over the end counts, unless it would start in the
        padding there.

    Returns:
      (B, H', W', C).
    """
    pads = tuple(
        (padding, padding + _overhang(n, size, stride, padding) * ceil_mode) for n in x.shape[1:3]
    )
    return max_pool(x, window=size, strides=stride, padding=pads)


def _overhang(size_px: int, window: int, stride: int, padding: int) -> int:
    """Px by which a last, incomplete window hangs over the padded end."""
    rest = (size_px + 2 * padding - window) % stride
    last_start = size_px + 2 * padding - window - rest + stride
    return stride - rest if rest and last_start < size_px + padding else 0


class Pool(nn.Module, kw_only=True):
    """Pooling; a module only so that summaries and feature maps show it.

    Attributes:
      kind: a name in `POOLINGS`.
      size: height and width of the window in px.
      stride: step of the window in px.
      padding: "valid" drops a remainder that fills no window; with "same" it has a window of its
        own, whose padding does not count.
    """

    kind: str = "max"
    size: int = 2
    stride: int = 2
    padding: str = "valid"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', C)."""
        pool = POOLINGS[self.kind]
        return pool(x, window=self.size, strides=self.stride, padding=self.padding.upper())

"""Max, average and adaptive average pooling over image windows.

The semantics are those of `lax.reduce_window` (and so of Flax): padding of a max pool is -inf, a
remainder that fills no window is dropped, windows that overlap are allowed.

On the CPU the windows are reduced as `jaxcnn.ops.cpu.pooling` says, elsewhere as XLA does.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.cpu import pooling
from jaxcnn.ops.cpu.pooling import Windows
from jaxcnn.ops.lowering import uses_slices, uses_stock_ops

IntOrPair = int | Sequence[int]
Padding = str | Sequence[Sequence[int]]


def max_pool(
    x: jax.Array,
    *,
    window: IntOrPair,
    strides: IntOrPair | None = None,
    padding: Padding = "VALID",
) -> jax.Array:
    """Take the maximum of each window.

    A NaN makes its window NaN. The gradient of a window goes to its first maximum, in row-major
    order. Reverse-mode derivatives, `jit` and `vmap` are supported, forward mode for windows that
    do not overlap.

    Args:
      x: (..., H, W, C) floating; any number of leading axes.
      window: height and width of the window in px, or one int for both.
      strides: steps between windows in px, or one int for both; None means `window`.
      padding: "VALID", "SAME", or ((top, bottom), (left, right)) in px; filled with -inf.

    Returns:
      (..., H', W', C), dtype of `x`.

    Raises:
      ValueError: if `x` is not floating or has no (H, W, C), or the window does not fit.

    Example:
      >>> image = jnp.arange(16.0).reshape(4, 4, 1)
      >>> max_pool(image, window=2)[..., 0].tolist()
      [[5.0, 7.0], [13.0, 15.0]]
    """
    return _reduce(x, _resolve_windows(x, window, strides, padding), "max")


def avg_pool(
    x: jax.Array,
    *,
    window: IntOrPair,
    strides: IntOrPair | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
) -> jax.Array:
    """Take the mean of each window, summed in float32 or wider.

    Args:
      x: (..., H, W, C) floating; any number of leading axes.
      window: height and width of the window in px, or one int for both.
      strides: steps between windows in px, or one int for both; None means `window`.
      padding: "VALID", "SAME", or ((top, bottom), (left, right)) in px; filled with 0.
      count_include_pad: whether padding counts as pixels. True divides every sum by the window's
        area, as Flax and PyTorch do; False divides by the number of real pixels in the window, as
        TensorFlow does.

    Returns:
      (..., H', W', C), dtype of `x`.

    Raises:
      ValueError: if `x` is not floating or has no (H, W, C), or the window does not fit.

    Example:
      >>> image = jnp.arange(16.0).reshape(4, 4, 1)
      >>> avg_pool(image, window=2)[..., 0].tolist()
      [[2.5, 4.5], [10.5, 12.5]]
    """
    windows = _resolve_windows(x, window, strides, padding)
    wide = x if x.dtype.itemsize >= 4 else x.astype(jnp.float32)
    total = _reduce(wide, windows, "sum")
    if count_include_pad:
        return (total / math.prod(windows.size)).astype(x.dtype)
    return (total / _real_area(wide, windows)).astype(x.dtype)


def adaptive_avg_pool(x: jax.Array, size: IntOrPair) -> jax.Array:
    """Take the means of a grid of bins, which overlap where the sizes do not divide.

    Bin i of h along a side of H px covers the pixels from floor(i H / h) to ceil((i + 1) H / h). A
    map of the size asked for comes back as it is; a smaller one has its pixels repeated.

    Args:
      x: (..., H, W, C) floating; any number of leading axes.
      size: height and width of the output in px, or one int for both.

    Returns:
      (..., size[0], size[1], C), dtype of `x`; summed in float32 or wider.

    Raises:
      ValueError: if `x` is not floating or has no (H, W, C), or has no pixel.

    Example:
      >>> image = jnp.arange(5.0).reshape(1, 5, 1)
      >>> adaptive_avg_pool(image, (1, 3))[..., 0].tolist()
      [[0.5, 2.0, 3.5]]

    Source: torch.nn.AdaptiveAvgPool2d.
    """
    _check_images(x)
    height, width = _as_pair("size", size)
    if min(x.shape[-3:-1]) < 1:
        raise ValueError(f"x must have pixels to average, got shape {x.shape}; use a larger image.")
    wide = x if x.dtype.itemsize >= 4 else x.astype(jnp.float32)
    return _mean_of_bins(_mean_of_bins(wide, -3, height), -2, width).astype(x.dtype)


def _mean_of_bins(x: jax.Array, axis: int, count: int) -> jax.Array:
    """Replace an axis by the means of `count` bins of it."""
    length = x.shape[axis]
    if length == count:
        return x
    edges = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
    means = [lax.slice_in_dim(x, *edge, axis=x.ndim + axis).mean(axis) for edge in edges]
    return jnp.stack(means, axis)


def _check_images(x: jax.Array) -> None:
    if x.ndim < 3 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"x must be floating (..., H, W, C), got {x.dtype}{list(x.shape)}; add the missing "
            "axes or cast it."
        )


def _resolve_windows(
    x: jax.Array, window: IntOrPair, strides: IntOrPair | None, padding: Padding
) -> Windows:
    """Check the arguments and lay the windows over `x`."""
    _check_images(x)
    size = _as_pair("window", window)
    steps = size if strides is None else _as_pair("strides", strides)
    image_size = x.shape[-3:-1]
    pads = _resolve_padding(image_size, size, steps, padding)
    room = [n + low + high - k for n, (low, high), k in zip(image_size, pads, size, strict=True)]
    if min(room) < 0:
        raise ValueError(
            f"window (={size}) exceeds the image's height and width (={tuple(image_size)}) with "
            f"padding {pads}; use a smaller window, a larger image or padding='SAME'."
        )
    counts = (room[0] // steps[0] + 1, room[1] // steps[1] + 1)
    return Windows(size, steps, counts, pads)


def _as_pair(what: str, value: IntOrPair) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{what} (={value!r}) must be one or two whole numbers above 0.")
    return pair


def _resolve_padding(
    image_size: tuple[int, ...], size: tuple[int, int], strides: tuple[int, int], padding: Padding
) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID"):
            raise ValueError(
                f"padding (={padding!r}) must be 'SAME', 'VALID' or ((top, bottom), (left, right))."
            )
        padding = lax.padtype_to_pads(image_size, size, strides, padding)
    pads = tuple(tuple(int(n) for n in pair) for pair in padding)
    if [len(pair) for pair in pads] != [2, 2]:
        raise ValueError(f"padding (={padding!r}) must be ((top, bottom), (left, right)).")
    (top, bottom), (left, right) = pads
    if min(*pads[0], *pads[1]) < 0 or max(pads[0]) >= size[0] or max(pads[1]) >= size[1]:
        raise ValueError(
            f"padding (={pads}) must be at least 0 and less than the window (={size}), or some "
            "windows would hold padding alone."
        )
    return (top, bottom), (left, right)


def _reduce(x: jax.Array, windows: Windows, kind: str) -> jax.Array:
    if uses_stock_ops():
        reduce = _reduce_slices if uses_slices() else _reduce_windows
        return reduce(x, windows=windows, kind=kind)
    return _reduce_best(x, windows, kind)


# Compiled as one, or a call outside of `jit` would trace and compile both branches again each time.
@functools.partial(jax.jit, static_argnames=("windows", "kind"), inline=True)
def _reduce_best(x: jax.Array, windows: Windows, kind: str) -> jax.Array:
    """Reduce each window in the way that is fastest on the platform the code is lowered for."""
    stock = functools.partial(_reduce_windows, windows=windows, kind=kind)
    if not pooling.pays(windows, kind):
        return stock(x)
    own = functools.partial(pooling.reduce_windows, windows=windows, kind=kind)
    return lax.platform_dependent(x, cpu=own, default=stock)


def _reduce_windows(x: jax.Array, *, windows: Windows, kind: str) -> jax.Array:
    """Reduce each window with XLA's own operation."""
    leading = (1,) * (x.ndim - 3)
    return lax.reduce_window(
        x,
        np.array(-np.inf if kind == "max" else 0.0, x.dtype),
        lax.max if kind == "max" else lax.add,
        (*leading, *windows.size, 1),
        (*leading, *windows.strides, 1),
        (*((0, 0) for _ in leading), *windows.padding, (0, 0)),
    )


def _reduce_slices(x: jax.Array, *, windows: Windows, kind: str) -> jax.Array:
    """Reduce each window with elementwise operations alone."""
    padded = pooling.pad_to_strides(x, windows, -math.inf if kind == "max" else 0.0)
    slices = pooling.slices_of_windows(padded, windows)
    return functools.reduce(jnp.maximum if kind == "max" else jnp.add, slices)


def _real_area(x: jax.Array, windows: Windows) -> jax.Array:
    """Count the pixels in each window that are not padding: (1, ..., H', W', 1), dtype of `x`."""
    along = []
    for n, k, stride, count, (low, _) in zip(x.shape[-3:-1], *windows, strict=True):
        start = np.arange(count) * stride - low
        along.append(np.minimum(start + k, n) - np.maximum(start, 0))
    area = np.multiply.outer(*along).reshape((1,) * (x.ndim - 3) + (*windows.counts, 1))
    return jnp.asarray(area, x.dtype)

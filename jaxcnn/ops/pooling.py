"""Max, average and adaptive average pooling over image windows.

The semantics are those of `lax.reduce_window` (and so of Flax): padding of a max pool is -inf, a
remainder that fills no window is dropped, windows that overlap are allowed.

XLA differentiates a max pool with `select_and_scatter`, which its CPU backend runs as a scalar
loop. The CPU gets another lowering for windows of up to 16 px: the maximum of strided slices, whose
gradient is a select on "was this the first maximum of its window". Values and gradients are equal
to XLA's, ties included. Forward + backward takes about a tenth of the time where the windows tile
the image: in float32 on two busy cores 34 ms instead of 372 at (32, 96, 96, 32), and 24 ms instead
of 312 at (32, 48, 48, 64). Windows that overlap go by the phases of the stride, which are images of
their own: 12 ms instead of 65 at (32, 56, 56, 64), 3 x 3 with stride 2. Larger windows and other
platforms keep XLA's own.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.lowering import uses_stock_ops

IntOrPair = int | Sequence[int]
Padding = str | Sequence[Sequence[int]]

# Each position of the window is a slice and a compare in the compiled code; past this, XLA's loop.
_MAX_AREA = 16


class _Windows(NamedTuple):
    """Where the windows lie; hashable, so that it can be static."""

    size: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    counts: tuple[int, int]  # windows down and across: the height and width of the output

    @property
    def are_tiles(self) -> bool:
        return self.size == self.strides

    @property
    def are_small(self) -> bool:
        return math.prod(self.size) <= _MAX_AREA


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
) -> _Windows:
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
    return _Windows(size, steps, pads, counts)


def _as_pair(what: str, value: IntOrPair) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{what} (={value!r}) must be one or two positive ints.")
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


def _reduce(x: jax.Array, windows: _Windows, kind: str) -> jax.Array:
    if uses_stock_ops():
        return _reduce_windows(x, windows=windows, kind=kind)
    return _reduce_best(x, windows, kind)


# Compiled as one, or a call outside of `jit` would trace and compile both branches anew each time.
@functools.partial(jax.jit, static_argnames=("windows", "kind"), inline=True)
def _reduce_best(x: jax.Array, windows: _Windows, kind: str) -> jax.Array:
    """Reduce each window in the way that is fastest on the platform the code is lowered for."""
    stock = functools.partial(_reduce_windows, windows=windows, kind=kind)
    if not windows.are_small or not (windows.are_tiles or kind == "max"):
        return stock(x)
    own = _reduce_tiles if windows.are_tiles else _max_of_windows
    own = functools.partial(own, windows=windows, kind=kind)
    return lax.platform_dependent(x, cpu=own, default=stock)


def _reduce_windows(x: jax.Array, *, windows: _Windows, kind: str) -> jax.Array:
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


def _reduce_tiles(x: jax.Array, *, windows: _Windows, kind: str) -> jax.Array:
    """Reduce windows that tile the image, as elementwise code over strided slices."""
    if kind == "max":
        return _max_of_tiles(_cut_to_tiles(x, windows, -jnp.inf), windows.size)
    return functools.reduce(jnp.add, _slices_of_tiles(_cut_to_tiles(x, windows, 0.0), windows.size))


def _cut_to_tiles(x: jax.Array, windows: _Windows, fill: float) -> jax.Array:
    """Pad `x` and drop its remainder, so that the windows tile it exactly."""
    edges = []
    for n, k, count, (low, _) in zip(
        x.shape[-3:-1], windows.size, windows.counts, windows.padding, strict=True
    ):
        edges.append((low, count * k - n - low, 0))  # a negative edge crops
    if not any(low or high for low, high, _ in edges):
        return x
    whole = (0, 0, 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), [whole] * (x.ndim - 3) + edges + [whole])


def _slices_of_tiles(x: jax.Array, size: tuple[int, int]) -> list[jax.Array]:
    """Gather the pixels at each position of the windows, in row-major order."""
    height, width = size
    return [x[..., i::height, j::width, :] for i in range(height) for j in range(width)]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _max_of_tiles(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    return functools.reduce(jnp.maximum, _slices_of_tiles(x, size))


@_max_of_tiles.defjvp
def _max_of_tiles_jvp(
    size: tuple[int, int], primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Pick the tangent of each window's first maximum.

    Written as a select on the image reshaped into tiles, because its transpose is then a broadcast
    and a select, with no scatter: one pass that reads the small arrays and writes the large one.
    """
    (x,), (x_dot,) = primals, tangents
    height, width = size
    first = _index_of_first_max(_slices_of_tiles(x, size))
    *leading, H, W, C = x.shape
    tiles = x_dot.reshape(*leading, H // height, height, W // width, width, C)
    position = jnp.arange(height * width, dtype=first.dtype)
    position = position.reshape((1,) * len(leading) + (1, height, 1, width, 1))
    is_first = jnp.expand_dims(first, (-4, -2)) == position
    picked = jnp.where(is_first, tiles, jnp.zeros_like(tiles))
    return _max_of_tiles(x, size), picked.sum(axis=(-4, -2))


def _max_of_windows(x: jax.Array, *, windows: _Windows, kind: str) -> jax.Array:
    """Take the maximum of windows that may overlap."""
    del kind  # no other is asked for
    return _max_of_phases(_pad_to_phases(x, windows, -jnp.inf), windows)


def _pad_to_phases(x: jax.Array, windows: _Windows, fill: float) -> jax.Array:
    """Pad `x`, so that it has whole strides and every window lies in it."""
    edges = []
    for n, k, step, count, (low, _) in zip(
        x.shape[-3:-1],
        windows.size,
        windows.strides,
        windows.counts,
        windows.padding,
        strict=True,
    ):
        strides = count + (k - 1) // step
        edges.append((low, strides * step - n - low, 0))  # a negative edge crops
    whole = (0, 0, 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), [whole] * (x.ndim - 3) + edges + [whole])


def _slices_of_windows(x: jax.Array, windows: _Windows) -> list[jax.Array]:
    """Gather the pixels at each position of the windows, in row-major order."""
    (rows, columns), (height, width) = windows.strides, windows.counts
    last = ((height - 1) * rows + 1, (width - 1) * columns + 1)
    return [
        x[..., i : i + last[0] : rows, j : j + last[1] : columns, :]
        for i, j in np.ndindex(windows.size)
    ]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_of_phases(x: jax.Array, windows: _Windows) -> jax.Array:
    return functools.reduce(jnp.maximum, _slices_of_windows(x, windows))


def _max_of_phases_forward(x: jax.Array, windows: _Windows) -> tuple[jax.Array, jax.Array]:
    return _max_of_phases(x, windows), _index_of_first_max(_slices_of_windows(x, windows))


def _max_of_phases_backward(
    windows: _Windows, first: jax.Array, gradient: jax.Array
) -> tuple[jax.Array]:
    """Hand each window's gradient to its first maximum.

    Pixels of one phase of the strides have the same place in the windows that they lie in, so each
    phase is a sum of selects over shifted arrays, and the image is the phases put together.
    """
    spare = [(k - 1) // step for k, step in zip(windows.size, windows.strides, strict=True)]
    edges = [(0, 0)] * (gradient.ndim - 3) + [(n, n) for n in spare] + [(0, 0)]
    first, gradient = lax.optimization_barrier(
        (jnp.pad(first, edges, constant_values=-1), jnp.pad(gradient, edges))
    )
    rows = [
        jnp.stack(
            [_phase_gradient(first, gradient, (i, j), windows) for j in range(windows.strides[1])],
            -2,
        )
        for i in range(windows.strides[0])
    ]
    whole = jnp.stack(rows, -4)  # (..., H / rows, rows, W / columns, columns, C)
    *leading, height, tall, width, wide, channels = whole.shape
    return (whole.reshape(*leading, height * tall, width * wide, channels),)


def _phase_gradient(
    first: jax.Array, gradient: jax.Array, phase: tuple[int, int], windows: _Windows
) -> jax.Array:
    """Sum what the windows give to the pixels of one phase."""
    (rows, columns), (tall, wide) = windows.strides, windows.size
    spare = ((tall - 1) // rows, (wide - 1) // columns)
    height, width = (n + s for n, s in zip(windows.counts, spare, strict=True))
    total = jnp.zeros((*gradient.shape[:-3], height, width, gradient.shape[-1]), gradient.dtype)
    for i in range(phase[0], tall, rows):
        for j in range(phase[1], wide, columns):
            top, left = spare[0] - i // rows, spare[1] - j // columns
            index, weight = (
                a[..., top : top + height, left : left + width, :] for a in (first, gradient)
            )
            total += jnp.where(index == jnp.int8(i * wide + j), weight, jnp.zeros_like(weight))
    return total


_max_of_phases.defvjp(_max_of_phases_forward, _max_of_phases_backward)


def _index_of_first_max(candidates: list[jax.Array]) -> jax.Array:
    """Walk the window as `select_and_scatter` does: a later pixel wins only if it is greater."""
    best = candidates[0]
    index = jnp.zeros(best.shape, jnp.int8)
    for i, candidate in enumerate(candidates[1:], start=1):
        keep = best >= candidate
        best = jnp.where(keep, best, candidate)
        index = jnp.where(keep, index, jnp.int8(i))
    return index


def _real_area(x: jax.Array, windows: _Windows) -> jax.Array:
    """Count the pixels in each window that are not padding: (1, ..., H', W', 1), dtype of `x`."""
    along = []
    for n, k, stride, count, (low, _) in zip(
        x.shape[-3:-1],
        windows.size,
        windows.strides,
        windows.counts,
        windows.padding,
        strict=True,
    ):
        start = np.arange(count) * stride - low
        along.append(np.minimum(start + k, n) - np.maximum(start, 0))
    area = np.multiply.outer(*along).reshape((1,) * (x.ndim - 3) + (*windows.counts, 1))
    return jnp.asarray(area, x.dtype)

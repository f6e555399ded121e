"""Lessons on convolution: a change, an edge, padding, shared weights, three colours."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lessons import drawing
from experiments.lessons.course import Course
from experiments.lessons.page import Shown, words
from jaxcnn.models import create_model, summarize
from jaxcnn.ops.convolution import conv2d
from jaxcnn.plots.style import BLUE, VERMILLION
from jaxcnn.plots.text import font

SIGNAL = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0], np.float32)


def find_change(signal: jax.Array) -> jax.Array:
    """Slide the filter (1, -1) along a signal."""
    signals = signal.reshape(1, 1, -1, 1)
    kernel = jnp.array([1.0, -1.0]).reshape(1, 2, 1, 1)
    return conv2d(signals, kernel, padding="VALID").ravel()


def one_dimension(course: Course) -> Shown:
    """Show that a filter of two weights finds where ones turn into zeros."""
    response = np.asarray(find_change(jnp.asarray(SIGNAL)))
    place = int(response.argmax())
    listed = {"signal": _listed(SIGNAL), "response": _listed(response)}
    figure = drawing.new_figure(2.0, 2, 1)
    above, below = figure.axes
    drawing.number_grid(above, SIGNAL[None], "signal")
    drawing.number_grid(below, response[None], "output of the filter (1, \u22121)")
    for axes in (above, below):
        axes.set_xlim(-0.1, len(SIGNAL) + 0.1)
    drawing.outline(above, 0, place, 1, 2)
    drawing.outline(below, 0, place, 1, 1)
    return Shown(*words("convolution", place=place, **listed), figure, (find_change,))


def find_edges(image: jax.Array) -> jax.Array:
    """Convolve an (H, W) image with Sobel's two filters."""
    smooth, slope = jnp.array([1.0, 2.0, 1.0]), jnp.array([-1.0, 0.0, 1.0])
    across = jnp.outer(smooth, slope)
    kernel = jnp.stack([across, across.T], axis=-1)[:, :, None, :]
    return conv2d(image[None, :, :, None], kernel, padding="VALID")[0]


def two_dimensions(course: Course) -> Shown:
    """Show that two filters of nine weights find vertical and horizontal edges."""
    photo = course.large_photos.images[0]
    grey = (photo.astype(np.float32) / 255).mean(axis=2)
    edges = np.asarray(find_edges(jnp.asarray(grey)))
    square = np.zeros((8, 8), np.float32)
    square[2:6, 2:6] = 1
    across = np.asarray(find_edges(jnp.asarray(square)))[2, [0, 2, 5], 0].tolist()
    name = course.class_names[course.large_photos.labels[0]]
    said = words("edges", name=name, across=across, strongest=np.abs(edges).max())
    figure = drawing.new_figure(2.15, 1, 3)
    scale = float(np.quantile(np.abs(edges), 0.99))
    drawing.picture(figure.axes[0], grey, "the photo, in grey")
    drawing.signed_picture(figure.axes[1], edges[..., 0], "vertical edges", scale=scale)
    drawing.signed_picture(figure.axes[2], edges[..., 1], "horizontal edges", scale=scale)
    return Shown(*said, figure, (find_edges,))


def pad_both_ways(image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Add up each 3 x 3 neighbourhood of an (H, W) image, with padding and without."""
    images, kernel = image[None, :, :, None], jnp.ones((3, 3, 1, 1))
    same = conv2d(images, kernel, padding="SAME")[0, :, :, 0]
    valid = conv2d(images, kernel, padding="VALID")[0, :, :, 0]
    return same, valid


def padding(course: Course) -> Shown:
    """Show what "same" padding adds and what "valid" trims."""
    same, valid = (np.asarray(x) for x in pad_both_ways(jnp.ones((5, 5))))
    said = words("padding", same=same.shape, valid=valid.shape, left=_size_after(32, 5))
    figure = drawing.new_figure(2.35, 1, 3, width_ratios=(7, 5, 3))
    padded = np.pad(np.ones((5, 5)), 1)
    look = {"size": drawing.SMALL, "strongest": 9, "dashed": padded == 0}
    drawing.number_grid(figure.axes[0], padded, "picture, and zeros", **look)
    drawing.number_grid(figure.axes[1], same, "\u201csame\u201d: 5 x 5", size=drawing.SMALL)
    drawing.number_grid(figure.axes[2], valid, "\u201cvalid\u201d: 3 x 3", size=drawing.SMALL)
    return Shown(*said, figure, (pad_both_ways,))


def _size_after(size_px: int, layers: int) -> int:
    """Run "valid" layers one after the other, and tell the side of what is left."""
    image = jnp.ones((size_px, size_px))
    for _ in range(layers):
        image = pad_both_ways(image)[1]
    return image.shape[0]


def count_weights(side_px: int) -> tuple[int, int]:
    """Count the weights of a convolution, and of a dense layer with as many outputs."""
    photo = (side_px, side_px, 3)
    layer = summarize(create_model("six_conv", 2, depth=1), photo).rows[0]
    outputs = math.prod(layer.output_shape)
    return layer.num_params, (math.prod(photo) + 1) * outputs


def sharing(course: Course) -> Shown:
    """Show how many weights a convolution saves by using the same ones at every place."""
    sides = (16, 32, 64, 128, 256)
    shared, dense = zip(*map(count_weights, sides), strict=True)
    of_side = {side: _large(count) for side, count in zip(sides, dense, strict=True)}
    times = _large(dense[sides.index(128)] / shared[0])
    said = words("sharing", shared=shared[0], dense=of_side, times=times)
    figure = drawing.new_figure(3.0)
    axes = drawing.chart(figure.axes[0], x="side of the photo, px", y="weights of one layer")
    axes.plot(sides, dense, color=VERMILLION, marker="s", linestyle="--", linewidth=2)
    axes.plot(sides, shared, color=BLUE, marker="o", linewidth=2)
    axes.set(yscale="log", ylim=(100, 1e14))
    drawing.log_axis(axes, sides)
    axes.text(64, dense[2] * 12, "dense layer", **font(drawing.LABEL, ha="right", color=VERMILLION))
    axes.text(64, shared[2] * 6, f"convolution: {shared[0]}", **font(drawing.LABEL, color=BLUE))
    return Shown(*said, figure, (count_weights,))


def by_channel(image: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Apply a filter's red, green and blue slices separately, and the filter as a whole."""
    slices = conv2d(image[None], kernel[:, :, None, :], groups=3)[0]
    whole = conv2d(image[None], kernel[:, :, :, None])[0, :, :, 0]
    return slices, whole


def _listed(values: np.ndarray) -> str:
    return " ".join(f"{value:.0f}" for value in values).replace("-0", "0")


def _large(count: float) -> str:
    """Write a large number so that it can be read aloud.

    Example:
      >>> _large(896), _large(25_000_000), _large(1.61e9)
      ('896', '25 million', '1.6 billion')
    """
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:,.{0 if count >= 10 * size else 1}f} {name}"
    return f"{count:,.0f}"

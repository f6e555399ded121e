"""Lessons on what stands between convolutions: pooling, activations, dropout, augmentation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.lessons import drawing
from experiments.lessons.course import Course
from experiments.lessons.page import Shown, words
from jaxcnn.augment import augment_batch, make_augment
from jaxcnn.models.layers import ACTIVATIONS
from jaxcnn.ops.pooling import max_pool
from jaxcnn.plots.style import BLUE, GREY, VERMILLION
from jaxcnn.plots.text import font
from jaxcnn.training.preprocessing import to_unit_interval

POOLINGS = ((2, 2), (3, 1), (3, 2))  # window and stride, px
DROPOUT_RATE, UNITS, STEPS = 0.5, 20, 10
CHANGES = ("flip=1", "zoom=0.4", "rotation=0.6", "brightness=0.4", "hue=0.3")


def pool(image: jax.Array, window: int, strides: int) -> jax.Array:
    """Keep the largest number of each window of an (H, W) image."""
    maps = image[:, :, None]  # one map of one channel
    return max_pool(maps, window=window, strides=strides)[:, :, 0]


def pooling(course: Course) -> Shown:
    """Show what the window's size and its stride do to a map."""
    draws = np.random.default_rng(course.seed)
    image = np.floor(10 * draws.random((6, 6), np.float32) ** 2)  # mostly small, as maps are
    pooled = [np.asarray(pool(jnp.asarray(image), *options)) for options in POOLINGS]
    sizes = [" x ".join(map(str, each.shape)) for each in pooled]
    means = [each.mean() for each in pooled]
    said = words("pooling", options=POOLINGS, sizes=sizes, mean=image.mean(), means=means)
    figure = drawing.new_figure(3.9, 2, 2, height_ratios=(6, 4))
    drawing.number_grid(figure.axes[0], image, "feature map, 6 x 6", strongest=9)
    drawing.outline(figure.axes[0], 0, 0, 2, 2)
    for axes, (window, stride), values in zip(figure.axes[1:], POOLINGS, pooled, strict=True):
        drawing.number_grid(axes, values, f"window {window}, stride {stride}", strongest=9)
        # Cells as large as those of the map, and no taller a row than it needs.
        axes.set(xlim=(-0.06, 6.06), ylim=(6.06 if axes is figure.axes[1] else 4.06, -0.06))
    drawing.outline(figure.axes[1], 0, 0, 1, 1)
    return Shown(*said, figure, (pool,))


def activate(x: jax.Array, name: str) -> tuple[jax.Array, jax.Array]:
    """Give an activation's values and its slopes at points."""
    function = ACTIVATIONS[name]
    return function(x), jax.vmap(jax.grad(function))(x)


def activations(course: Course) -> Shown:
    """Show that the sigmoid's slope dies out through layers, and ReLU's does not."""
    x = np.linspace(-6, 6, 241, dtype=np.float32)
    looks = {"relu": (BLUE, "-"), "sigmoid": (VERMILLION, "--")}
    found = {name: [np.asarray(v) for v in activate(jnp.asarray(x), name)] for name in looks}
    slopes = {name: slope for name, (_, slope) in found.items()}
    said = words("activations", steepest=float(slopes["sigmoid"].max()), slopes=slopes)
    figure = drawing.new_figure(2.75, 1, 2)
    for number, (axes, title) in enumerate(zip(figure.axes, ("value", "slope"), strict=True)):
        drawing.chart(axes, x="input", y="")
        drawing.heading(axes, title)
        for name, (colour, line) in looks.items():
            axes.plot(x, found[name][number], color=colour, linestyle=line, linewidth=2.2)
    figure.axes[0].set_ylim(-0.3, 3.2)
    figure.axes[0].text(1.9, 2.6, "ReLU", **font(drawing.LABEL, color=BLUE, ha="right"))
    figure.axes[0].text(-5.8, 1.15, "sigmoid", **font(drawing.LABEL, color=VERMILLION))
    figure.axes[1].text(5.9, 0.9, "ReLU", **font(drawing.LABEL, color=BLUE, ha="right"))
    figure.axes[1].text(5.9, 0.27, "sigmoid", **font(drawing.LABEL, color=VERMILLION, ha="right"))
    return Shown(*said, figure, (activate,))


def augmented(photos: jax.Array, policy: str, key: jax.Array) -> jax.Array:
    """Draw one view of each of the (N, H, W, 3) photos."""
    augment = make_augment(policy, image_size_px=photos.shape[1])
    numbers = jnp.arange(len(photos))  # so that each photo has its own draw
    return augment_batch(augment, key, to_unit_interval(photos), numbers)


_compiled = jax.jit(augmented, static_argnums=1)


def augmentation(course: Course) -> Shown:
    """Show single changes of a photo, and views with all of them."""
    photo = course.large_photos.images[1]
    key = jax.random.key(course.seed)
    single = [_view(photo, change, key) for change in CHANGES]
    together = [_view(photo, "standard", jax.random.fold_in(key, i)) for i in range(6)]
    said = words(
        "augmentation",
        name=course.class_names[course.large_photos.labels[1]],
        changed=[float(np.abs(view - photo / np.float32(255)).mean()) for view in together],
        num_differing=len({view.tobytes() for view in together}),
    )
    figure = drawing.new_figure(7.6, 4, 3)
    names = ["the photo", *(change.split("=")[0] for change in CHANGES)]
    names += [f"standard, draw {i + 1}" for i in range(len(together))]
    for axes, view, name in zip(figure.axes, [photo, *single, *together], names, strict=True):
        drawing.picture(axes, view, name)
    return Shown(*said, figure, (augmented,))


def _view(photo: np.ndarray, policy: str, key: jax.Array) -> np.ndarray:
    return np.asarray(_compiled(jnp.asarray(photo)[None], policy, key)[0])


def drop(values: jax.Array, rate: float, key: jax.Array, step: int) -> jax.Array:
    """Drop values as a training step of that number does."""
    layer = nn.Dropout(rate, deterministic=False)
    keys = {"dropout": jax.random.fold_in(key, step)}
    return jnp.asarray(layer.apply({}, values, rngs=keys))


def dropout(course: Course) -> Shown:
    """Show which units are dropped in each of several steps."""
    key, ones = jax.random.key(course.seed), jnp.ones(UNITS)
    masks = np.stack([np.asarray(drop(ones, DROPOUT_RATE, key, step)) for step in range(STEPS)])
    many = np.asarray(drop(jnp.ones(100_000), DROPOUT_RATE, key, 0))
    dropped = (masks == 0).mean(axis=1)
    said = words("dropout", units=UNITS, steps=STEPS, dropped=dropped, many=many)
    return Shown(*said, _dropout_figure(masks), (drop,))


def _dropout_figure(masks: np.ndarray) -> Figure:
    figure = drawing.new_figure(3.3)
    axes = figure.axes[0]
    steps, units = np.nonzero(masks)
    axes.scatter(units, steps, marker="s", s=105, color=BLUE)
    steps, units = np.nonzero(masks == 0)
    axes.scatter(units, steps, marker="x", s=26, color=GREY, linewidths=1.6)
    axes.set(xlim=(-0.7, UNITS - 0.3), ylim=(STEPS - 0.4, -0.6), aspect="equal")
    axes.set_yticks(
        range(STEPS), [f"step {step + 1}" for step in range(STEPS)], **font(drawing.SMALL)
    )
    axes.set_xticks([])
    axes.set_xlabel(
        f"{UNITS} units: \u25a0 active, times 2    \u00d7 dropped", **font(drawing.SMALL)
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure

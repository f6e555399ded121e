"""Lessons on what stands between convolutions: pooling, activations, dropout, augmentation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.lessons import drawing
from experiments.lessons.course import Course
from experiments.lessons.lesson import Shown
from jaxcnn.augment import augment_batch, make_augment
from jaxcnn.models.layers import ACTIVATIONS
from jaxcnn.ops.pooling import max_pool
from jaxcnn.plots.style import BLUE, PALE, VERMILLION
from jaxcnn.plots.text import font, percent
from jaxcnn.train import to_unit_interval

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
    text = (
        "Max pooling slides a window over a feature map and keeps the largest number in it: how "
        "strongly a feature was found there, but no longer exactly where. The window's size says "
        "how much is looked at together, its stride how far it moves, and so how much smaller the "
        "map becomes: from 6 x 6 to "
        + ", ".join(f"{len(p)} x {len(p)}" for p in pooled[:2])
        + f" or {len(pooled[2])} x {len(pooled[2])}."
    )
    alt = (
        "A 6 by 6 grid of numbers and three pooled ones: window 2, stride 2 gives 3 by 3; window "
        "3, stride 1 gives 4 by 4; window 3, stride 2 gives 2 by 2. A box marks the first window "
        "and the number that is kept of it."
    )
    numbers = {
        f"window {window}, stride {stride}": f"{len(p)} x {len(p)}, mean {p.mean():.1f}"
        for (window, stride), p in zip(POOLINGS, pooled, strict=True)
    }
    numbers = {"before": f"6 x 6, mean {image.mean():.1f}"} | numbers
    facts = {"image": image, "pooled": pooled}
    return Shown(text, _pooling_figure(image, pooled), alt, numbers, (pool,), facts)


def _pooling_figure(image: np.ndarray, pooled: list[np.ndarray]) -> Figure:
    figure = drawing.new_figure(3.9, 2, 2, height_ratios=(6, 4))
    drawing.number_grid(figure.axes[0], image, "feature map, 6 x 6", strongest=9)
    drawing.outline(figure.axes[0], 0, 0, 2, 2)
    for axes, (window, stride), values in zip(figure.axes[1:], POOLINGS, pooled, strict=True):
        drawing.number_grid(axes, values, f"window {window}, stride {stride}", strongest=9)
        # Cells as large as those of the map, and no taller a row than it needs.
        axes.set(xlim=(-0.06, 6.06), ylim=(6.06 if axes is figure.axes[1] else 4.06, -0.06))
    drawing.outline(figure.axes[1], 0, 0, 1, 1)
    return figure


def activate(x: jax.Array, name: str) -> tuple[jax.Array, jax.Array]:
    """Give an activation's values and its slopes at points."""
    function = ACTIVATIONS[name]
    return function(x), jax.vmap(jax.grad(function))(x)


def activations(course: Course) -> Shown:
    """Show that the sigmoid's slope dies out through layers, and ReLU's does not."""
    x = np.linspace(-6, 6, 241, dtype=np.float32)
    found = {name: [np.asarray(v) for v in activate(jnp.asarray(x), name)] for name in _SHOWN}
    steepest = float(found["sigmoid"][1].max())
    text = (
        "ReLU keeps what is above 0 and makes the rest 0; the sigmoid presses everything between 0 "
        "and 1. Learning sends slopes backwards through the layers, and the sigmoid's is "
        f"{steepest:g} at its steepest, so six layers leave at most one part in "
        f"{round(steepest**-6):,} of the signal, where ReLU can let all of it through."
    )
    alt = (
        "Two charts against the input from -6 to 6. Values: ReLU is 0 up to 0 and then rises "
        "without end, the sigmoid rises from 0 to 1. Slopes: ReLU's is 0 and then 1, the sigmoid's "
        "is a low hump that reaches 0.25 at 0."
    )
    numbers = {
        "steepest slope of the sigmoid": f"{steepest:g}",
        "its sixth power": f"{steepest**6:.5f}",
        "steepest slope of ReLU": f"{found['relu'][1].max():g}",
        "slope of the sigmoid at 6": f"{found['sigmoid'][1][-1]:.4f}",
    }
    return Shown(text, _activations_figure(x, found), alt, numbers, (activate,), {"x": x, **found})


_SHOWN = ("relu", "sigmoid")


def _activations_figure(x: np.ndarray, found: dict[str, list[np.ndarray]]) -> Figure:
    figure = drawing.new_figure(2.75, 1, 2)
    looks = {"relu": (BLUE, "-", "ReLU"), "sigmoid": (VERMILLION, "--", "sigmoid")}
    for number, (axes, title) in enumerate(zip(figure.axes, ("value", "slope"), strict=True)):
        drawing.chart(axes, x="input", y="")
        drawing.heading(axes, title)
        for name, (colour, line, label) in looks.items():
            axes.plot(
                x, found[name][number], color=colour, linestyle=line, linewidth=2.2, label=label
            )
    figure.axes[0].set_ylim(-0.3, 3.2)
    for place, name, axes in (((0.2, 2.4), "relu", 0), ((-5.8, 1.15), "sigmoid", 0)):
        colour, _, label = looks[name]
        figure.axes[axes].text(*place, label, **font(drawing.LABEL, color=colour, ha="left"))
    figure.axes[0].texts[0].set(x=1.9, y=2.6, ha="right")
    figure.axes[1].text(5.9, 0.9, "ReLU", **font(drawing.LABEL, color=BLUE, ha="right"))
    figure.axes[1].text(5.9, 0.27, "sigmoid", **font(drawing.LABEL, color=VERMILLION, ha="right"))
    return figure


def augmented(photos: jax.Array, policy: str, key: jax.Array) -> jax.Array:
    """Draw one view of each of the (N, H, W, 3) photos."""
    augment = make_augment(policy, image_size_px=photos.shape[1])
    numbers = jnp.arange(len(photos))  # so that each photo has its own draw
    return augment_batch(augment, key, to_unit_interval(photos), numbers)


def augmentation(course: Course) -> Shown:
    """Show single changes of a photo, and views with all of them."""
    photo = course.large_photos.images[1]
    key = jax.random.key(course.seed)
    name = course.class_names[course.large_photos.labels[1]]
    single = [_view(photo, change, key) for change in CHANGES]
    together = [_view(photo, "standard", jax.random.fold_in(key, i)) for i in range(6)]
    changed = [float(np.abs(view - photo / np.float32(255)).mean()) for view in together]
    text = (
        f"A {name} that is mirrored, nearer, tilted or in other light is still a {name}, so every "
        "step of training may see another version of each photo at no cost. The first rows show "
        "the photo and one kind of change at a time, the last two what the policy "
        "\u201cstandard\u201d draws: no two views are alike, and the label stays."
    )
    alt = (
        f"A grid of a {name}: the photo, five versions with one change each (mirrored, closer, "
        "turned, in other light, in other colours), then six random views with several at once."
    )
    differing = len({view.tobytes() for view in together})
    numbers = {
        "views drawn": f"{len(together)}, of which {differing} differ",
        "mean change of a pixel": f"{percent(min(changed))} to {percent(max(changed))}",
    }
    facts = {"photo": photo, "single": single, "together": together}
    figure = _augmentation_figure(photo, single, together)
    return Shown(text, figure, alt, numbers, (augmented,), facts)


def _view(photo: np.ndarray, policy: str, key: jax.Array) -> np.ndarray:
    return np.asarray(augmented(jnp.asarray(photo)[None], policy, key)[0])


def _augmentation_figure(
    photo: np.ndarray, single: list[np.ndarray], together: list[np.ndarray]
) -> Figure:
    figure = drawing.new_figure(7.6, 4, 3)
    names = ["the photo", *(change.split("=")[0] for change in CHANGES)]
    names += [f"standard, draw {i + 1}" for i in range(len(together))]
    for axes, view, name in zip(figure.axes, [photo, *single, *together], names, strict=True):
        drawing.picture(axes, view, name)
    return figure


def drop(values: jax.Array, rate: float, key: jax.Array, step: int) -> jax.Array:
    """Drop values as a training step of that number does."""
    layer = nn.Dropout(rate, deterministic=False)
    keys = {"dropout": jax.random.fold_in(key, step)}
    return layer.apply({}, values, rngs=keys)


def dropout(course: Course) -> Shown:
    """Show which units are dropped in each of several steps."""
    key, ones = jax.random.key(course.seed), jnp.ones(UNITS)
    masks = np.stack([np.asarray(drop(ones, DROPOUT_RATE, key, step)) for step in range(STEPS)])
    many = np.asarray(drop(jnp.ones(100_000), DROPOUT_RATE, key, 0))
    text = (
        "In each step of training a coin is thrown for every unit, and half of them stay silent, "
        "so that none can rely on a particular other. What is left counts double, which keeps the "
        "mean as it was; when the network is used, all units speak and nothing is drawn."
    )
    dropped = (masks == 0).mean(axis=1)
    alt = (
        f"A grid of {UNITS} units in {STEPS} steps; in each step about half of the cells are "
        "empty, others in every row, and the rest are filled and marked times two."
    )
    numbers = {
        "dropped in these steps": f"{percent(dropped.min(), 0)} to {percent(dropped.max(), 0)}",
        "dropped of 100,000": percent(float((many == 0).mean())),
        "mean of 100,000 ones afterwards": f"{many.mean():.3f}",
    }
    facts = {"masks": masks, "many": many}
    return Shown(text, _dropout_figure(masks), alt, numbers, (drop,), facts)


def _dropout_figure(masks: np.ndarray) -> Figure:
    figure = drawing.new_figure(3.3)
    axes = figure.axes[0]
    steps, units = np.nonzero(masks)
    axes.scatter(units, steps, marker="s", s=105, color=BLUE)
    steps, units = np.nonzero(masks == 0)
    axes.scatter(units, steps, marker="x", s=26, color=PALE, linewidths=1.6)
    axes.set(xlim=(-0.7, UNITS - 0.3), ylim=(STEPS - 0.4, -0.6), aspect="equal")
    axes.set_yticks(
        range(STEPS), [f"step {step + 1}" for step in range(STEPS)], **font(drawing.SMALL)
    )
    axes.set_xticks([])
    axes.set_xlabel(
        f"{UNITS} units: \u25a0 speaks, times 2    \u00d7 is silent", **font(drawing.SMALL)
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure

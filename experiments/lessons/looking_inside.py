"""Lessons that look into a trained network: feature maps, a filter's colours, softmax."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.lessons import drawing
from experiments.lessons.course import Arrays, Course
from experiments.lessons.filters import by_channel
from experiments.lessons.page import Shown, words
from experiments.lessons.training import Trained, settings, train_cached
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.text import percent
from jaxcnn.losses import probabilities
from jaxcnn.models import StagedNetwork
from jaxcnn.training.preprocessing import network_input
from jaxcnn.types import PyTree

_MAPS = 4  # shown of each stage
_COLOURS = ("red", "green", "blue")


def trained_network(course: Course) -> Trained:
    """Train the network on all training photos, or take it from the cache."""
    photos, num_epochs = course.photos, course.sizes.num_epochs
    chosen = settings(course, num_epochs=num_epochs, augment="flip", dropout_rate=0.2)
    return train_cached(course, "network", chosen, photos.train, evaluated=(photos.test,))


def maps_of(model: StagedNetwork, variables: PyTree, image: jax.Array) -> dict[str, jax.Array]:
    """Give what comes out of each stage for one photo."""
    stages = model.clone(features_only=True)
    images = network_input(image[None], Preprocessing())
    return jax.tree.map(jnp.asarray, stages.apply(variables, images, train=False))


def feature_maps(course: Course) -> Shown:
    """Show the most varied feature maps of each stage for one photo."""
    network = trained_network(course)
    chosen = _surest(network, course, 0)
    photo = course.photos.test.images[chosen]
    maps = maps_of(network.model, network.variables, jnp.asarray(photo))
    found = {name: np.asarray(x)[0] for name, x in sorted(maps.items())}
    said = words(
        "depth",
        name=course.class_names[course.photos.test.labels[chosen]],
        sizes={stage: " x ".join(map(str, x.shape)) for stage, x in found.items()},
        num_weights=sum(leaf.size for leaf in jax.tree.leaves(network.variables["params"])),
        right=float(network.accuracy[-1, 0]),
    )
    return Shown(*said, _maps_figure(photo, found), (maps_of,))


def _maps_figure(photo: np.ndarray, found: Arrays) -> Figure:
    figure = drawing.new_figure(1.42 * (len(found) + 1), len(found) + 1, _MAPS)
    top, rows = figure.axes[:_MAPS], figure.axes[_MAPS:]
    for axes in top[1:]:
        axes.axis("off")
    drawing.picture(top[0], photo, "the photo")
    for number, (name, maps) in enumerate(found.items()):
        most_varied = np.argsort(-maps.std(axis=(0, 1)), kind="stable")[:_MAPS]
        for axes, channel in zip(rows[number * _MAPS :], most_varied, strict=False):
            values = maps[:, :, channel]
            brightest = float(np.quantile(values, 0.98))  # a few cells would outshine the rest
            drawing.picture(axes, np.minimum(values / max(brightest, 1e-6), 1))
        rows[number * _MAPS].set_ylabel(
            f"{name.replace('_', ' ')}\n{maps.shape[0]} x {maps.shape[1]}, {maps.shape[2]} maps",
            **drawing.font(drawing.SMALL),
        )
    return figure


def colours(course: Course) -> Shown:
    """Show that a filter has a slice for each colour, and adds up what they give."""
    network = trained_network(course)
    photo = course.large_photos.images[0]
    kernels = np.asarray(network.variables["params"]["block_1"]["conv"]["kernel"])
    number = int(np.argmax(kernels.std(axis=(0, 1, 2))))
    kernel, pixels = kernels[:, :, :, number], network_input(photo, Preprocessing())
    slices, whole = map(np.asarray, by_channel(pixels, jnp.asarray(kernel)))
    error = float(np.abs(slices.sum(axis=2) - whole).max())
    name = course.class_names[course.large_photos.labels[0]]
    said = words("colours", name=name, number=number + 1, kernels=kernels, error=error)
    return Shown(*said, _colours_figure(photo, kernel, slices, whole), (by_channel,))


def _colours_figure(
    photo: np.ndarray, kernel: np.ndarray, slices: np.ndarray, whole: np.ndarray
) -> Figure:
    figure = drawing.new_figure(7.2, 4, 3)
    rows = np.array(figure.axes).reshape(4, 3)
    scale = float(np.quantile(np.abs(slices), 0.99))
    strongest = float(np.abs(kernel).max()) * 1.2
    look: dict[str, Any] = {"digits": 2, "size": drawing.SMALL, "strongest": strongest}
    for i, (colour, (left, middle, right)) in enumerate(zip(_COLOURS, rows, strict=False)):
        drawing.picture(left, photo[:, :, i], f"{colour} of the photo")
        drawing.number_grid(middle, kernel[:, :, i], f"weights for {colour}", **look)
        drawing.signed_picture(right, slices[:, :, i], f"output for {colour}", scale=scale)
    drawing.picture(rows[3, 0], photo, "the photo")
    rows[3, 1].axis("off")
    rows[3, 1].text(0.5, 0.5, "red + green + blue =", **drawing.font(drawing.SMALL, ha="center"))
    scale = float(np.quantile(np.abs(whole), 0.99))
    drawing.signed_picture(rows[3, 2], whole, "the feature map", scale=scale)
    return figure


def answer(
    model: StagedNetwork, variables: PyTree, images: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Give the network's scores of photos, and what softmax makes of them."""
    images = network_input(images, Preprocessing())
    logits = jnp.asarray(model.apply(variables, images, train=False))
    return logits, probabilities(logits, "softmax")


def softmax(course: Course) -> Shown:
    """Show scores and probabilities of a sure, another sure and an unsure photo."""
    network = trained_network(course)
    least_sure = int(network.probabilities.max(axis=1).argmin())
    chosen = [_surest(network, course, 0), _surest(network, course, 1), least_sure]
    photos, names = course.photos.test.images[chosen], course.class_names
    found = answer(network.model, network.variables, jnp.asarray(photos))
    logits, shares = (np.asarray(x, np.float64) for x in found)
    first = np.argsort(-shares, kind="stable")[:, :3]
    answers = [
        [(names[k], logits[i, k], shares[i, k]) for k in best] for i, best in enumerate(first)
    ]
    sums = ", ".join(f"{total:.6f}" for total in shares.sum(axis=1))
    said = words("softmax", answers=answers, sums=sums)
    return Shown(*said, _softmax_figure(photos, logits, shares, names), (answer,))


def _surest(network: Trained, course: Course, label: int) -> int:
    own = np.where(course.photos.test.labels == label, network.probabilities[:, label], -1)
    return int(own.argmax())


def _softmax_figure(
    photos: np.ndarray, logits: np.ndarray, shares: np.ndarray, names: tuple[str, ...]
) -> Figure:
    figure = drawing.new_figure(4.6, 3, 3, width_ratios=(1, 1.1, 1.1))
    rows = np.array(figure.axes).reshape(3, 3)
    for row, photo, scores, share in zip(rows, photos, logits, shares, strict=True):
        shown = np.argsort(-share, kind="stable")[:4] if len(names) > 4 else np.arange(len(names))
        labels = [names[i] for i in shown]
        drawing.picture(row[0], photo)
        texts = [f"{scores[i]:.1f}".replace("-", "\u2212") for i in shown]
        drawing.bars(row[1], labels, scores[shown], texts)
        drawing.bars(row[2], labels, share[shown], [percent(share[i], 0) for i in shown])
        for axes in row[1:]:
            axes.set_xticks([])
            axes.spines[:].set_visible(False)
            axes.axvline(0, color=drawing.GREY, linewidth=1)
            axes.tick_params(length=0)
        row[1].set_xlim(np.array([-1.5, 1.5]) * np.abs(logits).max())
        row[2].set_xlim(0, 1.45)
    drawing.heading(rows[0, 1], "scores", size=drawing.LABEL)
    drawing.heading(rows[0, 2], "probabilities", size=drawing.LABEL)
    return figure

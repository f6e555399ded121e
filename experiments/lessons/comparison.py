"""Lessons that compare: transfer with learning from scratch, and a network with counting."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.lessons import drawing
from experiments.lessons.course import Arrays, Course, Photos, first_of
from experiments.lessons.looking_inside import trained_network
from experiments.lessons.page import Shown, words
from experiments.lessons.training import settings, train, train_cached
from jaxcnn import pretrained
from jaxcnn.data.batches import eval_batches
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.text import percent
from jaxcnn.metrics.baselines import BaselineResult, histogram_baselines
from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.metrics.logistic_regression import fit_logistic_regression, predict, standardise
from jaxcnn.models import StagedNetwork, create_model, fold_batch_norm
from jaxcnn.plots.style import BLUE, GREY, VERMILLION
from jaxcnn.plots.text import font
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.features import extract, make_feature_step
from jaxcnn.types import PyTree

_PACKAGED = "efficientnet_lite0.lukemelas"
_BATCH_SIZE = 50
_TURNS = 2  # views of each photo, of its four quarter turns


class Backbone(NamedTuple):
    """A network that has learned something else before, and what it has learned."""

    model: StagedNetwork
    variables: PyTree
    learned: str
    enlarged: int  # how many times larger it sees the photos
    preprocessing: Preprocessing


def new_last_layer(known: np.ndarray, labels: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Train a last layer on the features of some photos, and classify others by theirs."""
    classes = int(labels.max()) + 1
    seen, unseen = standardise(known, known), standardise(unknown, known)
    head = fit_logistic_regression(seen, labels, num_classes=classes, l2=0.1)
    return predict(head, unseen)


def transfer(course: Course) -> Shown:
    """Compare transfer with training from scratch as the number of photos grows."""
    found = _accuracies(course)
    num_test = len(course.photos.test)
    measured = zip(found["counts"], found["transfer"], found["scratch"], strict=True)
    rows: list[dict[str, Any]] = [
        {"count": f"{n:,}", "transfer": float(m), "scratch": float(s)} for n, m, s in measured
    ]
    enough = [row["count"] for row in rows if row["scratch"] >= rows[0]["transfer"]]
    chance = float(np.bincount(course.photos.test.labels).max() / num_test)
    said = words(
        "transfer",
        enough=enough[0] if enough else "",
        learned=found["learned"],
        is_published=found["is_published"],
        rows=rows,
        num_test=f"{num_test:,}",
    )
    return Shown(*said, draw_transfer(found, num_test, chance), (new_last_layer,))


def _accuracies(course: Course) -> dict[str, Any]:
    """Measure both at every number of photos, or take what is cached."""
    photos, published = course.photos, _published(course)
    most = len(photos.train)
    counts = [n for n in course.sizes.transfer_counts if n <= most] or [most]

    def make() -> Arrays:
        backbone = published or _own_backbone(course)
        known = _features(backbone, first_of(photos.train, counts[-1]))
        unknown = _features(backbone, photos.test)
        right = [
            new_last_layer(known[:n], photos.train.labels[:n], unknown) == photos.test.labels
            for n in counts
        ]
        scratch = [_from_scratch(course, first_of(photos.train, n)) for n in counts]
        return {
            "counts": np.array(counts),
            "transfer": np.mean(right, axis=1),
            "scratch": np.array(scratch),
            "learned": np.array(backbone.learned),
        }

    name = f"transfer_{'published' if published else 'own'}"
    found = course.cached(name, make, published and published.learned, course.sizes)
    return {**found, "is_published": published is not None}


def _features(backbone: Backbone, photos: DecodedSplit) -> np.ndarray:
    """Give (N, D) features of photos."""
    larger = photos.images.repeat(backbone.enlarged, axis=1).repeat(backbone.enlarged, axis=2)
    photos = dataclasses.replace(photos, images=larger)
    whole = dataclasses.replace(backbone.preprocessing, image_size_px=None)
    step: Callable[..., Any] = make_feature_step(backbone.model, whole)
    key = jax.random.key(0)  # decides augmented views alone, and there are none
    batches = list(eval_batches(photos, batch_size=_BATCH_SIZE, num_threads=0))
    compiled = compile_step(step, backbone.variables, batches[0], key)
    return extract(compiled, backbone.variables, batches, len(photos), key=key)[0][:, 0]


def _published(course: Course) -> Backbone | None:
    """Load published weights; None where none are named and none are installed."""
    if course.weights == "none":
        return None
    try:
        is_named = course.weights is not None
        found = pretrained.load(course.weights or _PACKAGED, offline=None if is_named else True)
    except (ValueError, OSError):
        if course.weights is not None:
            raise
        return None
    model, variables = fold_batch_norm(
        create_model(found.model, len(found.class_names), **found.options), found.variables
    )
    enlarged = max(1, round(96 / course.sizes.image_px))
    learned = f"has learned {len(found.class_names):,} classes of photos ({found.name})"
    return Backbone(model, variables, learned, enlarged, found.preprocessing)


def _own_backbone(course: Course) -> Backbone:
    """Train a network to tell which way up photos are, for which no labels are needed.

    Source: Gidaris et al. 2018, arXiv:1803.07728; deviation: two of the four turns of each photo.
    """
    chosen = settings(course, num_epochs=max(1, course.sizes.num_epochs // _TURNS))
    turned = _turned(course.photos.train, course.seed)
    test = first_of(_turned(course.photos.test, course.seed), len(course.photos.test))
    how = {"evaluated": (test,), "each_epoch": False}
    found = train_cached(course, "which_way_up", chosen, turned, **how)
    right = percent(float(found.accuracy[-1, 0]), 0)
    learned = f"has learned to tell which way up photos are ({right} right)"
    return Backbone(found.model, found.variables, learned, 1, chosen.preprocessing)


def _turned(photos: DecodedSplit, seed: int) -> DecodedSplit:
    """Turn each photo by some of the quarter turns; the label is the turn."""
    draws = np.random.default_rng(seed)
    turns = np.stack([draws.permutation(4)[:_TURNS] for _ in photos.labels]).T.ravel()
    tiled = np.tile(photos.images, (_TURNS, 1, 1, 1))
    images = np.stack(
        [np.rot90(image, int(turn)) for image, turn in zip(tiled, turns, strict=True)]
    )
    names, labels = list(photos.names) * _TURNS, turns.astype(np.int32)
    return DecodedSplit(images, labels, names, ("0", "90", "180", "270"))


def _from_scratch(course: Course, photos: DecodedSplit) -> float:
    """Train a network on these photos alone; its accuracy on the test photos."""
    batch_size = min(16, len(photos))
    steps = len(photos) // batch_size
    # Few photos are seen more often, and many as often as by the network of the other lessons.
    num_epochs = max(course.sizes.num_epochs, course.sizes.transfer_steps // steps)
    chosen = settings(course, num_epochs=num_epochs, batch_size=batch_size, augment="flip")
    found = train(chosen, photos, evaluated=(course.photos.test,), each_epoch=False)
    return float(found.accuracy[-1, 0])


def draw_transfer(found: dict[str, Any], num_test: int, chance: float) -> Figure:
    """Draw both curves with their intervals, named where they are furthest apart.

    Args:
      found: {"counts", "transfer", "scratch"}: (N,) photos, and shares right after them.
      num_test: test photos.
      chance: share right by always naming the most frequent class.

    Returns:
      The figure.
    """
    counts, scratch, moved = found["counts"], found["scratch"], found["transfer"]
    figure = drawing.new_figure(3.3)
    axes = drawing.chart(figure.axes[0], x="training photos", y="right of the test photos")
    widest = int(np.abs(moved - scratch).argmax())  # there the names are clear of the other curve
    upper_side = "right" if widest else "left"
    lower_side = "right" if widest == len(counts) - 1 else "left"
    looks = ((moved, BLUE, "o", "-", "transfer"), (scratch, VERMILLION, "s", "--", "from scratch"))
    for values, colour, marker, line, label in looks:
        bounds = np.array([wilson_interval(round(v * num_test), num_test) for v in values])
        errors = np.abs(bounds.T - values)
        axes.errorbar(
            counts, values, errors, color=colour, marker=marker, linestyle=line, linewidth=2,
            capsize=3, elinewidth=1.2,
        )  # fmt: skip
        above = values[widest] >= (moved[widest] + scratch[widest]) / 2
        place = (counts[widest], float(values[widest]))
        offset, va, ha = (12, "bottom", upper_side) if above else (-14, "top", lower_side)
        look = font(drawing.LABEL, color=colour, va=va, ha=ha)
        axes.annotate(label, place, (0, offset), textcoords="offset points", **look)
    drawing.log_axis(axes, counts)
    axes.margins(y=0.2, x=0.08)
    axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.4)
    look = font(drawing.SMALL, color=GREY, ha="right", va="bottom")
    axes.annotate("guessing", (counts[-1], chance), (0, 3), textcoords="offset points", **look)
    axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f}%")
    return figure


def count_and_tell(photos: Photos) -> dict[str, BaselineResult]:
    """Tell the classes by histograms of colours and of edges, without a network."""
    splits = [(split.images, split.labels) for split in photos]
    return histogram_baselines(*splits, num_classes=len(photos.class_names))


def histograms(course: Course) -> Shown:
    """Compare histograms of colours and of edges with the network."""
    found = count_and_tell(course.photos)
    labels = course.photos.test.labels
    chance = float(np.bincount(labels).max() / len(labels))
    accuracies = {
        "colours, counted": found["color_histogram"].test_accuracy,
        "edges, counted": found["edge_orientation_histogram"].test_accuracy,
        "the network": float(trained_network(course).accuracy[-1, 0]),
    }
    bounds = [wilson_interval(round(x * len(labels)), len(labels)) for x in accuracies.values()]
    facts = {"accuracies": accuracies, "bounds": bounds, "num_test": len(labels)}
    said = words("histograms", chance=chance, **facts)
    figure = drawing.new_figure(2.4)
    axes = drawing.chart(figure.axes[0], x="right of the test photos", y="")
    texts = [percent(value) for value in accuracies.values()]
    drawing.bars(axes, list(accuracies), np.array(list(accuracies.values())), texts)
    axes.axvline(chance, color=VERMILLION, linestyle="--", linewidth=1.6)
    axes.text(chance + 0.015, -0.5, "guessing", **font(drawing.SMALL, color=VERMILLION))
    axes.set(xlim=(0, 1.18), ylim=(2.5, -0.75))
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0%", "25%", "50%", "75%", "100%"))
    axes.grid(visible=False, axis="y")
    return Shown(*said, figure, (count_and_tell,))

"""The lesson on what can be told without a network: colours and edges, counted."""

import numpy as np
from matplotlib.figure import Figure

from experiments.lessons import drawing
from experiments.lessons.course import Course, Photos
from experiments.lessons.lesson import Shown, words
from experiments.lessons.looking_inside import trained_network
from jaxcnn.host.text import percent
from jaxcnn.metrics.baselines import BaselineResult, histogram_baselines
from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.plots.style import VERMILLION
from jaxcnn.plots.text import font


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
    return Shown(*said, _bars_figure(accuracies, chance), (count_and_tell,))


def _bars_figure(accuracies: dict[str, float], chance: float) -> Figure:
    figure = drawing.new_figure(2.4)
    axes = drawing.chart(figure.axes[0], x="right of the test photos", y="")
    texts = [percent(value) for value in accuracies.values()]
    drawing.bars(axes, list(accuracies), np.array(list(accuracies.values())), texts)
    axes.axvline(chance, color=VERMILLION, linestyle="--", linewidth=1.6)
    axes.text(chance + 0.015, -0.5, "guessing", **font(drawing.SMALL, color=VERMILLION))
    axes.set(xlim=(0, 1.18), ylim=(2.5, -0.75))
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0%", "25%", "50%", "75%", "100%"))
    axes.grid(visible=False, axis="y")
    return figure

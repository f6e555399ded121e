"""Lessons on fooling oneself: choosing on the test photos, and a network that memorises."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from experiments.lessons import drawing
from experiments.lessons.course import Arrays, Course, first_of
from experiments.lessons.lesson import Shown
from experiments.lessons.training import settings, train
from jaxcnn.config import TrainConfig
from jaxcnn.plots.style import BLUE, GREY, INK, VERMILLION
from jaxcnn.plots.text import font, percent, points

# A network with far more weights than photos to learn from, and nothing that holds it back.
_BARE: Mapping[str, Any] = {
    "depth": 3,
    "width_multiplier": 0.5,
    "batch_norm": False,
    "global_pooling": "none",
    "dense_widths": (64,),
    "warmup_epochs": 1.0,
}
CURES: Mapping[str, Mapping[str, Any]] = {
    "no cure": {},
    "augmentation": {"augment": "flip,translation=0.12,zoom=0.7"},
    "dropout": {"dropout_rate": 0.6},
    "smaller network": {"width_multiplier": 0.25, "dense_widths": ()},
    "five times the photos": {},
}
_MORE = "five times the photos"


class Curves(NamedTuple):
    """How one network went, epoch by epoch."""

    train: np.ndarray  # (epochs,) accuracy on the photos that it learned from
    validation: np.ndarray
    test: np.ndarray
    right: np.ndarray  # (epochs, N) bool, of the validation and test photos together


def with_cure(seed: int, image_size_px: int, num_epochs: int, cure: str) -> TrainConfig:
    """Give the settings of the bare network with one cure."""
    changed = {**_BARE, **CURES[cure]}
    return settings(image_size_px=image_size_px, num_epochs=num_epochs, seed=seed, **changed)


def curves(course: Course) -> dict[str, Curves]:
    """Train the bare network without and with each cure, or take the curves that are kept."""
    return {name: _curves(course, name) for name in CURES}


def _curves(course: Course, cure: str) -> Curves:
    sizes, photos = course.sizes, course.photos
    few = first_of(photos.train, sizes.num_few * (5 if cure == _MORE else 1))
    epochs = max(2, sizes.few_epochs // (5 if cure == _MORE else 1))
    evaluated = (first_of(few, sizes.num_few), photos.validation, photos.test)

    def make() -> Arrays:
        chosen = with_cure(course.seed, sizes.image_px, epochs, cure)
        found = train(chosen, few, evaluated=evaluated)
        right = np.concatenate(found.right[1:], axis=1)
        return {"accuracy": found.accuracy, "right": right}

    kept = course.kept(f"cure_{cure.replace(' ', '_')}", make)
    return Curves(*kept["accuracy"].T, kept["right"])


def memorising(course: Course) -> Shown:
    """Show the bare network's curves, and what each cure makes of them."""
    found = curves(course)
    bare = found["no cure"]
    best = int(bare.validation.argmax())
    gain = {name: float(c.test[c.validation.argmax()]) for name, c in found.items()}
    cured = max((name for name in gain if name not in ("no cure", _MORE)), key=gain.__getitem__)
    text = (
        f"With {course.sizes.num_few} photos the bare network soon knows all of them by heart "
        f"({percent(float(bare.train[-1]), 0)} right), yet of new photos only "
        f"{percent(float(bare.validation[-1]), 0)}: what it has learned is the photos, and only the "
        "validation split shows it. Each cure makes memorising harder, and the gap smaller; the one "
        "that helps most here is "
        + (_MORE if gain[_MORE] > gain[cured] else cured)
        + ", and the test photos, which chose nothing, confirm it."
    )
    alt = "Six charts of accuracy by epoch, training dashed and validation solid. " + "; ".join(
        f"{name}: training ends at {percent(float(c.train[-1]), 0)}, validation at "
        f"{percent(float(c.validation[-1]), 0)}"
        for name, c in found.items()
    )
    numbers = {
        name: f"gap {points(float(c.train[-1] - c.validation[-1]))}, test {percent(gain[name])}"
        for name, c in found.items()
    }
    facts = {"curves": found, "best_epoch": best, "test_accuracy": gain}
    return Shown(text, _memorising_figure(found), alt, numbers, (with_cure, train_lines), facts)


def train_lines(config: TrainConfig, photos: Any, others: Any) -> np.ndarray:
    """Train, and give the accuracy on each of the other splits by epoch."""
    return train(config, photos, evaluated=others).accuracy


def _memorising_figure(found: Mapping[str, Curves]) -> Figure:
    figure = drawing.new_figure(6.6, 3, 2)
    bare = found["no cure"]
    panels = [("no cure", bare), ("three splits", bare)]
    panels += [(name, c) for name, c in found.items() if name != "no cure"]
    for axes, (title, each) in zip(figure.axes, panels, strict=True):
        epochs = np.arange(1, len(each.train) + 1)
        drawing.chart(axes, x="epoch", y="")
        drawing.heading(axes, title)
        axes.plot(epochs, each.train, color=BLUE, linestyle="--", linewidth=1.8)
        axes.plot(epochs, each.validation, color=VERMILLION, linewidth=1.8)
        axes.set(ylim=(0.42, 1.04), yticks=(0.5, 0.75, 1.0), yticklabels=("50%", "75%", "100%"))
        if title == "three splits":
            best = int(each.validation.argmax())
            axes.axvline(best + 1, color=GREY, linestyle=":", linewidth=1.5)
            axes.plot([best + 1], [each.test[best]], "D", color=INK, markersize=6)
            note = f"chosen epoch: {best + 1}\ntest: {percent(float(each.test[best]))}"
            axes.text(
                0.97, 0.04, note, transform=axes.transAxes, **font(9, ha="right", va="bottom")
            )
        else:
            gap = f"gap {points(float(each.train[-1] - each.validation[-1]))}"
            axes.text(0.97, 0.04, gap, transform=axes.transAxes, **font(9, ha="right", va="bottom"))
    figure.axes[0].text(*_beside(bare.train), "training", **font(9, color=BLUE))
    figure.axes[0].text(*_beside(bare.validation), "validation", **font(9, color=VERMILLION))
    return figure


def _beside(curve: np.ndarray) -> tuple[float, float]:
    """Find a place just below the middle of a curve."""
    middle = len(curve) // 2
    return middle + 1.0, float(curve[middle]) - 0.09


def choose_and_report(
    right: np.ndarray, tested: np.ndarray, fresh: np.ndarray
) -> tuple[float, float]:
    """Choose the network that is best on the test photos, and score it there and on fresh ones."""
    best = right[:, tested].mean(axis=1).argmax()
    return right[best, tested].mean(), right[best, fresh].mean()


@dataclasses.dataclass(frozen=True)
class Flattery:
    """By how much the reported accuracy exceeds the true one: mean, and the middle 90 %."""

    tried: tuple[int, ...]
    peeking: np.ndarray  # (numbers tried, repetitions)
    honest: np.ndarray


def simulate(
    right: np.ndarray, *, tried: tuple[int, ...], num_tested: int, repetitions: int, seed: int
) -> Flattery:
    """Repeat the mistake, and the right way beside it, with other photos and networks each time.

    Args:
      right: (C, N) bool, which of N photos each of C networks gets right.
      tried: numbers of networks to choose from.
      num_tested: photos to choose by, and to report on.
      repetitions: of each.
      seed: decides the draws.

    Returns:
      Reported accuracy less that on all photos that neither chose nor reported.
    """
    draws = np.random.default_rng(seed)
    gaps = np.zeros((2, len(tried), repetitions))
    for row, count in enumerate(tried):
        for repetition in range(repetitions):
            some = right[draws.permutation(len(right))[:count]]
            order = draws.permutation(right.shape[1])
            first, second, fresh = np.split(order, [num_tested, 2 * num_tested])
            reported, true = choose_and_report(some, first, fresh)
            chosen = some[some[:, first].mean(axis=1).argmax()]
            gaps[:, row, repetition] = reported - true, chosen[second].mean() - true
    return Flattery(tried, gaps[0], gaps[1])


def peeking(course: Course) -> Shown:
    """Show how far an accuracy flatters that was chosen on the photos that it is reported on."""
    right = np.concatenate([c.right[len(c.right) // 3 :] for c in curves(course).values()])
    num_tested = min(100, right.shape[1] // 4)
    tried = tuple(k for k in (1, 2, 5, 10, 20, 50) if k < len(right)) + (len(right),)
    found = simulate(
        right, tried=tried, num_tested=num_tested, repetitions=course.sizes.num_repetitions,
        seed=course.seed,
    )  # fmt: skip
    worst = float(found.peeking[-1].mean())
    text = (
        f"Whoever tries {len(right)} networks (settings and epochs) on the same {num_tested} test photos "
        "and reports the best has chosen the luckiest as well: on fresh photos it is "
        f"{points(worst)} worse than reported, on average of {course.sizes.num_repetitions:,} "
        "repetitions. Choose on validation photos and report on test photos that chose nothing, and "
        f"the error is {points(abs(float(found.honest[-1].mean())))}: luck, in both directions alike."
    )
    alt = (
        "A chart of reported less true accuracy by the number of networks tried, from 1 to "
        f"{len(right)}. Chosen on the test photos it rises from {points(float(found.peeking[0].mean()))} to "
        f"{points(worst)}; chosen on validation photos it stays near 0. Bands hold the middle 90 %."
    )
    numbers = {
        f"best of {k}": f"flattered by {points(float(gap.mean()))} "
        f"({points(float(np.quantile(gap, 0.05)))} to {points(float(np.quantile(gap, 0.95)))})"
        for k, gap in zip(tried, found.peeking, strict=True)
        if k in (1, 10, len(right))
    }
    numbers |= {"chosen on validation": f"{points(float(found.honest[-1].mean()))}"}
    facts = {"found": found, "num_networks": len(right), "num_tested": num_tested}
    return Shown(text, _peeking_figure(found), alt, numbers, (choose_and_report,), facts)


def _peeking_figure(found: Flattery) -> Figure:
    figure = drawing.new_figure(3.3)
    axes = drawing.chart(figure.axes[0], x="networks tried", y="reported less true accuracy")
    looks = (
        (found.honest, BLUE, "o", "--", "chosen on validation photos", "top"),
        (found.peeking, VERMILLION, "s", "-", "chosen on the test photos", "bottom"),
    )
    for gaps, colour, marker, line, label, side in looks:
        mean = gaps.mean(axis=1)
        low, high = np.quantile(gaps, (0.05, 0.95), axis=1)
        axes.fill_between(found.tried, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(found.tried, mean, color=colour, marker=marker, linestyle=line, linewidth=2)
        place = (found.tried[0], float((high if side == "bottom" else low)[0]))
        shift = (0, 8 if side == "bottom" else -8)
        look = font(drawing.SMALL, color=colour, va=side)
        axes.annotate(label, place, shift, textcoords="offset points", **look)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks(found.tried, [str(k) for k in found.tried])
    axes.minorticks_off()
    axes.margins(y=0.18)
    axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:+.0f}".replace("-", "\u2212"))
    axes.set_ylabel("reported less true, points", **font(drawing.LABEL))
    return figure

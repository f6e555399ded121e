"""Lessons on overfitting: choosing on the test photos, and a network that memorises."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from experiments.lessons import drawing
from experiments.lessons.course import Course, first_of
from experiments.lessons.page import Shown, words
from experiments.lessons.training import Follow, settings, train, train_cached
from jaxcnn.host.text import percent, points
from jaxcnn.plots.style import GREY, HALO, INK, PURPLE, TRAINING, VALIDATION
from jaxcnn.plots.text import font

# A network with far more weights than photos to learn from, and nothing that holds it back.
_BARE: Mapping[str, Any] = {
    "depth": 3,
    "width_multiplier": 0.5,
    "batch_norm": False,
    "global_pooling": "none",
    "dense_widths": (64,),
    "warmup_epochs": 1.0,
}
BARE, _MORE = "no cure", "five times the photos"


def cures() -> dict[str, dict[str, Any]]:
    """List the settings that each cure changes."""
    return {
        "no cure": {},
        "augmentation": {"augment": "flip,translation=0.08"},
        "dropout": {"dropout_rate": 0.3},
        "smaller network": {"width_multiplier": 0.25, "dense_widths": ()},
        "five times the photos": {},
    }


class Curves(NamedTuple):
    """How one network went, epoch by epoch."""

    train: np.ndarray  # (epochs,) accuracy on the photos that it learned from
    validation: np.ndarray
    test: np.ndarray
    right: np.ndarray  # (epochs, N) bool, of the validation and test photos together


def curves(course: Course) -> dict[str, Curves]:
    """Train the bare network without and with each cure, or take the cached curves."""
    return {name: _curves(course, name) for name in cures()}


def _curves(course: Course, cure: str) -> Curves:
    sizes, photos = course.sizes, course.photos
    num_few = _num_few(course)
    few = first_of(photos.train, num_few * (5 if cure == _MORE else 1))
    epochs = max(2, sizes.few_epochs // (5 if cure == _MORE else 1))
    evaluated = (first_of(few, num_few), photos.validation, photos.test)
    chosen = settings(course, num_epochs=epochs, **{**_BARE, **cures()[cure]})
    found = train_cached(course, f"cure_{cure.replace(' ', '_')}", chosen, few, evaluated=evaluated)
    few_right, validation_right, test_right = found.accuracy.T
    return Curves(few_right, validation_right, test_right, found.right[:, num_few:])


def _num_few(course: Course) -> int:
    return min(course.sizes.num_few, len(course.photos.train) // 5)


def memorising(course: Course) -> Shown:
    """Show the bare network's curves, and what each cure makes of them."""
    found = curves(course)
    # The best epoch and the best cure are chosen on the validation photos, see `peeking`.
    tested = {name: float(c.test[c.validation.argmax()]) for name, c in found.items()}
    ends = {name: (float(c.train[-1]), float(c.validation[-1])) for name, c in found.items()}
    gaps = {name: train - validation for name, (train, validation) in ends.items()}
    changed = [name for name in found if name != BARE]
    best = {name: float(c.validation.max()) for name, c in found.items()}
    said = words(
        "memorising",
        epochs=len(found[BARE].train),
        num_few=_num_few(course),
        bare=BARE,
        least=points(min(gaps[name] for name in changed)),
        most=points(max(gaps[name] for name in changed)),
        helped=[name for name in changed if best[name] > best[BARE]],
        winner=max(changed, key=best.__getitem__),
        curves=ends,
        gaps={name: points(gap) for name, gap in gaps.items()},
        tested=tested,
    )
    return Shown(*said, _memorising_figure(found), (cures, train, Follow))


def _memorising_figure(found: Mapping[str, Curves]) -> Figure:
    figure = drawing.new_figure(6.6, 3, 2)
    bare = found[BARE]
    panels = [(BARE, bare), ("three splits", bare)]
    panels += [(name, c) for name, c in found.items() if name != BARE]
    for axes, (title, each) in zip(figure.axes, panels, strict=True):
        epochs = np.arange(1, len(each.train) + 1)
        drawing.chart(axes, x="epoch", y="")
        drawing.heading(axes, title)
        axes.plot(epochs, each.train, color=TRAINING, linestyle="--", linewidth=1.8)
        axes.plot(epochs, each.validation, color=VALIDATION, linewidth=1.8)
        axes.set(ylim=(0.42, 1.04), yticks=(0.5, 0.75, 1.0), yticklabels=("50%", "75%", "100%"))
        if title == "three splits":
            best = int(each.validation.argmax())
            axes.axvline(best + 1, color=GREY, linestyle=":", linewidth=1.5)
            axes.plot([best + 1], [each.test[best]], "D", color=INK, markersize=6)
            note = f"chosen epoch: {best + 1}\ntest: {percent(float(each.test[best]))}"
        else:
            note = f"gap {points(float(each.train[-1] - each.validation[-1]))}"
        look = font(drawing.SMALL, ha="right", va="bottom", bbox=HALO)
        axes.text(0.97, 0.04, note, transform=axes.transAxes, **look)
    middle = len(bare.train) // 2
    names = figure.axes[0]
    for name, curve, colour in (
        ("training", bare.train, TRAINING),
        ("validation", bare.validation, VALIDATION),
    ):
        look = font(drawing.SMALL, color=colour)
        names.text(middle + 1, curve[middle] - 0.09, name, **look)
    return figure


def choose_and_report(
    right: np.ndarray, tested: np.ndarray, fresh: np.ndarray
) -> tuple[float, float]:
    """Choose the network that is best on the test photos, and score it there and on fresh ones."""
    best = right[:, tested].mean(axis=1).argmax()
    return right[best, tested].mean(), right[best, fresh].mean()


def simulate(
    right: np.ndarray, *, tried: tuple[int, ...], num_tested: int, repetitions: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the mistake, and the right way beside it, with other photos and networks each time.

    Args:
      right: (C, N) bool, which of N photos each of C networks gets right.
      tried: numbers of networks to choose from.
      num_tested: photos to choose by, and to report on.
      repetitions: of each.
      seed: decides the draws.

    Returns:
      By how much the reported accuracy exceeds the true one, that on all photos that neither chose
      nor reported: (numbers tried, repetitions) where the test photos chose, and where others did.
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
    return gaps[0], gaps[1]


def peeking(course: Course) -> Shown:
    """Show how far an accuracy flatters that was chosen on the photos that it is reported on."""
    # About equally good ones: where one is far ahead, luck has little to choose from.
    similar = [found.right for name, found in curves(course).items() if name != _MORE]
    right = np.concatenate([answers[len(answers) // 2 :] for answers in similar])
    num_tested = min(100, right.shape[1] // 4)
    tried = (*(k for k in (1, 2, 5, 10, 20) if k < len(right)), len(right))
    repetitions = course.sizes.num_repetitions
    flattered, honest = simulate(
        right, tried=tried, num_tested=num_tested, repetitions=repetitions, seed=course.seed
    )
    said = words(
        "peeking",
        num_networks=len(right),
        num_tested=num_tested,
        repetitions=repetitions,
        flattered={k: _spread(gaps) for k, gaps in zip(tried, flattered, strict=True)},
        honest=_spread(honest[-1]),
    )
    return Shown(*said, _peeking_figure(tried, flattered, honest), (choose_and_report,))


def _spread(gaps: np.ndarray) -> tuple[str, str]:
    """Write the mean of gaps, and where the middle 90 % lie."""
    low, high = np.quantile(gaps, (0.05, 0.95))
    return _points(gaps), f"90% from {100 * low:.1f} to {100 * high:.1f}".replace("-", "\u2212")


def _points(gaps: np.ndarray) -> str:
    return points(round(float(gaps.mean()), 3) + 0.0)  # no -0.0


def _peeking_figure(tried: tuple[int, ...], flattered: np.ndarray, honest: np.ndarray) -> Figure:
    figure = drawing.new_figure(3.3)
    axes = drawing.chart(figure.axes[0], x="networks tried", y="reported less true, points")
    looks = (
        (honest, VALIDATION, "o", "--", "chosen on validation photos", "top"),
        (flattered, PURPLE, "s", "-", "chosen on the test photos", "bottom"),
    )
    for gaps, colour, marker, line, label, side in looks:
        mean = gaps.mean(axis=1)
        low, high = np.quantile(gaps, (0.05, 0.95), axis=1)
        axes.fill_between(tried, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(tried, mean, color=colour, marker=marker, linestyle=line, linewidth=2)
        place = (tried[0], float((high if side == "bottom" else low)[0]))
        shift = (0, 8 if side == "bottom" else -8)
        look = font(drawing.SMALL, color=colour, va=side)
        axes.annotate(label, place, shift, textcoords="offset points", **look)
    axes.axhline(0, color=GREY, linewidth=1)
    drawing.log_axis(axes, tried)
    axes.margins(y=0.18)
    axes.yaxis.set_major_formatter(
        lambda v, _: f"{100 * v:+.0f}".replace("-", "\u2212").replace("+0", "0")
    )
    return figure

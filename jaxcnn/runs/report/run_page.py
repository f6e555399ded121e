"""The page that explains a run, `report.html` in its folder, and what is kept there for it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.decisions.applying import describe_counts
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.extras import install
from jaxcnn.host.files import write_arrays
from jaxcnn.metrics.classification import confusion_matrix, most_confused, wilson_interval
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.known_photos import KnownPhotos
from jaxcnn.runs.phases import augments, cures, underfitting_cures
from jaxcnn.runs.report import charts
from jaxcnn.runs.report.answers import CachedAnswers, as_arrays, filled_bins, shorten_answers
from jaxcnn.runs.report.commands import run_commands
from jaxcnn.runs.report.facts import RunFacts, gather
from jaxcnn.runs.report.judgements import (
    judge_answers,
    judge_calibration,
    judge_fit,
    judge_promised_sets,
    judge_unknown,
    too_small,
)
from jaxcnn.runs.report.label_sets import (
    CachedSets,
    as_accuracy,
    class_rows as set_class_rows,
    judge_sets,
    shorten_sets,
)
from jaxcnn.runs.report.page import render_page, write_page
from jaxcnn.runs.report.shown_photos import (
    MOST_RIGHT,
    NUM_UNKNOWN,
    cache_photos,
    make_gallery,
    make_set_gallery,
)
from jaxcnn.runs.summary import ClassRow, by_class, class_rows
from jaxcnn.runs.summary_text import about_test
from jaxcnn.training.evaluation import Evaluation

_MOST_EPOCHS = 60  # in the table of epochs


def cache_and_write(
    folder: Workdir,
    config: TrainConfig,
    split: ImageSplit,
    *,
    test: Evaluation,
    validation: Evaluation,
    maps: Callable[[np.ndarray, np.ndarray], np.ndarray] | str,
    thresholds: np.ndarray | None = None,
    known_photos: KnownPhotos | None = None,
) -> None:
    """Keep a run's answers and some of its photos in its folder, and write its page.

    Args:
      folder: the run's, with its settings, rows and summary.
      config: complete settings.
      split: the test split.
      test: the network's answers to it.
      validation: its answers to the validation split.
      maps: what makes the photos' maps, see `shown_photos.map_maker`; or why there are none.
      thresholds: (K,) where photos have several labels; None where they have one.
      known_photos: by which photos are none of the classes.
    """
    answers: CachedAnswers | CachedSets
    if thresholds is None:
        answers = shorten_answers(
            test, validation, split.names, known_photos=known_photos, conformal=config.run.conformal
        )
    else:
        answers = shorten_sets(test, thresholds, split.names)
    write_arrays(folder.test_answers, as_arrays(answers))
    photos = cache_photos(answers, split, config.preprocessing, maps)
    write_arrays(folder.report_photos, photos._asdict())
    write_report(folder.path)


def write_report(workdir: Path | str) -> Path:
    """Write `report.html` of a run that ended, from what its folder keeps.

    Args:
      workdir: the run's folder.

    Returns:
      The page's path.

    Raises:
      WorkdirError: if the run is unfinished, or kept no answers.
    """
    return write_page(Workdir(Path(workdir)).report, run_page(gather(workdir)))


def run_page(facts: RunFacts) -> str:
    """Render the page of a run.

    Args:
      facts: as `gather` reads them.

    Returns:
      One HTML file.
    """
    common: dict[str, Any] = {
        "facts": facts,
        "config": facts.config,
        "summary": facts.summary,
        "install": install,
        "about_test": about_test(facts.summary),
        "decided": describe_counts(
            facts.summary.get("num_relabelled", 0), facts.summary.get("num_excluded", 0)
        ),
        "asked_for": [
            name
            for name, value in facts.summary.get("test_metrics", {}).items()
            if isinstance(value, float)
        ],
        "data_wait_share": _wait_share(facts),
        "settings": config_lib.to_json(facts.config),
        "commands": run_commands(facts.config, facts.workdir),
    }
    if isinstance(facts.answers, CachedSets):
        return render_page("several_labels.html.jinja", **common, **_of_sets(facts, facts.answers))
    own = _answers(facts.answers, facts.class_names)
    return render_page(
        "report.html.jinja",
        **common,
        **_result(facts.answers),
        answers=own,
        **_training(facts, "accuracy", facts.history, own),
        **_classes(facts.answers, facts.class_names),
        **_calibration(facts.answers),
        none_of_these=judge_unknown(facts.answers),
        sets=judge_promised_sets(facts.answers),
        most_unknown=NUM_UNKNOWN,
        infinity=math.inf,
        gallery=make_gallery(facts.answers, facts.photos, facts.class_names),
    )


def _of_sets(facts: RunFacts, answers: CachedSets) -> dict[str, Any]:
    """Give what the page of several labels per photo says."""
    judged = judge_sets(answers, facts.summary)
    no_answer = {"only_answer": None, "doubt": ""}
    return {
        **_training(facts, "mean_average_precision", as_accuracy(facts.history), no_answer),
        "sections": _SECTIONS_OF_SETS,
        "none_of_these": None,
        "judged": judged,
        "accuracy": judged["subset_accuracy"],
        "num_right": judged["num_right"],
        "num_tested": judged["count"],
        "class_rows": set_class_rows(answers, facts.class_names),
        "gallery": make_set_gallery(answers, facts.photos, facts.class_names),
    }


_SECTIONS_OF_SETS = (
    *(("result", "Result"), ("training", "Training"), ("classes", "Classes")),
    *(("photos", "Photos"), ("run", "The run"), ("commands", "Commands")),
)


def _wait_share(facts: RunFacts) -> float | None:
    waited = [row["data_wait_share"] for row in facts.history if "data_wait_share" in row]
    return float(np.mean(waited)) if waited else None


def _result(answers: CachedAnswers) -> dict[str, Any]:
    num_right, num_tested = int(answers.right.sum()), len(answers.labels)
    most = int(max((answers.labels == label).sum() for label in set(answers.labels.tolist())))
    return {
        "accuracy": float(answers.right.mean()),
        "num_right": num_right,
        "num_tested": num_tested,
        "most_right": MOST_RIGHT,
        "num_right_classes": len(set(answers.labels[answers.right].tolist())),
        "right_interval": wilson_interval(num_right, num_tested),
        "top_5": answers.top_k_accuracy(5),
        "chance": most / num_tested,
    }


def _answers(answers: CachedAnswers, class_names: list[str]) -> dict[str, Any]:
    return judge_answers(answers.labels, answers.classes[:, 0], class_names)


def _training(
    facts: RunFacts, measure: str, judged: list[dict[str, Any]], answers: dict[str, Any]
) -> dict[str, Any]:
    """Show a measure by epoch, and judge the accuracy in the rows of `judged`."""
    history, training = facts.history, facts.config.training
    stopped = bool(facts.summary.get("stopped_early"))
    return {
        "accuracy_chart": charts.epoch_chart(measure, history, tested=facts.best_epoch),
        "loss_chart": charts.epoch_chart("loss", history, tested=facts.best_epoch),
        "epoch_rows": _some_rows(history, facts.best_epoch),
        "fit": judge_fit(
            judged,
            best_epoch=facts.best_epoch,
            num_validation=facts.summary.get("num_validation"),
            is_one_answer=answers["only_answer"] is not None,
            is_doubted=bool(answers["doubt"]),
            is_mixed=training.mixup > 0 or training.cutmix > 0,
            is_augmented=augments(facts.config),
            stops_early=training.early_stopping_epochs is not None,
            stopped_early=stopped,
            cures=cures(facts.config),
            underfitting_cures=underfitting_cures(facts.config, stopped_early=stopped),
        ),
    }


def _some_rows(history: list[dict[str, Any]], best_epoch: int) -> list[dict[str, Any]]:
    """Take rows at equal distances, the best and the last among them."""
    every = -(-len(history) // _MOST_EPOCHS)
    return [
        row
        for i, row in enumerate(history, start=1)
        if (i - 1) % every == 0 or i == len(history) or row["epoch"] == best_epoch
    ]


def _classes(answers: CachedAnswers, names: list[str]) -> dict[str, Any]:
    confusion = confusion_matrix(answers.labels, answers.classes[:, 0], len(names))
    rows = class_rows(by_class(confusion, names))
    return {
        "too_small": too_small(rows),
        "class_rows": rows if len(names) <= 2 else worst_first(rows),
        "mostly_taken_for": mostly_taken_for(confusion, names),
        "confusion": confusion.tolist(),
        "confused": most_confused(confusion, count=25),
    }


def worst_first(rows: list[ClassRow]) -> list[ClassRow]:
    """Order classes by F1, the lowest first; those that no photo speaks of come last.

    Example:
      >>> rows = [ClassRow(n, 5, 5, f, f) for n, f in (("a", 1.0), ("b", 0.5))]
      >>> [row.name for row in worst_first(rows)]
      ['b', 'a']
    """
    return sorted(rows, key=lambda row: (row.f1 is None, row.f1 or 0.0, -(row.labels or 0)))


def mostly_taken_for(confusion: np.ndarray, class_names: list[str]) -> dict[str, tuple[str, int]]:
    """Give the class that most of a class's missed photos are taken for, and how many are."""
    wrong = np.where(np.eye(len(confusion), dtype=bool), 0, confusion)
    return {
        class_names[label]: (class_names[taken], int(wrong[label, taken]))
        for label, taken in enumerate(wrong.argmax(axis=1))
        if wrong[label, taken]
    }


def _calibration(answers: CachedAnswers) -> dict[str, Any]:
    bins, scaled = filled_bins(answers.bins), filled_bins(answers.scaled_bins)
    return {
        "calibration": judge_calibration(bins, scaled, float(answers.temperature)),
        "bins": bins,
        "reliability": charts.reliability_chart(bins),
    }

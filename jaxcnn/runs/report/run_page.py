"""The page that explains a run, `report.html` in its folder, and what is kept there for it."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.data.decisions import describe_counts
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.extras import install
from jaxcnn.host.files import write_arrays
from jaxcnn.metrics.classification import confusion_matrix, most_confused, wilson_interval
from jaxcnn.models import StagedNetwork
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.phases import augments, cures, underfitting_cures
from jaxcnn.runs.report import charts
from jaxcnn.runs.report.answers import filled_bins, shorten_answers
from jaxcnn.runs.report.commands import run_commands
from jaxcnn.runs.report.facts import RunFacts, gather
from jaxcnn.runs.report.judgements import judge_answers, judge_calibration, judge_fit
from jaxcnn.runs.report.page import render_page, write_page
from jaxcnn.runs.report.shown_photos import MOST_RIGHT, cache_photos, make_gallery, map_maker
from jaxcnn.runs.summary import ClassRow, about_test, by_class, class_rows
from jaxcnn.training.evaluation import Evaluation
from jaxcnn.types import PyTree

_MOST_EPOCHS = 60  # in the table of epochs
_NO_MAPS = "none are made while several processes train; testing the run again makes them."


def cache_and_write(
    folder: Workdir,
    config: TrainConfig,
    split: ImageSplit,
    *,
    test: Evaluation,
    validation: Evaluation,
    model: StagedNetwork,
    variables: PyTree,
) -> None:
    """Keep a run's answers and some of its photos in its folder, and write its page.

    Args:
      folder: the run's, with its settings, rows and summary.
      config: complete settings.
      split: the test split.
      test: the network's answers to it.
      validation: its answers to the validation split.
      model: the network.
      variables: {"params": ..., "batch_stats": ...}, whose maps are drawn.
    """
    answers = shorten_answers(test, validation, split.names)
    write_arrays(folder.test_answers, answers._asdict())
    preprocessing = config.preprocessing
    maps = _NO_MAPS if jax.process_count() > 1 else map_maker(model, variables, preprocessing)
    photos = cache_photos(answers, split, preprocessing, maps)
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
    answers = _answers(facts)
    return render_page(
        "report.html.jinja",
        facts=facts,
        config=facts.config,
        summary=facts.summary,
        install=install,
        about_test=about_test(facts.summary),
        decided=describe_counts(
            facts.summary.get("num_relabelled", 0), facts.summary.get("num_excluded", 0)
        ),
        **_result(facts),
        answers=answers,
        **_training(facts, answers),
        **_classes(facts),
        **_calibration(facts),
        gallery=make_gallery(facts.answers, facts.photos, facts.class_names),
        settings=config_lib.to_json(facts.config),
        commands=run_commands(facts.config, facts.workdir),
    )


def _result(facts: RunFacts) -> dict[str, Any]:
    answers = facts.answers
    num_right, num_tested = int(answers.right.sum()), len(answers.labels)
    waited = [row["data_wait_share"] for row in facts.history if "data_wait_share" in row]
    most = int(max((answers.labels == label).sum() for label in set(answers.labels.tolist())))
    return {
        "accuracy": float(answers.right.mean()),
        "asked_for": [
            name
            for name, value in facts.summary.get("test_metrics", {}).items()
            if isinstance(value, float)
        ],
        "num_right": num_right,
        "num_tested": num_tested,
        "most_right": MOST_RIGHT,
        "num_right_classes": len(set(answers.labels[answers.right].tolist())),
        "right_interval": wilson_interval(num_right, num_tested),
        "top_5": answers.top_k_accuracy(5),
        "chance": most / num_tested,
        "data_wait_share": float(np.mean(waited)) if waited else None,
    }


def _answers(facts: RunFacts) -> dict[str, Any]:
    return judge_answers(facts.answers.labels, facts.answers.classes[:, 0], facts.class_names)


def _training(facts: RunFacts, answers: dict[str, Any]) -> dict[str, Any]:
    history, training = facts.history, facts.config.training
    stopped = bool(facts.summary.get("stopped_early"))
    return {
        "accuracy_chart": charts.epoch_chart("accuracy", history, tested=facts.best_epoch),
        "loss_chart": charts.epoch_chart("loss", history, tested=facts.best_epoch),
        "epoch_rows": _some_rows(history, facts.best_epoch),
        "fit": judge_fit(
            history,
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


def _classes(facts: RunFacts) -> dict[str, Any]:
    names, answers = facts.class_names, facts.answers
    confusion = confusion_matrix(answers.labels, answers.classes[:, 0], len(names))
    rows = class_rows(by_class(confusion, names))
    return {
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


def _calibration(facts: RunFacts) -> dict[str, Any]:
    answers = facts.answers
    bins, scaled = filled_bins(answers.bins), filled_bins(answers.scaled_bins)
    return {
        "calibration": judge_calibration(bins, scaled, float(answers.temperature)),
        "bins": bins,
        "reliability": charts.reliability_chart(bins),
    }

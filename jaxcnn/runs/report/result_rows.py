"""A run's page in rows: the largest figures, what to beware of, what was run on what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from jaxcnn.host.extras import install
from jaxcnn.host.text import counted, duration, interval, listed, number, percent
from jaxcnn.metrics.classification import wilson_interval
from jaxcnn.runs.report import words
from jaxcnn.runs.report.answers import calibration_error, filled_bins
from jaxcnn.runs.report.facts import RunFacts


def headline(facts: RunFacts) -> list[tuple[str, str, str]]:
    """Give the largest numbers of the page: value, what it is, remark."""
    answers, total = facts.answers, len(facts.answers.labels)
    right = int(answers.right.sum())
    bounds = f"95% interval {interval(wilson_interval(right, total))}"
    rows = [
        (percent(right / total), "test photos right", bounds),
        (f"{total - right:,}", "wrong", f"of {counted(total, 'test photo')}"),
    ]
    if len(facts.class_names) > 10:
        five = percent(answers.top_k_accuracy(5))
        rows.append((five, "right among the first five", "top-5 accuracy"))
    error = calibration_error(filled_bins(answers.bins))
    return [
        *rows,
        (percent(error), "calibration error", "0% is perfect"),
        (duration(facts.summary["train_seconds"]), "training time", _rate(facts)),
    ]


def warnings(facts: RunFacts) -> list[words.Remark]:
    """Say what a reader should know before believing the figures."""
    summary, found = facts.summary, []
    if summary["num_duplicates_across_splits"]:
        photos = counted(summary["num_duplicates_across_splits"], "photo")
        said = f"{photos} lie in two splits, so the figures are better than the network."
        found.append(words.Remark("warning", "The same photos in two splits", [said]))
    if abs(facts.answers.right.mean() - summary["test_accuracy"]) > 1e-6:
        said = (
            f"The run itself noted {percent(summary['test_accuracy'])}, when it ended. It was "
            "tested again since, and photos or versions have changed."
        )
        found.append(words.Remark("note", "Tested again", [said]))
    if summary["num_skipped_files"]:
        said = f"{counted(summary['num_skipped_files'], 'file')} could not be read and were left "
        found.append(words.Remark("note", "Files left out", [f"{said}out; see skipped_files.csv."]))
    if "privacy" in summary:
        found.append(words.Remark("note", "Differentially private", _privacy(summary["privacy"])))
    return found


def run_facts(facts: RunFacts) -> list[tuple[str, str]]:
    """Give what was run on what, by name."""
    config, summary = facts.config, facts.summary
    sizes = [f"{summary[f'num_{name}']:,} {name}" for name in ("train", "validation", "test")]
    stopped = ", stopped early" if summary.get("stopped_early") else ""
    versions = [f"{name} {version}" for name, version in summary["versions"].items()]
    chosen = [f"{name} {value:.3g}" for name, value in facts.chosen.items()]
    waited = [row["data_wait_share"] for row in facts.history if "data_wait_share" in row]
    finished = summary.get("finished")  # of an older run it is not there
    rows = [
        ("network", f"{config.network.model}, {summary['num_parameters']:,} parameters"),
        ("classes", listed(facts.class_names, most=12)),
        ("photos", ", ".join(sizes)),
        ("image", config.data.image_size()),
        ("starts from", summary.get("weights") or "random weights"),
        ("augmentation", config.training.augment),
        (
            "optimizer",
            f"{config.training.optimizer}, {config.training.schedule}, "
            f"at most {config.training.learning_rate:g}",
        ),
        ("chosen by trying", ", ".join(chosen)),
        ("batch", counted(config.training.batch_size, "photo")),
        ("length", f"{counted(len(facts.history), 'epoch')}, {summary['steps']:,} steps{stopped}"),
        ("seed", str(config.run.seed)),
        ("finished", finished and f"{datetime.fromisoformat(finished):%Y-%m-%d %H:%M} UTC"),
        ("time", duration(summary["train_seconds"])),
        ("throughput", _rate(facts)),
        ("waited for data", percent(float(np.mean(waited)) if waited else None)),
        ("device", str(summary["device"])),
        ("versions", ", ".join(versions)),
    ]
    return [(name, value) for name, value in rows if value]


def _rate(facts: RunFacts) -> str:
    return f"{number(round(facts.summary['images_per_second']))} photos per second"


def _privacy(found: Mapping[str, Any]) -> list[str]:
    how = (
        f"The gradient of each photo was cut to a norm of {found['clip_norm']:g}, with noise of "
        f"{found['noise_multiplier']:g} times that on their sum."
    )
    if not found["noise_multiplier"]:
        return [how, "Without noise epsilon has no bound."]
    if found["epsilon"] is None:
        return [how, f"Epsilon was not computed: that needs {install('privacy')}."]
    bound = f"Epsilon is {found['epsilon']:.1f} for delta {found['delta']:g}."
    return [how, bound, "It covers the trained parameters, not this page's figures and photos."]

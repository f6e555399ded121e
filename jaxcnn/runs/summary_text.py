"""What a run came to, in lines of text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.runs import multi_label


def fold_lines(summary: Mapping[str, Any]) -> list[str]:
    """Tell the result of a cross-validation in lines.

    Args:
      summary: as written to `summary.json`.

    Returns:
      The lines.
    """
    mean, spread = summary["mean"], summary["standard_deviation"]
    low, high = summary["test_accuracy_interval"]
    each = [row["test_accuracy"] for row in summary["folds"]]
    return [
        f"  mean of {summary['num_folds']} folds: test {mean['test_accuracy']:.1%} "
        f"± {spread['test_accuracy']:.1%} (± standard deviation of folds; {min(each):.1%} to "
        f"{max(each):.1%}), loss {mean['test_loss']:.3f}",
        f"out-of-fold accuracy {summary['test_accuracy']:.1%} (95% interval {low:.1%} to "
        f"{high:.1%}) on {summary['num_test']:,} images, each tested once by a network that was "
        "not trained on it",
    ]


def result_lines(summary: Mapping[str, Any]) -> list[str]:
    """Tell a run's result in lines: its test, after that of each member where there are several.

    Args:
      summary: as written to `summary.json`.

    Returns:
      The lines.
    """
    if multi_label.has_several_labels(summary):
        return multi_label.result_lines(summary, about_test(summary), best_step(summary))
    low, high = summary["test_accuracy_interval"]
    test = (
        f"test accuracy {summary['test_accuracy']:.1%} (95% interval {low:.1%} to {high:.1%}) "
        f"on {summary['num_test']:,} images {about_test(summary)}"
    )
    measured = [
        f"  {name:<32} {value:.4f} on the test images"
        for name, value in summary.get("test_metrics", {}).items()
        if isinstance(value, float)
    ]
    measured += _about_thresholds(summary)
    if "members" not in summary:
        return [*measured, f"{test}; {best_step(summary)}"]
    lines = [
        f"  member {row['member']} (seed {row['seed']}): validation "
        f"{row['validation_accuracy']:.1%}, test {row['test_accuracy']:.1%}, loss "
        f"{row['test_loss']:.3f}, calibration error {row['test_calibration_error']:.1%}; "
        f"{best_step(row)}"
        for row in summary["members"]
    ]
    mean, spread = summary["mean"], summary["standard_deviation"]
    return [
        *lines,
        *measured,
        f"  mean of {summary['num_members']}: validation {mean['validation_accuracy']:.1%} "
        f"± {spread['validation_accuracy']:.1%}, test {mean['test_accuracy']:.1%} "
        f"± {spread['test_accuracy']:.1%}, loss {mean['test_loss']:.3f}, calibration error "
        f"{mean['test_calibration_error']:.1%} (± standard deviation of members)",
        f"ensemble: {test}, loss {summary['test_loss']:.3f}, calibration error "
        f"{summary['test_calibration_error']:.1%}",
    ]


def best_step(summary: Mapping[str, Any]) -> str:
    """Say which variables a network was tested with.

    Args:
      summary: of a network, with "best_step".

    Returns:
      The words.

    Example:
      >>> best_step({"best_step": 90}), best_step({"best_step": 90, "averaged_epochs": 3})
      ('best step 90', 'mean of the last 3 epochs')
    """
    if count := summary.get("averaged_epochs"):
        return f"mean of the last {count} epochs"
    return f"best step {summary['best_step']}"


def _about_thresholds(summary: Mapping[str, Any]) -> list[str]:
    lines = []
    if found := summary.get("none_of_these"):
        lines.append(
            f"  {found['test_kept']:.1%} of the test images are taken for one of the classes "
            f"(coverage {found['coverage']:g})"
        )
    if found := summary.get("sets"):
        lines.append(
            f"  sets of classes (conformal {found['conformal']:g}): {found['coverage']:.1%} of the "
            f"test images have their class in the set, of {found['mean_size']:.2f} on average"
        )
    return lines


def doubt(labels: np.ndarray, class_names: Sequence[str], low: float) -> str:
    """Say so where a test does not show that a network is better than one fixed answer.

    Args:
      labels: (N,) int32, of the test images.
      class_names: in the order of the labels.
      low: lower end of the accuracy's 95 % interval.

    Returns:
      A sentence; "" where the network is better.

    Example:
      >>> doubt(np.array([0, 1, 1, 1, 1]), ("cat", "dog"), 0.376)
      'which is not significantly better than always answering dog (80.0% right)'
    """
    counts = np.bincount(labels)
    share, name = counts.max() / len(labels), class_names[int(counts.argmax())]
    if low > share:
        return ""
    return f"which is not significantly better than always answering {name} ({share:.1%} right)"


def about_test(summary: Mapping[str, Any]) -> str:
    """Say whether the weights were trained on the test images, as far as that is known.

    Args:
      summary: as in `summary.json`; older versions did not compare the images.

    Returns:
      The words that follow "images" or "photos".

    Example:
      >>> about_test({"num_test": 60, "num_test_seen": 15})
      'of which 15 were seen in training'
      >>> about_test({"num_test": 60, "num_test_seen": 0, "seen_unknown": []})
      'never trained on'
    """
    if seen := summary.get("num_test_seen"):
        return f"of which {seen:,} were seen in training"
    older = [summary["weights"]] if summary.get("weights") else []
    if unknown := summary.get("seen_unknown", older):
        return f"that this run did not train on (what {' and '.join(unknown)} saw is unknown)"
    return "never trained on"

"""What several networks and the mean of their answers come to: scores, and lines that tell them.

Source: Lakshminarayanan et al. 2017, arXiv:1612.01474, section 2.4 (the mean of the networks'
probabilities; each trained on all data, without adversarial examples).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.metrics.calibration import expected_calibration_error
from jaxcnn.runs import summary as summary_lib
from jaxcnn.training.evaluation import Evaluation

_LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)


class Tested(NamedTuple):
    """A network's, or the ensemble's, answers to the two splits that it is not trained on."""

    validation: Evaluation
    test: Evaluation


def average(members: Sequence[Evaluation]) -> Evaluation:
    """Answer by the mean of several networks' probabilities.

    Args:
      members: each network's answers to the same examples in the same order.

    Returns:
      The ensemble's answers; its loss is the mean of -log of the label's mean probability.

    Raises:
      ValueError: if the members answer different examples, or there is none.
    """
    first = members[0] if members else None
    if first is None or any(not np.array_equal(m.index, first.index) for m in members):
        raise ValueError(
            f"{len(members)} members do not answer the same examples in the same order; evaluate "
            "each on the same split."
        )
    table = np.stack([m.probabilities for m in members])
    probabilities = np.asarray(table.mean(axis=0, dtype=np.float64))
    right = np.take_along_axis(probabilities, first.labels[:, None], axis=1)[:, 0]
    correct = int((probabilities.argmax(1) == first.labels).sum())
    return first._replace(
        loss=float(-np.log(np.maximum(right, _LEAST_PROBABILITY)).mean()),
        accuracy=correct / first.count,
        correct=correct,
        probabilities=probabilities.astype(np.float32),
    )


def scores(tested: Tested) -> dict[str, float]:
    """Write down how well one network did on both splits: JSON values."""
    validation, test = tested
    return {
        "validation_accuracy": validation.accuracy,
        "validation_loss": validation.loss,
        "test_accuracy": test.accuracy,
        "test_loss": test.loss,
        "test_calibration_error": _calibration_error(test),
    }


def result(
    members: Sequence[Mapping[str, Any]], ensemble: Tested, class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Write the result of a run of several networks.

    Args:
      members: a row each, with `scores` among its values.
      ensemble: the mean of their answers.
      class_names: the names of the classes.

    Returns:
      JSON values: those of `summary.result` for the ensemble, the members' rows, and the mean and
      the (sample's) standard deviation of their scores.
    """
    return {
        **summary_lib.result(ensemble.test, ensemble.validation, class_names),
        "num_members": len(members),
        "mean": _over(members, np.mean),
        "standard_deviation": _over(members, lambda values: np.std(values, ddof=1)),
        "members": list(members),
    }


def format_lines(summary: Mapping[str, Any]) -> list[str]:
    """Tell a run's result in lines: one a member, their mean and spread, the ensemble's.

    Args:
      summary: with the values of `result`, and num_test.

    Returns:
      The lines.
    """
    return [*map(_of_member, summary["members"]), _of_mean(summary), _of_ensemble(summary)]


def _of_member(row: Mapping[str, Any]) -> str:
    return (
        f"  member {row['member']} (seed {row['seed']}): validation "
        f"{row['validation_accuracy']:.1%}, test {row['test_accuracy']:.1%}, loss "
        f"{row['test_loss']:.3f}, calibration error {row['test_calibration_error']:.1%}; "
        f"best step {row['best_step']}"
    )


def _of_mean(summary: Mapping[str, Any]) -> str:
    mean, spread = summary["mean"], summary["standard_deviation"]
    return (
        f"  mean of {summary['num_members']}: validation {mean['validation_accuracy']:.1%} "
        f"± {spread['validation_accuracy']:.1%}, test {mean['test_accuracy']:.1%} "
        f"± {spread['test_accuracy']:.1%}, loss {mean['test_loss']:.3f}, calibration error "
        f"{mean['test_calibration_error']:.1%} (± standard deviation of members)"
    )


def _of_ensemble(summary: Mapping[str, Any]) -> str:
    low, high = summary["test_accuracy_interval"]
    return (
        f"ensemble: test accuracy {summary['test_accuracy']:.1%} (95 % interval {low:.1%} to "
        f"{high:.1%}) on {summary['num_test']:,} images never trained on, loss "
        f"{summary['test_loss']:.3f}, calibration error {summary['test_calibration_error']:.1%}"
    )


def _calibration_error(found: Evaluation) -> float:
    return expected_calibration_error(found.probabilities, found.labels)


def _over(
    rows: Sequence[Mapping[str, Any]], statistic: Callable[[Sequence[float]], Any]
) -> dict[str, float]:
    names = [name for name, value in rows[0].items() if isinstance(value, float)]
    return {name: float(statistic([row[name] for row in rows])) for name in names}

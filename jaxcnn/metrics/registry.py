"""Metrics by name, as a user chooses them."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from jaxcnn.host.names import unknown_name
from jaxcnn.metrics import summed
from jaxcnn.metrics.calibration import expected_calibration_error
from jaxcnn.metrics.metric import ACCURACY, GatheredMetric, Metric
from jaxcnn.metrics.ranking import auroc, average_precision, mean_average_precision


def _calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    # Not from sums: in float32 a confidence on the edge of a bin can fall into the next one.
    if np.isnan(probabilities).any():
        return float("nan")
    return expected_calibration_error(probabilities, labels)


_METRICS: dict[str, Metric | GatheredMetric] = {
    "accuracy": ACCURACY,
    "top5": summed.top_k(5),  # stands for any K
    "balanced_accuracy": summed.BALANCED_ACCURACY,
    "macro_precision": summed.MACRO_PRECISION,
    "macro_recall": summed.MACRO_RECALL,
    "macro_f1": summed.MACRO_F1,
    "precision": summed.PRECISION,
    "recall": summed.RECALL,
    "f1": summed.F1,
    "micro_f1": summed.MICRO_F1,
    "subset_accuracy": summed.SUBSET_ACCURACY,
    "confusion_matrix": summed.CONFUSION_MATRIX,
    "log_loss": summed.LOG_LOSS,
    "brier_score": summed.BRIER_SCORE,
    "auroc": GatheredMetric(auroc),
    "average_precision": GatheredMetric(average_precision),
    "mean_average_precision": GatheredMetric(mean_average_precision),
    "calibration_error": GatheredMetric(_calibration_error),
}
_FOR_SEVERAL_LABELS = (
    *("mean_average_precision", "subset_accuracy", "macro_f1", "micro_f1"),
    *("macro_precision", "macro_recall", "precision", "recall", "f1", "auroc", "average_precision"),
)
DEFAULT_METRICS: Mapping[bool, tuple[str, ...]] = {
    False: ("accuracy",),
    True: ("mean_average_precision", "macro_f1", "subset_accuracy"),
}
"""What is measured where nothing is said, by whether examples have several labels."""

DEFAULT_BEST: Mapping[bool, str] = {False: "accuracy", True: "mean_average_precision"}
"""The metric that chooses the best epoch where nothing is said, likewise."""


def list_metrics() -> list[str]:
    """List the names that `get_metric` knows; "top5" stands for any K.

    Example:
      >>> list_metrics()[:3]
      ['accuracy', 'top5', 'balanced_accuracy']
    """
    return list(_METRICS)


def get_metric(name: str) -> Metric | GatheredMetric:
    """Look up a metric by name.

    For K classes. A class occurs if it is the label of an example.

    - accuracy: share of examples whose most probable class is the label
    - top5, top3, ...: share of examples whose label is among the 5, 3, ... most probable classes,
      ties go to the lowest index; fewer classes is an error
    - balanced_accuracy: mean recall over the classes that occur
    - macro_precision: mean precision over the classes that occur or are predicted; undefined is 0
    - macro_recall: mean recall over the same classes; undefined is 0
    - macro_f1: mean F1 over the same classes
    - precision: (K,) share of a class's predictions that are right; NaN if never predicted
    - recall: (K,) share of a class's examples that are found; NaN if it does not occur
    - f1: (K,) 2 right / (predicted + labels); NaN if neither occurs
    - confusion_matrix: (K, K) counts, label by row and prediction by column
    - micro_f1: F1 of the answers of all classes together; with one label each the accuracy
    - subset_accuracy: share of examples whose set of labels is exactly right; of one the accuracy
    - log_loss: mean negative log-likelihood of the label, in nats
    - brier_score: mean squared distance from the one-hot label; half of it for K = 2
    - auroc: area under the ROC curve, see `jaxcnn.metrics.auroc`
    - average_precision: see `jaxcnn.metrics.average_precision`
    - mean_average_precision: the mean over classes, see `jaxcnn.metrics.mean_average_precision`
    - calibration_error: with 15 bins, see `jaxcnn.metrics.expected_calibration_error`

    The last four need the probabilities of all examples; the others come from sums over batches.
    A mixed label counts as its most probable class. Where examples have several labels, a class is
    predicted by a probability of at least 0.5, and what is about the most probable class, such as
    accuracy, is refused.

    Args:
      name: one of `jaxcnn.metrics.list_metrics()`, or "top" and a whole number of at least 2.

    Returns:
      The metric; the same object each time.

    Raises:
      ValueError: if the name is unknown.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcnn.metrics import Outputs
      >>> logits, label = jnp.array([[2.0, 1.0, 0.0]] * 2), jnp.array([1, 2])
      >>> outputs = Outputs(logits, label, jnp.ones(2, bool), jnp.zeros(2))
      >>> top2 = get_metric("top2")
      >>> top2.value(top2.sums(outputs))
      0.5

    Source: precision, recall, F1 and balanced accuracy agree with scikit-learn's, per class with
    zero_division=nan and the macro ones by default.
    """
    if name in _METRICS:
        return _METRICS[name]
    if name == "top1":
        raise ValueError("metric 'top1': K must be at least 2; top-1 is named 'accuracy'.")
    if match := re.fullmatch("top([1-9][0-9]*)", name):
        return summed.top_k(int(match[1]))
    raise unknown_name("metric", name, list_metrics())


def parse_metrics(text: str) -> dict[str, Metric | GatheredMetric]:
    """Read names of metrics, separated by commas.

    Args:
      text: such as "accuracy, top5"; spaces do not matter; empty for none.

    Returns:
      {name: metric} in the order given.

    Raises:
      ValueError: if a name is unknown, missing between commas or given twice; or if it is "loss",
        which is always measured.

    Example:
      >>> list(parse_metrics("accuracy, top3,macro_f1"))
      ['accuracy', 'top3', 'macro_f1']
    """
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    for name in names:
        if not name:
            raise ValueError(f"metrics (={text!r}) must be names between commas, got an empty one.")
        if name == "loss":
            raise ValueError(f"metrics (={text!r}) must not name 'loss': it is always measured.")
        if names.count(name) > 1:
            raise ValueError(f"metrics (={text!r}) name {name!r} more than once.")
    return {name: get_metric(name) for name in names}


def check_for_several_labels(
    metrics: Mapping[str, Metric | GatheredMetric], *, argument: str = "metrics"
) -> None:
    """Refuse metrics of one label per example, where there are several.

    Args:
      metrics: by name; your own are passed over.
      argument: what the metrics are called in errors.

    Raises:
      ValueError: if one does not fit.

    Example:
      >>> check_for_several_labels({"f1": get_metric("f1")})
    """
    known = [get_metric(name) for name in _FOR_SEVERAL_LABELS]
    own = [*_METRICS.values(), *(get_metric(name) for name in _top_ks(metrics))]
    for name, metric in metrics.items():
        if metric in own and metric not in known:
            raise ValueError(
                f"{argument} name {name}, which is for one label per example, and these have "
                f"several; known: {', '.join(_FOR_SEVERAL_LABELS)}."
            )


def _top_ks(names: Iterable[str]) -> list[str]:
    return [name for name in names if re.fullmatch("top([2-9]|[1-9][0-9]+)", name)]

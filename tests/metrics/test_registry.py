"""Metrics by name: what is known, what is refused, and that each gives a plain number."""

import json
import math

import numpy as np
import pytest

from jaxcnn.metrics import GatheredMetric, get_metric, list_metrics, parse_metrics
from jaxcnn.metrics.calibration import expected_calibration_error
from jaxcnn.metrics.metric import Outputs, add_sums, batch_sums, values
from jaxcnn.metrics.ranking import auroc, average_precision


def test_every_listed_name_is_known_and_documented():
    for name in list_metrics():
        assert get_metric(name) is get_metric(name)
        assert f"    - {name}" in get_metric.__doc__
    assert get_metric("top17") is get_metric("top17")


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_every_metric_gives_plain_numbers(head):
    draws = np.random.default_rng(0)
    logits = draws.normal(size=(20, 6 if head == "softmax" else 2)).astype(np.float32)
    if head == "sigmoid":
        logits[:, 0] = 0
    labels = draws.integers(logits.shape[1], size=20).astype(np.int32)
    names = [name for name in list_metrics() if head == "softmax" or name != "top5"]
    metrics = {name: get_metric(name) for name in names}
    outputs = Outputs(logits, labels, np.ones(20, bool), np.ones(20, np.float32))
    sums = add_sums({}, batch_sums(metrics, outputs))
    weights = np.exp(logits)
    found = values(metrics, sums, (labels, weights / weights.sum(1, keepdims=True)))
    assert list(found) == ["loss", *names]
    json.dumps(found)
    shapes = {name: np.shape(value) for name, value in found.items() if np.ndim(value)}
    k = logits.shape[1]
    assert shapes == {
        **dict.fromkeys(("precision", "recall", "f1"), (k,)),
        "confusion_matrix": (k, k),
    }
    without = values(metrics, sums)
    gathered = {n for n, metric in metrics.items() if isinstance(metric, GatheredMetric)}
    assert found.keys() - without.keys() == gathered
    areas = {"auroc", "average_precision", "mean_average_precision"}
    assert gathered == {*areas, "calibration_error"}


def test_gathered_metrics_are_their_functions():
    draws = np.random.default_rng(0)
    probabilities = draws.dirichlet(np.ones(3), 50).astype(np.float32)
    labels = draws.integers(3, size=50)
    for name, expected in (
        ("auroc", auroc(labels, probabilities)),
        ("average_precision", average_precision(labels, probabilities)),
        ("calibration_error", expected_calibration_error(probabilities, labels)),
    ):
        assert get_metric(name).value(labels, probabilities) == expected
        assert math.isnan(get_metric(name).value(labels, probabilities * np.float32("nan")))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acuracy", "unknown metric 'acuracy'; known, nearest first: accuracy, "),
        ("top1", "metric 'top1': K must be at least 2; top-1 is named 'accuracy'"),
        ("top0", "unknown metric 'top0'; known, nearest first: top5"),
        ("top05", "unknown metric 'top05'"),
        ("top-5", "unknown metric 'top-5'; known, nearest first: top5"),
        ("topK", "unknown metric 'topK'"),
        ("top5\n", "unknown metric"),
        ("", "unknown metric ''"),
    ],
)
def test_unknown_names_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        get_metric(name)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("  ", []),
        ("f1", ["f1"]),
        ("top10, accuracy ,confusion_matrix", ["top10", "accuracy", "confusion_matrix"]),
    ],
)
def test_names_are_read_in_order(text, names):
    found = parse_metrics(text)
    assert list(found) == names
    assert all(found[name] is get_metric(name) for name in names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f1,accuracy, f1", r"metrics \(='f1,accuracy, f1'\) name 'f1' more than once"),
        ("f1,,accuracy", r"metrics \(='f1,,accuracy'\) .* got an empty one"),
        ("f1,", r"metrics \(='f1,'\) .* got an empty one"),
        ("loss,f1", r"metrics \(='loss,f1'\) must not name 'loss': it is always measured"),
        ("f1;accuracy", "unknown metric 'f1;accuracy'"),
        ("F2", "unknown metric 'F2'; known, nearest first: f1"),
    ],
)
def test_texts_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_metrics(text)

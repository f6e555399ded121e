import json

import numpy as np

from jaxcnn.runs import summary
from jaxcnn.training.evaluation import Evaluation


def answers(labels, predicted):
    labels, predicted = np.array(labels, np.int32), np.array(predicted)
    probabilities = np.eye(3, dtype=np.float32)[predicted]
    metrics = {"loss": 0.5, "accuracy": float((labels == predicted).mean())}
    return Evaluation(metrics, labels, probabilities, np.arange(len(labels), dtype=np.int32))


def test_scores_and_result_are_json_and_right():
    tested = summary.Tested(answers([0], [0]), answers([0, 0, 1, 1], [0, 1, 1, 1]))
    found = summary.result(tested, ("a", "b", "c"))
    assert found["test_accuracy"] == 0.75
    assert found["validation_accuracy"] == 1.0
    assert found["test_recall"] == [0.5, 1.0, None]  # no test photo is a c
    assert found["test_precision"] == [1.0, 2 / 3, None]
    low, high = found["test_accuracy_interval"]
    assert 0.3 < low < 0.75 < high < 0.96
    assert json.loads(json.dumps(found)) == found
    assert summary.split_scores(tested.splits)["test"]["count"] == 4

"""Tables of classes against the dense matrices of `metrics`."""

import numpy as np
import pytest

from jaxcnn.metrics.classification import (
    confusion_matrix,
    per_class_precision_recall,
    wilson_interval,
)
from jaxcnn.runs.report.answers import shorten_answers
from jaxcnn.runs.report.classes import (
    class_rows,
    confusion_rows,
    most_confused,
    mostly_taken_for,
    worst_first,
)

SIZE = 7
NAMES = [f"class {i}" for i in range(SIZE + 1)]  # the last has neither photos nor predictions


@pytest.fixture(scope="module")
def found(drawn_evaluation):
    answers = drawn_evaluation(SIZE, 300)
    table = np.pad(answers.probabilities, ((0, 0), (0, 1)))
    return answers._replace(probabilities=table)


@pytest.fixture(scope="module")
def answers(found):
    return shorten_answers(found, found, [str(i) for i in range(found.count)])


@pytest.fixture(scope="module")
def matrix(found):
    return confusion_matrix(found.labels, found.probabilities.argmax(1), SIZE + 1)


def test_rows_are_those_of_the_dense_matrix(answers, matrix):
    precision, recall = per_class_precision_recall(matrix)
    rows, mistakes = class_rows(answers, NAMES), mostly_taken_for(answers, NAMES)
    assert [row.name for row in rows] == NAMES
    for i, row in enumerate(rows[:SIZE]):
        assert row.labels == matrix[i].sum()
        assert row.precision == pytest.approx(precision[i])
        assert row.recall == pytest.approx(recall[i])
        assert row.f1 == pytest.approx(2 / (1 / row.precision + 1 / row.recall))
        assert row.recall_interval == wilson_interval(int(matrix[i, i]), row.labels)
        others = np.where(np.arange(SIZE + 1) == i, -1, matrix[i])
        taken_for, count = mistakes[row.name]
        assert count == others.max()
        assert matrix[i, NAMES.index(taken_for)] == others.max()
    assert rows[SIZE][1:] == (0, 0, None, None)
    assert rows[SIZE].f1 is rows[SIZE].recall_interval is None
    assert NAMES[SIZE] not in mistakes


def test_the_confusion_matrix_is_the_dense_one(answers, matrix):
    rows = confusion_rows(answers, NAMES)
    assert [[count for count, _ in row.cells] for row in rows] == matrix.tolist()
    assert sum(share for _, share in rows[0].cells) == pytest.approx(1)


def test_pairs_are_the_largest_cells_off_the_diagonal(answers, matrix):
    wrong = matrix - np.diag(np.diag(matrix))
    pairs = most_confused(answers, NAMES, most=5)
    assert [pair.count for pair in pairs] == np.sort(wrong.ravel())[::-1][:5].tolist()
    for pair in pairs:
        label = NAMES.index(pair.label)
        assert wrong[label, NAMES.index(pair.taken_for)] == pair.count
        assert pair.share == pytest.approx(pair.count / matrix[label].sum())


def test_worst_come_first_and_unknown_last(answers):
    rows = worst_first(class_rows(answers, NAMES))
    known = [row.f1 for row in rows if row.f1 is not None]
    assert known == sorted(known)
    assert rows[-1].name == NAMES[-1]

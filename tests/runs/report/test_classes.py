"""Tables of classes against the confusion matrix."""

import numpy as np
import pytest

from jaxcnn.metrics.classification import (
    confusion_matrix,
    per_class_precision_recall,
    wilson_interval,
)
from jaxcnn.runs.report.classes import (
    confused_pairs,
    confusion_rows,
    mostly_taken_for,
    worst_first,
)
from jaxcnn.runs.summary import by_class, class_rows

SIZE = 7
NAMES = [f"class {i}" for i in range(SIZE + 1)]  # the last has neither photos nor predictions


@pytest.fixture(scope="module")
def matrix(drawn_evaluation):
    found = drawn_evaluation(SIZE, 300)
    return confusion_matrix(found.labels, found.probabilities.argmax(1), SIZE + 1)


def test_rows_are_those_of_the_dense_matrix(matrix):
    precision, recall = per_class_precision_recall(matrix)
    rows, mistakes = class_rows(by_class(matrix, NAMES)), mostly_taken_for(matrix, NAMES)
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


def test_the_confusion_matrix_is_shown_by_row(matrix):
    names, cells = zip(*confusion_rows(matrix, NAMES), strict=True)
    assert list(names) == NAMES
    assert [[count for count, _ in row] for row in cells] == matrix.tolist()
    assert sum(share for _, share in cells[0]) == pytest.approx(1)


def test_pairs_are_the_largest_cells_off_the_diagonal(matrix):
    wrong = matrix - np.diag(np.diag(matrix))
    pairs = confused_pairs(matrix, NAMES, most=5)
    assert [count for _, _, count, _ in pairs] == np.sort(wrong.ravel())[::-1][:5].tolist()
    for name, taken_for, count, share in pairs:
        label = NAMES.index(name)
        assert wrong[label, NAMES.index(taken_for)] == count
        assert share == pytest.approx(count / matrix[label].sum())


def test_worst_come_first_and_unknown_last(matrix):
    rows = worst_first(class_rows(by_class(matrix, NAMES)))
    known = [row.f1 for row in rows if row.f1 is not None]
    assert known == sorted(known)
    assert rows[-1].name == NAMES[-1]

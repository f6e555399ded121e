"""Tables of classes against the confusion matrix."""

import re

import numpy as np
import pytest

from jaxcnn.host.text import percent
from jaxcnn.metrics.classification import (
    confusion_matrix,
    per_class_precision_recall,
    wilson_interval,
)
from jaxcnn.runs.report.facts import gather
from jaxcnn.runs.report.run_page import mostly_taken_for, run_page, worst_first
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


@pytest.fixture(scope="module")
def words():
    return re.compile(r"<t[hd][^>]*>(?:<span[^>]*>)?([^<]*)")


def test_the_confusion_matrix_and_the_largest_cells_off_its_diagonal_are_shown(make_run, words):
    facts = gather(make_run(SIZE, 300).path)
    matrix = confusion_matrix(facts.answers.labels, facts.answers.classes[:, 0], SIZE)
    page = run_page(facts)
    (table,) = re.findall(r'<table class="matrix">.*?<tbody>(.*?)</tbody>', page, flags=re.S)
    rows = [words.findall(row) for row in table.strip().splitlines()]
    assert [name for name, *_ in rows] == facts.class_names
    assert [[int(count) for count in counts] for _, *counts in rows] == matrix.tolist()
    shares = [float(share) for share in re.findall(r"--share: ([\d.]+)", table)]
    np.testing.assert_allclose(shares, (matrix / matrix.sum(1, keepdims=True)).ravel(), atol=6e-4)
    (table,) = re.findall(r"Confused most often.*?<tbody>(.*?)</tbody>", page, flags=re.S)
    pairs = [words.findall(row) for row in table.strip().splitlines()]
    wrong = matrix - np.diag(np.diag(matrix))
    assert [int(pair[2]) for pair in pairs] == np.sort(wrong.ravel())[::-1][:5].tolist()
    for name, taken_for, count, share in pairs:
        label = facts.class_names.index(name)
        assert wrong[label, facts.class_names.index(taken_for)] == int(count)
        assert share == percent(int(count) / matrix[label].sum())


def test_worst_come_first_and_unknown_last(matrix):
    rows = worst_first(class_rows(by_class(matrix, NAMES)))
    known = [row.f1 for row in rows if row.f1 is not None]
    assert known == sorted(known)
    assert rows[-1].name == NAMES[-1]

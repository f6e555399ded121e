"""Objects show themselves as tables in a notebook; names from outside are escaped."""

import json

import flax.linen as nn
import numpy as np
import optax
import pytest

import jaxcnn
from jaxcnn.host.html import table
from jaxcnn.models import create_model, summarize
from jaxcnn.runs import Prediction
from jaxcnn.runs.hard_examples import HardExamples
from jaxcnn.runs.summary import RunSummary
from jaxcnn.training.evaluation import Evaluation


def test_cells_are_escaped_and_numbers_readable():
    shown = table(["<b>", "n"], [["<script>", 1234567], [None, 0.123456]], caption="a & b")
    assert "<b>" not in shown
    assert "<script>" not in shown
    for part in ("<caption>a &amp; b", "<th>&lt;b&gt;", ">1,234,567<", ">0.1235<", "<td></td>"):
        assert part in shown


def test_a_prediction_shows_its_most_probable_classes_first():
    shown = Prediction("<dog>", 0.75, {"cat": 0.25, "<dog>": 0.75})._repr_html_()
    assert shown.index("&lt;dog&gt;</td><td>75.0%") < shown.index("cat</td><td>25.0%")


def test_a_summary_shows_each_layer_and_the_total():
    summary = summarize(create_model("lenet5", 10), (32, 32, 1))
    shown = summary._repr_html_()
    assert shown.count("<tr>") == 1 + len(summary.rows) + 1
    assert f"{summary.num_params:,}" in shown


def test_a_training_shows_its_history_and_marks_the_best_epoch():
    images, labels = np.zeros((8, 8, 8, 3), np.uint8), np.arange(8) % 2
    model = nn.Sequential([lambda x, train: x.reshape(len(x), -1), nn.Dense(2)])
    result = jaxcnn.fit(
        model, (images, labels), optimizer=optax.sgd(0.1), batch_size=4, num_epochs=2
    )
    shown = result._repr_html_()
    assert shown.count("<tr>") == 1 + 2
    assert shown.count("<td>*</td>") == 1
    assert "<th>train_loss</th>" in shown


def test_an_evaluation_shows_its_metrics():
    metrics = {"loss": 0.25, "accuracy": 0.5, "by_class": np.zeros(2)}
    found = Evaluation(metrics, np.zeros(4, np.int32), np.zeros((4, 2)), np.arange(4))
    shown = found._repr_html_()
    assert ">0.25<" in shown
    assert ">4<" in shown
    assert "by_class" not in shown


def test_hard_examples_show_the_most_suspicious_first():
    rows = np.zeros((3, 2))
    found = HardExamples(
        names=["a.jpg", "<b>.jpg", "c.jpg"],
        class_names=("cat", "dog"),
        labels=np.array([0, 1, 0], np.int32),
        probabilities=rows,
        losses=rows[:, 0],
        gradient_norms=rows[:, 0],
        unseen=rows,
        suspected=np.array([-1, 0, -1], np.int32),
        scores=np.array([0.5, 2.0, 0.1]),
        noise=None,
        batch_size=4,
    )
    shown = found._repr_html_()
    assert shown.index("&lt;b&gt;.jpg</td><td>dog</td><td>cat") < shown.index("a.jpg</td><td>cat")
    assert "The 3 most suspicious of 3 photos" in shown


def test_a_runs_result_shows_its_figures_and_stays_a_dictionary():
    summary = RunSummary(
        test_accuracy=0.95,
        test_accuracy_interval=[0.9, 0.98],
        num_test=100,
        class_names=["<cat>", "dog"],
        train_seconds=75.0,
        num_parameters=1234,
    )
    shown = summary._repr_html_()
    for part in ("95.0% (95% interval 90.0% to 98.0%)", ">100<", "&lt;cat&gt;", "1:15", "1,234"):
        assert part in shown
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"test_accuracy": 0.5, "num_test": 4},
        {"test_accuracy": 0.5, "test_accuracy_interval": None, "class_names": None},
        {"train_seconds": float("nan")},
        {"train_seconds": None, "num_parameters": None},
    ],
)
def test_what_is_left_of_a_result_is_shown_without_an_error(values):
    shown = RunSummary(values)._repr_html_()
    assert ("50.0%<" in shown) == ("test_accuracy" in values)
    assert "interval" not in shown
    assert "nan" not in shown
    assert "None" not in shown

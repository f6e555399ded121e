"""Objects show themselves as tables in a notebook; names from outside are escaped."""

import flax.linen as nn
import numpy as np
import optax

import jaxcnn
from jaxcnn.host.html import table
from jaxcnn.models import create_model, summarize
from jaxcnn.runs import Prediction


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

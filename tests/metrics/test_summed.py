"""Metrics of sums: against scikit-learn, over any batches, with padding, on several devices."""

import contextlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import softmax

from jaxcnn.metrics.classification import confusion_matrix
from jaxcnn.metrics.metric import Metric, Outputs, add_sums, batch_sums, values
from jaxcnn.metrics.registry import get_metric, list_metrics
from jaxcnn.metrics.summed import top_k, top_k_hits

SUMMED = {name: get_metric(name) for name in list_metrics() if name != "top5"}
SUMMED = {name: metric for name, metric in SUMMED.items() if isinstance(metric, Metric)}
SUMMED |= {"top2": get_metric("top2")}


def drawn(num_examples, num_classes, seed=0):
    """Logits with many ties, and labels that they tell something about."""
    draws = np.random.default_rng(seed)
    logits = draws.integers(-2, 3, (num_examples, num_classes)).astype(np.float32)
    labels = draws.integers(num_classes, size=num_examples).astype(np.int32)
    logits[np.arange(num_examples), labels] += draws.integers(0, 3, num_examples)
    return logits, labels


def never_predicted(logits, labels, absent):
    logits[:, absent] = -9
    return logits, labels


def without_label(logits, labels, absent):
    return logits, np.where(labels == absent, 0, labels).astype(np.int32)


CASES = {
    "binary": drawn(80, 2),
    "three classes": drawn(100, 3, seed=1),
    "ten classes": drawn(300, 10, seed=2),
    "ten classes, few examples": drawn(7, 10, seed=3),
    "a class never predicted": never_predicted(*drawn(60, 4, seed=4), 3),
    "a class without examples": without_label(*drawn(60, 4, seed=5), 2),
    "a class that is nowhere": never_predicted(*without_label(*drawn(60, 4, seed=6), 2), 2),
    "one label of three": (drawn(40, 3, seed=7)[0], np.full(40, 1, np.int32)),
    "one label of two": (drawn(40, 2, seed=8)[0], np.zeros(40, np.int32)),
    "one example": drawn(1, 3, seed=9),
}


def padded(x, size, fill):
    return np.concatenate([x, np.full((size - len(x), *x.shape[1:]), fill, x.dtype)])


def measure(logits, label, *, mask=None, batch_size=16, metrics=SUMMED, fill=np.nan):
    """Compute metrics batch by batch, in a compiled step; logits that are masked hold `fill`."""
    mask = np.ones(len(label), bool) if mask is None else mask
    logits = np.where(mask[:, None], logits, np.float32(fill))
    step = jax.jit(lambda outputs: batch_sums(metrics, outputs))
    total = {}
    for start in range(0, len(label), batch_size):
        rows = slice(start, start + batch_size)
        batch = [padded(x[rows], batch_size, f) for x, f in ((logits, fill), (label, 0))]
        held = padded(mask[rows], batch_size, False)
        total = add_sums(total, step(Outputs(*batch, held, np.where(held, 1.0, np.nan))))
    found = values(metrics, total)
    assert found.pop("loss") == 1.0
    # JSON has None for what is not a number.
    return {name: np.array(value, np.float64) for name, value in found.items()}


def expected_of(logits, labels):
    """What scikit-learn says, or counting where it has no such metric."""
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    num_classes = logits.shape[1]
    predicted, p = logits.argmax(1), softmax(logits.astype(np.float64), axis=1)
    each = theirs.precision_recall_fscore_support(
        labels, predicted, labels=range(num_classes), zero_division=np.nan
    )
    # zero_division=0 is the default without its warning.
    macro = theirs.precision_recall_fscore_support(
        labels, predicted, average="macro", zero_division=0
    )
    by_logit = np.argsort(-logits, axis=1, kind="stable")
    squares = ((p - np.eye(num_classes)[labels]) ** 2).sum(1).mean()
    return {
        **dict.fromkeys(
            ("accuracy", "micro_f1", "subset_accuracy"), theirs.accuracy_score(labels, predicted)
        ),
        "balanced_accuracy": theirs.balanced_accuracy_score(labels, predicted),
        **dict(zip(("precision", "recall", "f1"), each, strict=False)),
        **dict(zip(("macro_precision", "macro_recall", "macro_f1"), macro, strict=False)),
        "confusion_matrix": confusion_matrix(labels, predicted, num_classes),
        "log_loss": theirs.log_loss(labels, p, labels=range(num_classes)),
        "brier_score": squares
        if num_classes > 2
        else theirs.brier_score_loss(labels, p[:, 1], pos_label=1),
        "top2": (by_logit[:, :2] == labels[:, None]).any(1).mean(),
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-7, err_msg=name)


# scikit-learn warns where a class is predicted that is no label.
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize(("masked", "fill"), [(False, 0), (True, 0), (True, np.nan)])
@pytest.mark.parametrize("case", CASES)
def test_metrics_are_scikit_learns(case, masked, fill):
    logits, labels = CASES[case]
    mask = np.arange(len(labels)) % 3 != 1 if masked else np.ones(len(labels), bool)
    found = measure(logits, labels, mask=mask, fill=fill)
    assert_same(found, expected_of(logits[mask], labels[mask]))


def test_the_cases_hold_undefined_values():
    found = measure(*CASES["a class that is nowhere"])
    for name in ("precision", "recall", "f1"):
        assert np.isnan(found[name]).tolist() == [False, False, True, False]
    found = measure(*CASES["a class never predicted"])
    assert np.isnan(found["precision"][3])
    assert found["recall"][3] == found["f1"][3] == 0
    one_label = measure(*CASES["one label of three"])
    assert one_label["macro_recall"] < one_label["balanced_accuracy"]


@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_top_k_without_ties_is_scikit_learns(k):
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    draws = np.random.default_rng(0)
    logits = draws.normal(size=(90, 10)).astype(np.float32)
    labels = draws.integers(10, size=90).astype(np.int32)
    found = measure(logits, labels, metrics={"top": top_k(k)})["top"]
    with pytest.warns(match="perfect score") if k == 10 else contextlib.nullcontext():
        expected = theirs.top_k_accuracy_score(labels, logits, k=k, labels=range(10))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("logits", "hits"),
    [
        ([3, 2, 1], [True, True, False]),
        ([1, 1, 1], [True, True, False]),
        ([0, 1, 0], [True, True, False]),
        ([0, 0, 1], [True, False, True]),
        ([np.nan] * 3, [False] * 3),
        ([2, np.nan, 1], [True, False, False]),
    ],
)
def test_top_two_by_hand(logits, hits):
    logits, mask = jnp.array([logits] * 3, jnp.float32), jnp.ones(3, bool)
    outputs = Outputs(logits, jnp.arange(3), mask, jnp.zeros(3))
    assert top_k_hits(outputs, 2).tolist() == hits


def test_top_one_is_the_accuracy():
    found = measure(
        *CASES["ten classes"], metrics={"top": top_k(1), "accuracy": SUMMED["accuracy"]}
    )
    assert found["top"] == found["accuracy"]


def test_top_k_refuses_fewer_classes():
    with pytest.raises(ValueError, match="top5 needs at least 5 classes, got 3; choose a smaller"):
        measure(*CASES["three classes"], metrics={"top5": get_metric("top5")})


@given(
    num_examples=st.integers(1, 60),
    batch_size=st.sampled_from([1, 4, 7, 32]),
    seed=st.integers(0, 999),
)
@settings(max_examples=20, deadline=None)
def test_batches_add_up_to_the_whole(num_examples, batch_size, seed):
    logits, labels = drawn(num_examples, 4, seed)
    mask = np.random.default_rng(seed).random(num_examples) < 0.8
    mask[0] = True
    whole = measure(logits, labels, mask=mask, batch_size=64)
    parts = measure(logits, labels, mask=mask, batch_size=batch_size)
    floating = {"log_loss", "brier_score"}
    for name in whole:
        tolerance = 1e-6 if name in floating else 0
        np.testing.assert_allclose(parts[name], whole[name], rtol=tolerance, err_msg=name)


def test_a_mixed_label_counts_as_its_most_probable_class():
    logits, labels = CASES["ten classes"]
    one_hot = np.eye(10, dtype=np.float32)
    mixed = 0.6 * one_hot[labels] + 0.4 * one_hot[(labels + 3) % 10]
    assert_same(measure(logits, mixed), measure(logits, labels))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_eager_is_compiled_and_sums_are_small(dtype):
    logits, labels = CASES["ten classes"]
    outputs = Outputs(
        jnp.asarray(logits, dtype), labels, jnp.ones(300, bool), np.zeros(300, np.float32)
    )
    eager = batch_sums(SUMMED, outputs)
    compiled = jax.jit(lambda o: batch_sums(SUMMED, o))(outputs)
    for name, sums in eager.items():
        for part, x in sums.items():
            assert x.dtype == (jnp.float32 if part == "sum" else jnp.int32), (name, part)
            assert x.shape in ([(10, 10)] if name == "confusion_matrix" else [(), (10,)])
            np.testing.assert_allclose(x, compiled[name][part], rtol=1e-6)


def test_no_example_gives_nan():
    # The accuracy stands with what every evaluation has, and an evaluation has examples.
    metrics = {name: metric for name, metric in SUMMED.items() if name != "accuracy"}
    outputs = Outputs(jnp.ones((2, 3)), jnp.zeros(2, jnp.int32), jnp.zeros(2, bool), jnp.zeros(2))
    sums = add_sums({}, batch_sums(metrics, outputs))
    for name, metric in metrics.items():
        found = np.asarray(metric.value(sums[name]))
        assert (np.isnan(found) if name != "confusion_matrix" else found == 0).all(), name


ON_TWO_DEVICES = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxcnn.metrics import Metric, Outputs, get_metric, list_metrics
from jaxcnn.metrics.metric import batch_sums
assert jax.device_count() == 2
draws = np.random.default_rng(0)
logits = draws.normal(size=(64, 6)).astype(np.float32)
labels = draws.integers(6, size=64).astype(np.int32)
outputs = Outputs(logits, labels, np.arange(64) < 53, draws.random(64, np.float32))
metrics = {name: get_metric(name) for name in list_metrics()}
spread = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
step = jax.jit(lambda outputs: batch_sums(metrics, outputs))
together = jax.device_put(outputs, spread)
assert len(together.logits.sharding.device_set) == 2
alone, together = step(jax.device_put(outputs, jax.devices()[0])), step(together)
assert len(alone) == 1 + sum(isinstance(metric, Metric) for metric in metrics.values())
jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), alone, together)
"""


def test_devices_do_not_change_the_sums():
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("masked", [False, True])
def test_metrics_of_several_labels_are_scikit_learns(masked):
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    draws = np.random.default_rng(0)
    logits = draws.integers(-2, 3, (90, 4)).astype(np.float32)
    labels = draws.integers(0, 2, (90, 4)).astype(np.int32)
    mask = np.arange(90) % 3 != 1 if masked else np.ones(90, bool)
    names = ("precision", "recall", "f1", "macro_f1", "micro_f1", "subset_accuracy")
    found = measure(logits, labels, mask=mask, metrics={name: get_metric(name) for name in names})
    truth, sets = labels[mask], logits[mask] >= 0
    each = theirs.precision_recall_fscore_support(truth, sets, zero_division=np.nan)
    expected = {
        **dict(zip(names, each, strict=False)),
        "macro_f1": theirs.f1_score(truth, sets, average="macro"),
        "micro_f1": theirs.f1_score(truth, sets, average="micro"),
        "subset_accuracy": theirs.accuracy_score(truth, sets),
    }
    assert_same(found, expected)


@pytest.mark.parametrize("name", ["accuracy", "top2", "log_loss", "brier_score"])
def test_metrics_of_the_most_probable_class_refuse_several_labels(name):
    outputs = Outputs(np.zeros((2, 3)), np.zeros((2, 3), np.int32), np.ones(2, bool), np.ones(2))
    with pytest.raises(ValueError, match="one label per example"):
        get_metric(name).sums(outputs)

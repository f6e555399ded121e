"""`fit` on examples with several labels each: arrays in, a sigmoid per class out."""

import logging

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.augment.mixing import make_mixing
from jaxcnn.models import create_model
from jaxcnn.training import fit


class Means(nn.Module):
    """A linear layer on the mean of each channel; it says nothing of its head."""

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(3)(images.mean(axis=(1, 2)))


def drawn(count=96, seed=0):
    """Images of three channels, of which class k brightens channel k."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, 2, (count, 3))
    images = draws.integers(0, 120, (count, 6, 6, 3)) + 120 * labels[:, None, None]
    return images.astype(np.uint8), labels


def trained(labels_as=np.uint8, model=None, **options):
    (images, labels), (others, their) = drawn(), drawn(48, seed=1)
    common = {"optimizer": optax.sgd(0.5), "num_epochs": 6, "batch_size": 24} | options
    given = (others, their.astype(labels_as))
    return fit(model or Means(), (images, labels.astype(labels_as)), given, **common), given


@pytest.mark.parametrize("labels_as", [np.uint8, bool, np.int64])
def test_whole_numbers_by_class_are_several_labels(labels_as):
    result, validation = trained(labels_as)
    row = result.best.row
    assert row["validation_mean_average_precision"] > 0.99
    assert row["validation_subset_accuracy"] == 1
    assert row["validation_macro_f1"] == 1
    assert row["train_subset_accuracy"] > 0.5
    assert "validation_accuracy" not in row
    answers = result.predict(validation[0])
    np.testing.assert_array_equal(answers >= 0.5, validation[1].astype(bool))
    found = result.evaluate(validation)
    assert found.metrics["subset_accuracy"] == 1
    with pytest.raises(ValueError, match="subset_accuracy"):
        _ = found.accuracy


def test_floats_are_several_labels_where_the_loss_says_so():
    result, _ = trained(np.float32, loss="multi_label_cross_entropy")
    assert result.best.row["validation_subset_accuracy"] == 1
    # Without it they are shares of one label, whose sum is 1.
    result, _ = trained(np.float32)
    assert "validation_accuracy" in result.best.row


def test_a_network_may_say_so_itself_and_mixing_works():
    model = create_model("lenet5", 3, head="multi_label")
    draws = np.random.default_rng(0)
    images, labels = draws.random((8, 32, 32, 1), np.float32), draws.integers(0, 2, (8, 3))
    mixing = make_mixing(num_classes=3, mixup_alpha=0.2)
    result = fit(
        model,
        (images, labels),
        (images, labels),
        optimizer=optax.sgd(0.01),
        batch_size=8,
        mixing=mixing,
        metrics=["auroc", "micro_f1"],
    )
    assert 0 <= result.history[-1]["train_micro_f1"] <= 1
    assert 0 <= result.history[-1]["validation_auroc"] <= 1


def test_without_validation_the_loss_chooses():
    images, labels = drawn()
    result = fit(Means(), (images, labels), optimizer=optax.sgd(0.5), batch_size=24)
    assert "train_macro_f1" in result.history[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrics": ["accuracy"]}, "accuracy, which is for one label"),
        ({"metrics": ["top2"]}, "top2, which is for one label"),
        ({"metrics": {"mine": "calibration_error"}}, "mine, which is for one label"),
        ({"best": "accuracy"}, "best must be one of the metrics"),
        ({"model": create_model("lenet5", 3)}, 'head="multi_label"'),
        ({"loss": "softmax_cross_entropy"}, 'head="multi_label"'),
        ({"best": "nonsense"}, "nonsense"),
    ],
)
def test_what_does_not_fit_is_refused(options, said):
    images, labels = drawn(24)
    if "model" in options:
        images = np.zeros((24, 32, 32, 1), np.uint8)
    with pytest.raises(ValueError, match=said):
        fit(
            options.pop("model", Means()),
            (images, labels),
            (images, labels),
            optimizer=optax.sgd(0.5),
            batch_size=24,
            **options,
        )


def test_metrics_of_several_labels_take_one_too():
    images, labels = drawn(24)
    names = ["subset_accuracy", "micro_f1", "accuracy"]
    result = fit(
        Means(), (images, labels[:, 0]), optimizer=optax.sgd(0.5), batch_size=24, metrics=names
    )
    assert len({result.history[-1][f"train_{name}"] for name in names}) == 1


@pytest.mark.parametrize("labels", [np.full((24, 3), 2), np.full((24, 3), -1)])
def test_labels_that_are_not_0_or_1_are_refused(labels):
    images, _ = drawn(24)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        fit(Means(), (images, labels), optimizer=optax.sgd(0.5), batch_size=24)


def test_one_hot_labels_are_told_of(caplog):
    images, _ = drawn(24)
    with caplog.at_level(logging.WARNING):
        fit(
            Means(),
            (images, np.eye(3, dtype=int)[np.arange(24) % 3]),
            optimizer=optax.sgd(0.5),
            batch_size=24,
        )
    assert "exactly one label" in caplog.text


def test_a_loss_of_your_own_takes_one_hot_labels_as_before():
    images, _ = drawn(24)
    table = np.eye(3, dtype=int)[np.arange(24) % 3]

    def loss(logits, label):
        return -(nn.log_softmax(logits) * label.astype(jnp.float32)).sum(axis=1)

    result = fit(
        Means(), (images, table), optimizer=optax.sgd(0.5), batch_size=24, loss=loss, num_epochs=2
    )
    assert 0 <= result.history[-1]["train_accuracy"] <= 1

"""Sums over batches: what numpy counts, and exact however the examples lie in batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jaxcnn.metrics.metric import ACCURACY, Outputs, add_sums, batch_sums, values

METRICS = {"accuracy": ACCURACY}


def sums_of(outputs):
    return batch_sums(METRICS, outputs)


def make_outputs(count, seed=0, num_classes=3):
    """Outputs of which none is padding, and the classes that they predict."""
    rng = np.random.default_rng(seed)
    # Multiples of 1/64 add without rounding, so that merging can be compared exactly.
    losses = (rng.integers(0, 256, count) / 64).astype(np.float32)
    label = rng.integers(num_classes, size=count).astype(np.int32)
    predicted = rng.integers(num_classes, size=count)
    logits = np.eye(num_classes, dtype=np.float32)[predicted]
    return Outputs(logits, label, np.ones(count, bool), losses), predicted


def test_sums_count_what_numpy_counts():
    outputs, predicted = make_outputs(50)
    mask = np.arange(50) % 3 > 0
    outputs = outputs._replace(mask=mask)
    for function in (sums_of, jax.jit(sums_of)):
        sums = function(outputs)
        dtypes = jax.tree.map(lambda x: (x.dtype, x.shape), sums)
        assert dtypes == {
            "loss": {"sum": (jnp.float32, ()), "count": (jnp.int32, ())},
            "accuracy": {"correct": (jnp.int32, ()), "count": (jnp.int32, ())},
        }
        assert float(sums["loss"]["sum"]) == outputs.loss[mask].sum()
        assert int(sums["accuracy"]["correct"]) == ((predicted == outputs.label) & mask).sum()
        assert int(sums["loss"]["count"]) == int(sums["accuracy"]["count"]) == mask.sum()


def test_padding_never_counts_whatever_it_holds():
    logits = np.eye(2, dtype=np.float32)[[1, 1, 0]]
    logits[1] = np.nan
    losses = np.array([0.5, np.nan, np.inf], np.float32)
    label, mask = np.array([1, 1, 0], np.int32), np.array([True, False, False])
    sums = sums_of(Outputs(logits, label, mask, losses))
    assert jax.tree.map(float, sums) == {
        "loss": {"sum": 0.5, "count": 1},
        "accuracy": {"correct": 1, "count": 1},
    }


def test_soft_label_counts_its_most_probable_class():
    label = np.array([[0.4, 0.6], [0.9, 0.1]], np.float32)
    logits = np.eye(2, dtype=np.float32)[[1, 1]]
    sums = sums_of(Outputs(logits, label, np.ones(2, bool), np.zeros(2, np.float32)))
    assert int(sums["accuracy"]["correct"]) == 1


@given(count=st.integers(1, 40), batch_size=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_ragged_batches_add_up_to_the_whole(count, batch_size, seed):
    whole, _ = make_outputs(count, seed)
    total = {}
    for start in range(0, count, batch_size):
        part = Outputs(*(x[start : start + batch_size] for x in whole))
        padding = batch_size - len(part.mask)
        fills = Outputs(logits=np.nan, label=0, mask=False, loss=np.nan)
        padded = Outputs(
            *(
                np.pad(x, [(0, padding)] + [(0, 0)] * (x.ndim - 1), constant_values=fill)
                for x, fill in zip(part, fills, strict=True)
            )
        )
        total = add_sums(total, sums_of(padded))
    assert total == jax.tree.map(float, sums_of(whole))
    assert values(METRICS, total)["loss"] == pytest.approx(whole.loss.mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": np.zeros((3, 1), np.float32)}, r"losses of shape \(3, 1\)"),
        ({"logits": np.zeros((2, 2), np.float32)}, "got 2 logits and 3 labels"),
        ({"mask": np.ones(2, bool)}, r"got bool of shape \(2,\)"),
        ({"mask": np.ones(3, np.float32)}, "mask must be bool .* got float32"),
        ({"label": np.zeros(2, np.int32)}, "got 3 logits and 2 labels"),
    ],
)
def test_sums_refuse(change, message):
    outputs = Outputs(
        logits=np.zeros((3, 2), np.float32),
        label=np.zeros(3, np.int32),
        mask=np.ones(3, bool),
        loss=np.zeros(3, np.float32),
    )
    with pytest.raises(ValueError, match=message):
        sums_of(outputs._replace(**change))

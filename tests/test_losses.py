"""Losses against NumPy in float64: values, gradients, extremes, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

from jaxcnn.losses import (
    class_logits,
    class_weights_from_counts,
    make_loss,
    mean_loss,
    positive_weights_from_counts,
    probabilities,
)
from jaxcnn.metrics.metric import Outputs, predicted_class

B, K = 6, 4
WEIGHTS = {2: np.array([0.5, 2.0]), 4: np.array([0.5, 2.0, 1.0, 0.0])}
OPTIONS = [(0.0, False), (0.1, False), (0.0, True), (0.3, True)]


def softmax_cross_entropy(logits, label, **options):
    return make_loss("softmax", num_classes=logits.shape[1], **options)(logits, label)


sigmoid_cross_entropy = make_loss("sigmoid", num_classes=2)


def numpy_loss(logits, target, label_smoothing, class_weights):
    """-sum_k w_k q_k log p_k and its gradient p_j sum_k(w_k q_k) - w_j q_j, in float64."""
    logits = np.asarray(logits, np.float64)
    target = (1 - label_smoothing) * target + label_smoothing / target.shape[1]
    weighted = target * class_weights
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(log_p) * weighted.sum(axis=1, keepdims=True) - weighted
    return -(weighted * log_p).sum(axis=1), gradient


def draw(head, label_kind, seed=0):
    """Logits, the label handed to the loss, and the same label as (B, K) float64 rows."""
    rng = np.random.default_rng(seed)
    width, classes = (1, 2) if head == "sigmoid" else (K, K)
    logits = rng.normal(scale=3.0, size=(B, width)).astype(np.float32)
    if label_kind == "hard":
        label = rng.integers(classes, size=B).astype(np.int32)
        return logits, label, np.eye(classes)[label]
    target = rng.dirichlet(np.ones(classes), size=B).astype(np.float32)
    return logits, target, target.astype(np.float64)


def full_logits(logits):
    """One logit a class, so that one NumPy formula serves both heads."""
    return logits if logits.shape[1] > 1 else np.concatenate([0 * logits, logits], axis=1)


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize(("label_smoothing", "weighted"), OPTIONS)
@pytest.mark.parametrize("label_kind", ["hard", "soft"])
@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_value_and_gradient_match_numpy(head, label_kind, label_smoothing, weighted, jit):
    logits, label, target = draw(head, label_kind)
    classes = target.shape[1]
    weights = WEIGHTS[classes] if weighted else None
    loss_fn = make_loss(
        head, num_classes=classes, label_smoothing=label_smoothing, class_weights=weights
    )
    value_fn, gradient_fn = loss_fn, jax.grad(lambda z, y: loss_fn(z, y).sum())
    if jit:
        value_fn, gradient_fn = jax.jit(value_fn), jax.jit(gradient_fn)

    losses = value_fn(jnp.asarray(logits), jnp.asarray(label))
    gradient = gradient_fn(jnp.asarray(logits), jnp.asarray(label))

    expected, expected_gradient = numpy_loss(
        full_logits(logits), target, label_smoothing, 1.0 if weights is None else weights
    )
    assert losses.shape == (B,)
    assert losses.dtype == jnp.float32
    np.testing.assert_allclose(losses, expected, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient[:, -logits.shape[1] :], atol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("label_kind", ["hard", "soft"])
def test_binary_cross_entropy_matches_numpy(label_kind, weighted, label_smoothing):
    logits, label, target = draw("softmax", label_kind)
    weights = WEIGHTS[K] if weighted else None
    found = softmax_cross_entropy(
        jnp.asarray(logits),
        jnp.asarray(label),
        loss="binary_cross_entropy",
        target_threshold=0.2,
        label_smoothing=label_smoothing,
        class_weights=weights,
    )
    q = (1 - label_smoothing) * (target > 0.2) + label_smoothing / K
    z = logits.astype(np.float64)
    each = q * np.logaddexp(0, -z) + (1 - q) * np.logaddexp(0, z)
    expected = (each * (1.0 if weights is None else weights)).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_every_class_of_a_mixed_label_is_present_and_a_wrong_one_shows():
    binary = make_loss("softmax", num_classes=3, loss="binary_cross_entropy")
    logits = jnp.array([[2.0, -1.0, 0.0]])
    mixed, both = (binary(logits, jnp.array([row])) for row in ([0.9, 0.1, 0.0], [1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(mixed, both)
    assert jnp.isnan(binary(logits, jnp.full((1, 3), jnp.nan)))[0]
    assert jnp.isnan(binary(logits, jnp.array([3])))[0]


@pytest.mark.parametrize(("threshold", "present"), [(0.0, [1, 1, 0]), (0.25, [0, 1, 0])])
def test_a_class_is_present_by_a_share_above_the_threshold(threshold, present):
    options = {"loss": "binary_cross_entropy", "target_threshold": threshold}
    loss_fn = make_loss("softmax", num_classes=3, **options)
    logits = np.array([[0.5, -1.0, 2.0]], np.float32)
    q = 1 / (1 + np.exp(-logits[0]))
    expected = -np.log(np.where(present, q, 1 - q)).mean()
    found = loss_fn(jnp.asarray(logits), jnp.array([[0.25, 0.75, 0.0]]))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_binary_cross_entropy_is_for_one_logit_per_class():
    with pytest.raises(ValueError, match='head "sigmoid" has it already'):
        make_loss("sigmoid", num_classes=2, loss="binary_cross_entropy")
    with pytest.raises(ValueError, match="target_threshold"):
        make_loss("softmax", num_classes=2, target_threshold=1.0)


def test_hand_computed_values():
    third = jnp.log(jnp.array([[1.0, 1.0, 2.0]]))  # probabilities 1/4, 1/4, 1/2
    plain = softmax_cross_entropy(third, jnp.array([2]))
    smooth = softmax_cross_entropy(third, jnp.array([2]), label_smoothing=0.3)
    weighted = softmax_cross_entropy(
        third, jnp.array([2]), class_weights=jnp.array([1.0, 1.0, 5.0])
    )
    np.testing.assert_allclose(plain, [np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(smooth, [0.8 * np.log(2) + 0.2 * np.log(4)], rtol=1e-6)
    np.testing.assert_allclose(weighted, [5 * np.log(2)], rtol=1e-6)


def test_unsmoothed_integer_labels_match_optax():
    logits, label, _ = draw("softmax", "hard", seed=3)
    np.testing.assert_allclose(
        softmax_cross_entropy(logits, label),
        optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(logits), jnp.asarray(label)),
        atol=1e-6,
    )


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_one_hot_equals_integer(head):
    logits, label, target = draw(head, "hard")
    loss_fn = make_loss(
        head,
        num_classes=target.shape[1],
        label_smoothing=0.2,
        class_weights=WEIGHTS[target.shape[1]],
    )
    one_hot = target.astype(np.float32)
    np.testing.assert_array_equal(loss_fn(logits, label), loss_fn(logits, one_hot))


def test_sigmoid_equals_softmax_of_zero_and_logit():
    logits, label, _ = draw("sigmoid", "soft", seed=5)
    np.testing.assert_allclose(
        sigmoid_cross_entropy(logits, label),
        softmax_cross_entropy(full_logits(logits), label),
        rtol=1e-5,
    )


EXTREME = [1e4, -1e4, 3e38, -3e38, 0.0]


@pytest.mark.parametrize("low", EXTREME)
@pytest.mark.parametrize("high", EXTREME)
def test_softmax_extremes_are_never_nan(low, high):
    logits = jnp.array([[low, high, 0.0]], jnp.float32)
    for label in (0, 1):
        loss, gradient = jax.value_and_grad(
            lambda z, y=label: softmax_cross_entropy(z, jnp.array([y])).sum()
        )(logits)
        assert not np.isnan(loss)
        assert loss >= 0
        assert np.isfinite(gradient).all()
    right = softmax_cross_entropy(logits, jnp.argmax(logits, axis=1))
    assert right[0] <= np.log(3) + 1e-6


@pytest.mark.parametrize("logit", EXTREME)
def test_sigmoid_extremes_are_finite(logit):
    for label in (0, 1):
        loss, gradient = jax.value_and_grad(
            lambda z, y=label: sigmoid_cross_entropy(z, jnp.array([y])).sum()
        )(jnp.array([[logit]], jnp.float32))
        signed = -logit if label else logit
        np.testing.assert_allclose(loss, max(signed, 0.0) + (logit == 0) * np.log(2), rtol=1e-6)
        assert np.isfinite(gradient).all()


def test_sigmoid_keeps_small_losses():
    loss = sigmoid_cross_entropy(jnp.array([[30.0]]), jnp.array([1]))
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-30.0))], rtol=1e-5)


@pytest.mark.parametrize("label", [-1, K, 255])
def test_label_out_of_range_is_nan_and_masks_out(label):
    logits, labels, _ = draw("softmax", "hard")
    labels[2] = label
    mask = jnp.arange(B) != 2
    losses = softmax_cross_entropy(logits, labels)
    assert np.isnan(losses).tolist() == [i == 2 for i in range(B)]

    gradient = jax.grad(lambda z: mean_loss(softmax_cross_entropy(z, labels), mask))(
        jnp.asarray(logits)
    )
    assert np.isfinite(gradient).all()
    assert not gradient[2].any()
    assert gradient[1].any()


@pytest.mark.parametrize("label", [-1, 2])
def test_sigmoid_label_out_of_range_is_nan(label):
    assert np.isnan(sigmoid_cross_entropy(jnp.zeros((1, 1)), jnp.array([label]))).all()


def test_half_precision_logits_are_computed_in_float32():
    logits = jnp.asarray([[3.0, 0.0, -2.0]], jnp.bfloat16)
    losses = softmax_cross_entropy(logits, jnp.array([1]), label_smoothing=0.1)
    expected = softmax_cross_entropy(
        logits.astype(jnp.float32), jnp.array([1]), label_smoothing=0.1
    )
    assert losses.dtype == jnp.float32
    np.testing.assert_array_equal(losses, expected)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_vmap_equals_loop(head):
    drawn = [draw(head, "hard", seed)[:2] for seed in range(3)]
    logits = jnp.stack([z for z, _ in drawn])
    label = jnp.stack([y for _, y in drawn])
    loss_fn = make_loss(head, num_classes=2 if head == "sigmoid" else K, label_smoothing=0.1)
    looped = jnp.stack([loss_fn(z, y) for z, y in zip(logits, label, strict=True)])
    np.testing.assert_allclose(jax.vmap(loss_fn)(logits, label), looped, rtol=1e-6)


ONES = np.ones(B, np.int32)
BAD_CALLS = {
    "rank": (np.zeros(K, np.float32), ONES, {}, r"logits must have shape \(B, 4\).*\(4,\)"),
    "one column": (np.zeros((B, 1), np.float32), ONES, {}, r"\(6, 1\)"),
    "int logits": (np.zeros((B, K), np.int32), ONES, {}, "floating point, got int32"),
    "batch": (np.zeros((B, K), np.float32), ONES[:1], {}, r"got int32 of shape \(1,\)"),
    "float hard": (np.zeros((B, K), np.float32), ONES * 1.0, {}, r"got float\d\d of shape \(6,\)"),
    "int soft": (np.zeros((B, K), np.float32), np.ones((B, K), np.int32), {}, "got int32"),
    "classes": (np.zeros((B, K), np.float32), np.ones((B, 3), np.float32), {}, r"\(6, 3\)"),
    "smoothing": (np.zeros((B, K), np.float32), ONES, {"label_smoothing": 1.0}, "got 1.0"),
    "negative": (np.zeros((B, K), np.float32), ONES, {"label_smoothing": -0.1}, "got -0.1"),
    "weights": (
        np.zeros((B, K), np.float32),
        ONES,
        {"class_weights": np.ones(3, np.float32)},
        r"class_weights must have shape \(4,\), got \(3,\)",
    ),
}


@pytest.mark.parametrize(
    ("logits", "label", "options", "message"), BAD_CALLS.values(), ids=BAD_CALLS
)
@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
def test_softmax_refuses(logits, label, options, message, jit):
    loss = jax.jit if jit else lambda f: f
    with pytest.raises(ValueError, match=message):
        loss(make_loss("softmax", num_classes=K, **options))(logits, label)


@pytest.mark.parametrize(
    ("logits_shape", "label_shape", "message"),
    [((B, 2), (B,), r"\(B, 1\), got \(6, 2\)"), ((B, 1), (B, 1), r"of shape \(6, 2\)")],
)
def test_sigmoid_refuses(logits_shape, label_shape, message):
    label = np.zeros(label_shape, np.int32 if len(label_shape) == 1 else np.float32)
    with pytest.raises(ValueError, match=message):
        sigmoid_cross_entropy(np.zeros(logits_shape, np.float32), label)


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        ("sofmax", {"num_classes": 2}, "unknown head 'sofmax'.*softmax, sigmoid"),
        ("sigmoid", {"num_classes": 3}, "num_classes must be 2.*got 3"),
        ("softmax", {"num_classes": 1}, "at least 2.*got 1"),
        ("softmax", {"num_classes": 2, "label_smoothing": 2.0}, "got 2.0"),
        ("softmax", {"num_classes": 2, "class_weights": [1.0]}, r"\(2,\).*got \(1,\)"),
        ("softmax", {"num_classes": 2, "class_weights": [1.0, -1.0]}, ">= 0"),
        ("softmax", {"num_classes": 2, "class_weights": [0.0, 0.0]}, "not all 0"),
        ("softmax", {"num_classes": 2, "class_weights": [1.0, np.nan]}, "finite"),
    ],
)
def test_make_loss_refuses(head, options, message):
    with pytest.raises(ValueError, match=message):
        make_loss(head, **options)


def test_made_loss_refuses_another_number_of_classes():
    loss_fn = make_loss("softmax", num_classes=3)
    with pytest.raises(ValueError, match=r"\(B, 3\), got \(6, 4\)"):
        loss_fn(np.zeros((B, 4), np.float32), np.zeros(B, np.int32))


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=8))
@settings(max_examples=30, deadline=None)
def test_balanced_weights_give_each_class_the_same_total(counts):
    weights = class_weights_from_counts(counts)
    totals = weights * np.array(counts)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(totals, sum(counts) / len(counts), rtol=1e-5)


@pytest.mark.parametrize(
    ("counts", "message"),
    [([3, 0, 2, 0], r"classes \[1, 3\] are 0"), ([3, -1], ">= 0"), ([], r"\(K,\)")],
)
def test_class_weights_refuse(counts, message):
    with pytest.raises(ValueError, match=message):
        class_weights_from_counts(counts)


@given(st.lists(st.tuples(st.floats(0, 100, width=32), st.booleans()), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_mean_loss_is_the_mean_of_what_counts(pairs):
    losses, mask = (np.array(column) for column in zip(*pairs, strict=True))
    expected = losses[mask].mean() if mask.any() else 0.0
    poisoned = np.where(mask, losses, np.nan).astype(np.float32)
    result = mean_loss(poisoned, mask)
    assert result.dtype == jnp.float32
    assert result.shape == ()
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_mean_loss_gradient_is_one_over_count():
    mask = jnp.array([True, False, True])
    gradient = jax.jit(jax.grad(mean_loss))(jnp.array([1.0, jnp.nan, 2.0]), mask)
    np.testing.assert_array_equal(gradient, [0.5, 0.0, 0.5])
    nothing = jax.grad(mean_loss)(jnp.ones(3), jnp.zeros(3, bool))
    np.testing.assert_array_equal(nothing, np.zeros(3))


@pytest.mark.parametrize("mask", [np.ones(2, bool), np.ones(3, np.float32)])
def test_mean_loss_refuses(mask):
    with pytest.raises(ValueError, match="mask must be bool"):
        mean_loss(np.ones(3, np.float32), mask)


def test_probabilities_match_numpy():
    logits, _, _ = draw("softmax", "hard")
    exponents = np.exp(logits.astype(np.float64))
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities(logits, "softmax"), expected, rtol=1e-5)

    logit, _, _ = draw("sigmoid", "hard")
    p = 1 / (1 + np.exp(-logit.astype(np.float64)))
    result = probabilities(logit, "sigmoid")
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, np.concatenate([1 - p, p], axis=1), rtol=1e-5)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_prediction_is_the_most_probable_class(head):
    logits, _, _ = draw(head, "hard", seed=2)
    found = jax.jit(class_logits, static_argnames="head")(logits, head=head)
    assert found.dtype == jnp.float32
    predicted = predicted_class(Outputs(found, None, None, None))
    assert predicted.dtype == jnp.int32
    expected = full_logits(logits).argmax(axis=1)
    assert len(set(expected.tolist())) > 1
    np.testing.assert_array_equal(predicted, expected)


def test_tie_goes_to_the_lower_class():
    for num_logits, head in ((1, "sigmoid"), (3, "softmax")):
        found = class_logits(jnp.zeros((1, num_logits)), head)
        assert predicted_class(Outputs(found, None, None, None)).tolist() == [0]


@pytest.mark.parametrize("function", [probabilities, class_logits])
def test_heads_are_checked(function):
    with pytest.raises(ValueError, match="unknown head 'tanh'"):
        function(jnp.zeros((1, 2)), "tanh")
    with pytest.raises(ValueError, match=r"\(B, 1\), got \(1, 2\)"):
        function(jnp.zeros((1, 2)), "sigmoid")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_several_labels_are_a_binary_cross_entropy_each(dtype, smoothing):
    draws = np.random.default_rng(0)
    logits = draws.normal(size=(B, K)).astype(np.float32) * 3
    label, weights = draws.integers(0, 2, (B, K)), np.array([0.5, 2.0, 1.0, 3.0])
    loss = make_loss("multi_label", num_classes=K, label_smoothing=smoothing, class_weights=weights)
    s, q = 1 / (1 + np.exp(-logits.astype(np.float64))), (1 - smoothing) * label + smoothing / 2
    expected = -(weights * q * np.log(s) + (1 - q) * np.log(1 - s)).mean(axis=1)
    np.testing.assert_allclose(loss(logits, label.astype(dtype)), expected, rtol=1e-5)


def test_several_labels_stay_finite_at_any_logit_and_show_what_is_no_label():
    loss = make_loss("multi_label", num_classes=2)
    logits = jnp.array([[1e30, -1e30], [-1e30, 1e30]])
    label = jnp.array([[1, 0], [1, 0]])
    found, gradient = jax.value_and_grad(lambda x: loss(x, label).sum())(logits)
    assert jnp.isfinite(found)
    assert jnp.isfinite(gradient).all()
    assert jnp.isnan(loss(jnp.zeros((1, 2)), jnp.array([[2, 0]]))).all()
    assert jnp.isnan(loss(jnp.zeros((1, 2)), jnp.array([[-1.0, 0.0]]))).all()


def test_several_labels_have_probabilities_of_their_own():
    logits = jnp.array([[0.0, 3.0, -3.0]])
    found = probabilities(logits, "multi_label")
    np.testing.assert_allclose(found, [[0.5, 0.9525741, 0.0474259]], rtol=1e-6)
    assert class_logits(logits, "multi_label").tolist() == logits.tolist()


@pytest.mark.parametrize(
    ("head", "label", "said"),
    [
        ("multi_label", jnp.array([0, 1]), "label must have shape"),
        ("multi_label", jnp.zeros((2, 4)), "label must have shape"),
        ("softmax", jnp.zeros((2, 3), jnp.int32), "several labels per example"),
    ],
)
def test_labels_of_the_other_kind_are_refused(head, label, said):
    with pytest.raises(ValueError, match=said):
        make_loss(head, num_classes=3)(jnp.zeros((2, 3)), label)


def test_several_labels_have_that_loss_already():
    with pytest.raises(ValueError, match="has it already"):
        make_loss("multi_label", num_classes=3, loss="binary_cross_entropy")


def test_positive_weights_even_out_and_are_bounded():
    weights = positive_weights_from_counts([10, 50, 100, 0, 1], 100, most=20)
    np.testing.assert_allclose(weights, [9, 1, 0.05, 20, 20])
    for bad in ([-1], [101], []):
        with pytest.raises(ValueError, match="counts"):
            positive_weights_from_counts(bad, 100)

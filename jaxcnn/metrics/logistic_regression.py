"""Multinomial logistic regression on the device, for features that no network need learn."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn.types import Array

_FARTHEST = 10.0  # standard deviations
_MAX_STEPS = 300
_TOLERANCE = 1e-4


class LogisticRegression(NamedTuple):
    """A linear classifier of standardised features."""

    weights: jax.Array  # (F, num_classes) float32
    bias: jax.Array  # (num_classes,) float32


def fit_logistic_regression(
    features: Array, labels: Array, *, num_classes: int, l2: float
) -> LogisticRegression:
    """Fit multinomial logistic regression by L-BFGS.

    The loss is the mean cross-entropy plus l2 / 2 times the sum of squared weights; the bias is
    free. Standardise the features first, see `standardise`.

    Args:
      features: (N, F) float32.
      labels: (N,) integers in 0 to num_classes - 1.
      num_classes: number of classes, at least 2.
      l2: weight of the penalty; >= 0.

    Returns:
      Weights (F, num_classes) and bias (num_classes,).

    Raises:
      ValueError: if shapes, labels or options do not fit together.

    Example:
      >>> features = np.array([[-1.0], [1.0]], np.float32)
      >>> model = fit_logistic_regression(features, np.array([0, 1]), num_classes=2, l2=0.1)
      >>> predict(model, features).tolist()
      [0, 1]

    Source: Liu and Nocedal 1989, L-BFGS, as in `optax.lbfgs`.
    """
    labels = np.asarray(labels)
    if features.ndim != 2 or labels.shape != (features.shape[0],):
        raise ValueError(
            f"features of shape {features.shape} and labels of shape {labels.shape} do not fit; "
            "expected (N, F) and (N,)."
        )
    if num_classes < 2 or l2 < 0:
        raise ValueError(f"num_classes (={num_classes}) must be at least 2 and l2 (={l2}) >= 0.")
    if labels.size == 0 or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels must be present and lie in 0 to {num_classes - 1}, got {np.unique(labels)}."
        )
    one_hot = jax.nn.one_hot(labels, num_classes, dtype=jnp.float32)
    return _fit(jnp.asarray(features, jnp.float32), one_hot, jnp.float32(l2))


def predict(model: LogisticRegression, features: Array) -> np.ndarray:
    """Return the most probable class of each row of features, (N,) integers."""
    logits = jnp.asarray(features, jnp.float32) @ model.weights + model.bias[None, :]
    return np.asarray(jnp.argmax(logits, axis=-1))


def standardise(features: np.ndarray, statistics_of: np.ndarray) -> np.ndarray:
    """Shift and scale each feature to mean 0 and standard deviation 1 on other data.

    Args:
      features: (N, F) float32.
      statistics_of: (M, F) float32, the training features. What is constant there becomes 0.

    Returns:
      (N, F) float32 in [-10, 10]: a ReLU's feature that is nearly 0 on the training photos and not
      on this one would be hundreds of deviations away and alone decide.

    Example:
      >>> standardise(np.float32([[3.0]]), np.float32([[1.0], [3.0]])).tolist()
      [[1.0]]
    """
    mean, deviation = statistics_of.mean(axis=0), statistics_of.std(axis=0)
    scale = np.where(deviation > 1e-7, 1.0 / np.maximum(deviation, 1e-7), 0.0)
    deviations = (features - mean[None, :]) * scale[None, :]
    return np.clip(deviations, -_FARTHEST, _FARTHEST).astype(np.float32)


@jax.jit
def _fit(features: jax.Array, one_hot: jax.Array, l2: jax.Array) -> LogisticRegression:
    def loss(model: LogisticRegression) -> jax.Array:
        logits = features @ model.weights + model.bias[None, :]
        cross_entropy = -jnp.mean(jnp.sum(one_hot * jax.nn.log_softmax(logits), axis=-1))
        return cross_entropy + 0.5 * l2 * jnp.sum(model.weights**2)

    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)
    start = LogisticRegression(
        jnp.zeros((features.shape[1], one_hot.shape[1])), jnp.zeros(one_hot.shape[1])
    )

    def step(carry):  # type: ignore[no-untyped-def]
        model, state, count, _ = carry
        value, grad = value_and_grad(model, state=state)
        updates, state = solver.update(grad, state, model, value=value, grad=grad, value_fn=loss)
        return optax.apply_updates(model, updates), state, count + 1, optax.tree.norm(grad)

    def unfinished(carry):  # type: ignore[no-untyped-def]
        _, _, count, norm = carry
        return (count < _MAX_STEPS) & (norm > _TOLERANCE)

    carry = (start, solver.init(start), jnp.int32(0), jnp.float32(jnp.inf))
    model: LogisticRegression = jax.lax.while_loop(unfinished, step, carry)[0]
    return model

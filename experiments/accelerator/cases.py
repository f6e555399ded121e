"""What is compared between the CPU and an accelerator: operations, losses and metrics.

A case is a pure function of arrays. Operations give their value and their gradients for a fixed
random cotangent, so that each of the hand-written gradients is met.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import losses
from jaxcnn.metrics import get_metric, list_metrics
from jaxcnn.metrics.metric import Metric, Outputs
from jaxcnn.models.layers.batch_norm import ACTIVATIONS
from jaxcnn.ops import adaptive_avg_pool, avg_pool, batch_norm, conv2d, max_pool
from jaxcnn.types import PyTree


class Case(NamedTuple):
    """One comparison.

    Attributes:
      name: its group and what it is.
      function: (dtype, *inputs) to a tree of arrays; computes in that dtype.
      inputs: trees of numpy arrays.
      tolerance: of the relative error in float32, see `sides.error_of`.
      half_tolerance: the least that is allowed in bfloat16; None where it is not computed in that.
    """

    name: str
    function: Callable[..., PyTree]
    inputs: tuple[PyTree, ...]
    tolerance: float = 1e-5
    half_tolerance: float | None = 0.01


def draws(seed: int, *shape: int) -> np.ndarray:
    """Draw numbers of mean 0 and variance 1, float32, that bfloat16 holds too."""
    return as_half(np.random.default_rng(seed).standard_normal(shape, np.float32))


def as_half(numbers: np.ndarray) -> np.ndarray:
    """Round to what bfloat16 holds: else its answers differ by their inputs, and by new ties."""
    return numbers.astype(jnp.bfloat16).astype(np.float32)


def with_gradients(function: Callable[..., Any]) -> Callable[..., PyTree]:
    """Make of an operation a case's function: its value, and its gradients by all arguments."""

    def value_and_gradients(dtype: Any, *inputs: jax.Array) -> PyTree:
        value, pull_back = jax.vjp(function, *(jnp.asarray(x, dtype) for x in inputs))
        cotangents = jax.tree.map(
            lambda leaf: jnp.asarray(draws(9, *leaf.shape), leaf.dtype), value
        )
        return {"value": value, "gradients": pull_back(cotangents)}

    return value_and_gradients


# Kernel (height, width, C / groups, features), and options; images are (3, 14, 13, C).
_CONVOLUTIONS: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "3x3": ((3, 3, 16, 24), {}),
    "3x3, valid": ((3, 3, 16, 24), {"padding": "VALID"}),
    "3x3, stride 2, padding (1, 1)": (
        (3, 3, 16, 24),
        {"strides": 2, "padding": ((1, 1), (1, 1))},
    ),
    "7x7, 3 channels, stride 2": ((7, 7, 3, 16), {"strides": 2}),
    "1x7": ((1, 7, 16, 24), {}),
    "3x3, dilation 2": ((3, 3, 16, 24), {"dilation": 2}),
    "pointwise": ((1, 1, 16, 24), {}),
    "pointwise, stride 2": ((1, 1, 16, 24), {"strides": 2}),
    "3x3, 4 groups": ((3, 3, 4, 24), {"groups": 4}),
    "depthwise 3x3": ((3, 3, 1, 16), {"groups": 16}),
    "depthwise 3x3, stride 2": ((3, 3, 1, 16), {"groups": 16, "strides": 2}),
    "depthwise 5x5, valid": ((5, 5, 1, 16), {"groups": 16, "padding": "VALID"}),
    "depthwise 3x3, 2 features a channel": ((3, 3, 1, 32), {"groups": 16}),
}

_POOLINGS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "max 2x2": functools.partial(max_pool, window=2),
    "max 3x3, stride 2, same": functools.partial(max_pool, window=3, strides=2, padding="SAME"),
    "max 3x3, stride 1, same": functools.partial(max_pool, window=3, strides=1, padding="SAME"),
    "average 2x2": functools.partial(avg_pool, window=2),
    "average 3x3, stride 1, same": functools.partial(
        avg_pool, window=3, strides=1, padding="SAME", count_include_pad=False
    ),
    "average 3x3, stride 2, same": functools.partial(avg_pool, window=3, strides=2, padding="SAME"),
    "adaptive 3x2": functools.partial(adaptive_avg_pool, size=(3, 2)),
}


def operation_cases() -> list[Case]:
    """List the operations of `jaxcnn.ops`, with their gradients."""
    cases = []
    for name, (kernel, options) in _CONVOLUTIONS.items():
        channels = kernel[2] * options.get("groups", 1)
        function = with_gradients(functools.partial(conv2d, **options))
        inputs = (draws(0, 3, 14, 13, channels), draws(1, *kernel))
        cases.append(Case(f"operations: convolution {name}", function, inputs))
    mapped = with_gradients(jax.vmap(conv2d))
    members = (draws(0, 2, 3, 14, 13, 16), draws(1, 2, 3, 3, 16, 24))
    cases.append(Case("operations: convolution 3x3, vmap over kernels", mapped, members))
    for name, pool in _POOLINGS.items():
        images = (draws(2, 3, 14, 13, 16),)
        cases.append(Case(f"operations: pooling {name}", with_gradients(pool), images))
    for name in ("linear", "relu", "relu6", "hard_swish"):
        normalise = functools.partial(batch_norm, epsilon=1e-5, activation=ACTIVATIONS[name])
        arguments = (as_half(2 + draws(3, 6, 9, 8, 16)), draws(4, 16), draws(5, 16))
        cases.append(
            Case(f"operations: batch norm, {name}", _normalising(normalise), arguments, 1e-4, 0.02)
        )
    return cases


def _normalising(normalise: Callable[..., Any]) -> Callable[..., PyTree]:
    """As `with_gradients`, with scale and bias in float32 whatever the images are in."""

    def apply(dtype: Any, images: jax.Array, scale: jax.Array, bias: jax.Array) -> PyTree:
        cast = with_gradients(lambda x, *rest: normalise(x.astype(dtype), *rest))
        return cast(jnp.float32, images, scale, bias)

    return apply


def loss_cases() -> list[Case]:
    """List the losses, with their gradients by the logits; they compute in float32 throughout."""
    hard = np.arange(12, dtype=np.int32) % 5
    soft = np.asarray(jax.nn.softmax(draws(1, 12, 5), axis=1))
    weights = [1.0, 2.0, 0.5, 1.0, 3.0]
    given: dict[str, tuple[int, dict[str, Any], np.ndarray]] = {
        "softmax": (5, {}, hard),
        "softmax, smoothed": (5, {"label_smoothing": 0.1}, hard),
        "softmax, class weights": (5, {"class_weights": weights}, hard),
        "softmax, mixed labels": (5, {}, soft),
        "sigmoid": (2, {}, hard % 2),
        "sigmoid, smoothed": (2, {"label_smoothing": 0.1}, hard % 2),
    }
    cases = []
    for name, (classes, options, label) in given.items():
        head = name.partition(",")[0]
        loss_fn = losses.make_loss(head, num_classes=classes, **options)
        logits = 3 * draws(0, 12, 1 if head == "sigmoid" else classes)

        def function(
            dtype: Any, logits: jax.Array, label: np.ndarray = label, loss_fn: Any = loss_fn
        ) -> PyTree:
            return with_gradients(lambda x: loss_fn(x, label))(dtype, logits)

        cases.append(Case(f"losses: {name}", function, (logits,)))
    return cases


def metric_cases() -> list[Case]:
    """List the metrics that come from sums; the others are computed on the host alone."""
    label = np.arange(64, dtype=np.int32) % 7
    inputs = (2 * draws(0, 64, 7), label, label != 3, np.abs(draws(1, 64)))
    cases = []
    for name in list_metrics():
        metric = get_metric(name)
        if isinstance(metric, Metric):

            def function(dtype: Any, *parts: jax.Array, metric: Metric = metric) -> PyTree:
                return metric.sums(Outputs(*parts))

            cases.append(Case(f"metrics: {name}", function, inputs, half_tolerance=None))
    return cases

"""The evaluation step: a pure function, compiled once, from variables and a batch to answers."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import losses
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.losses import LossFn
from jaxcnn.metrics.metric import (
    ACCURACY,
    GatheredMetric,
    Metric,
    Outputs,
    batch_sums,
    metric_label,
)
from jaxcnn.models import head_of, logits_and_vectors
from jaxcnn.training.preprocessing import views
from jaxcnn.types import Batch, PyTree

Views = Callable[[Batch], list[jax.Array]]
# (variables, batch) -> sums, probabilities, and features where asked for
EvalStep = Callable[[PyTree, Batch], tuple[Any, ...]]
Predict = Callable[[PyTree, jax.Array], jax.Array]  # (variables, images) -> probabilities


def make_eval_step(
    model: nn.Module,
    loss_fn: LossFn,
    preprocessing: Preprocessing | None = Preprocessing(),
    *,
    metrics: Mapping[str, Metric | GatheredMetric] = {"accuracy": ACCURACY},
    with_features: bool = False,
) -> EvalStep:
    """Build the evaluation of one batch as a pure function; the caller compiles it.

    Args:
      model: a network of `jaxcnn.models`, or any Flax module called as `model(inputs, train=...)`;
        one without a `head` gives logits for softmax.
      loss_fn: (logits, label) to one loss per example.
      preprocessing: how images become what the network takes; the logits of its views are averaged.
        None for images that are so already.
      metrics: what is summed beside the loss, by name.
      with_features: give what the head saw too; for networks of `jaxcnn.models` alone.

    Returns:
      eval_step(variables, batch) to (sums, probabilities), and with them (B, D) float32 features if
      asked for, the mean over the views. Sums are those of each metric, by its
      name, and of "loss"; `jaxcnn.training.evaluate` adds them up over batches. Examples whose
      mask is False count nowhere; probabilities are (B, num_classes) float32 for every row, the
      padding's included.

    Example:
      >>> from jaxcnn.losses import make_loss
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 2), jnp.zeros((3, 32, 32, 1), jnp.uint8)
      >>> variables = model.init(jax.random.key(0), images.astype("float32"), train=False)
      >>> eval_step = jax.jit(make_eval_step(model, make_loss("softmax", num_classes=2)))
      >>> batch = Batch(images, jnp.array([0, 1, 0]), jnp.array([True, True, False]), jnp.arange(3))
      >>> sums, probabilities = eval_step(variables, batch)
      >>> int(sums["accuracy"]["count"]), probabilities.shape
      (2, (3, 2))
    """
    return make_eval_step_of_views(
        model, loss_fn, image_views(preprocessing), metrics=metrics, with_features=with_features
    )


def image_views(preprocessing: Preprocessing | None) -> Views:
    """Make the function from a batch of images to the inputs whose logits are averaged.

    Args:
      preprocessing: as `make_eval_step` takes.

    Returns:
      A function for `make_eval_step_of_views`.
    """
    if preprocessing is None:
        return lambda batch: [jnp.asarray(batch.image)]
    return lambda batch: views(jnp.asarray(batch.image), preprocessing)


def make_predict(model: nn.Module, preprocessing: Preprocessing = Preprocessing()) -> Predict:
    """Build the answer to images alone, as a pure function: what evaluation does, without labels.

    Args:
      model: as `make_eval_step` takes.
      preprocessing: likewise.

    Returns:
      predict(variables, images) to (B, num_classes) float32 probabilities; the images are
      (B, S, S, C) uint8, as `preprocessing.decoding` gives each.
    """

    def predict(variables: PyTree, images: jax.Array) -> jax.Array:
        (logits,) = mean_answer(_apply(model), variables, views(images, preprocessing))
        return losses.probabilities(logits, head_of(model))

    return predict


def make_eval_step_of_views(
    model: nn.Module,
    loss_fn: LossFn,
    views_of: Views,
    *,
    metrics: Mapping[str, Metric | GatheredMetric] = {"accuracy": ACCURACY},
    with_features: bool = False,
) -> EvalStep:
    """Build the evaluation for any kind of input; `make_eval_step` is the one for images.

    Args:
      model: a Flax module called as `model(inputs, train=False)`.
      loss_fn: (logits, label) to one loss per example.
      views_of: batch to a list of inputs of the module, whose logits are averaged.
      metrics: what is summed beside the loss, by name.
      with_features: as `make_eval_step` takes.

    Returns:
      eval_step(variables, batch) to (sums, probabilities), see `make_eval_step`.
    """
    apply: _Apply = _apply(model)
    if with_features:
        apply = functools.partial(logits_and_vectors, model)  # type: ignore[arg-type]

    def eval_step(variables: PyTree, batch: Batch) -> tuple[Any, ...]:
        logits, *features = mean_answer(apply, variables, views_of(batch))
        label = jnp.asarray(batch.label)
        outputs = Outputs(
            losses.class_logits(logits, head_of(model)),
            metric_label(label, head_of(model)),
            jnp.asarray(batch.mask),
            loss_fn(logits, label),
        )
        probabilities = losses.probabilities(logits, head_of(model))
        return (batch_sums(metrics, outputs), probabilities, *features)

    return eval_step


# (variables, one view of a batch) -> logits, and what else of it is averaged over the views
_Apply = Callable[[PyTree, jax.Array], tuple[jax.Array, ...]]


def _apply(model: nn.Module) -> _Apply:
    return lambda variables, view: (jnp.asarray(model.apply(variables, view, train=False)),)


def mean_answer(
    apply: _Apply, variables: PyTree, views: Sequence[jax.Array]
) -> tuple[jax.Array, ...]:
    """Average over the views of a batch what a network gives for each.

    Args:
      apply: (variables, one view) to logits, and what else is averaged.
      variables: of the network.
      views: of the batch, one or more.

    Returns:
      The means, in the order of what `apply` gives.
    """
    each = zip(*(apply(variables, view) for view in views), strict=True)
    return tuple(sum(of_views[1:], start=of_views[0]) / len(of_views) for of_views in each)

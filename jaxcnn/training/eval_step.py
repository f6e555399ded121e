"""The evaluation step: a pure function, compiled once, from variables and a batch to answers."""

from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import losses
from jaxcnn.augment import center_crop
from jaxcnn.losses import LossFn
from jaxcnn.metrics.metric import ACCURACY, GatheredMetric, Metric, Outputs, batch_sums
from jaxcnn.training.preprocessing import normalize, to_unit_interval
from jaxcnn.types import Array, Batch, PyTree, Sums

Views = Callable[[Batch], list[jax.Array]]
EvalStep = Callable[[PyTree, Batch], tuple[Sums, jax.Array]]
Predict = Callable[[PyTree, jax.Array], jax.Array]  # (variables, images) -> probabilities


def make_eval_step(
    model: nn.Module,
    loss_fn: LossFn,
    *,
    image_size_px: int,
    head: str = "softmax",
    flip_average: bool = False,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
    metrics: Mapping[str, Metric | GatheredMetric] = {"accuracy": ACCURACY},
) -> EvalStep:
    """Build the evaluation of one batch as a pure function; the caller compiles it.

    Args:
      model: a network of `jaxcnn.models`.
      loss_fn: (logits, label) to one loss per example.
      image_size_px: side of the centre crop that the network sees.
      head: "softmax" or "sigmoid", the network's kind of output.
      flip_average: average the logits of each image and of its mirror image.
      mean: of the pixels, see `normalize`.
      std: of the pixels, see `normalize`.

    Returns:
      eval_step(variables, batch) to (sums, probabilities), see `metrics.batch_sums`. Examples whose mask is False count
      nowhere; probabilities are (B, num_classes) float32 for every row, the padding's included.
    """
    views_of = _image_views(image_size_px, flip_average, mean, std)
    return make_eval_step_of_views(
        model, loss_fn, lambda batch: views_of(batch.image), head=head, metrics=metrics
    )


def make_predict(
    model: nn.Module,
    *,
    image_size_px: int,
    head: str = "softmax",
    flip_average: bool = False,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
) -> Predict:
    """Build the answer to images alone, as a pure function: what evaluation does, without labels.

    Args:
      model: a network of `jaxcnn.models`.
      image_size_px: side of the centre crop that the network sees.
      head: "softmax" or "sigmoid", the network's kind of output.
      flip_average: average the logits of each image and of its mirror image.
      mean: of the pixels, see `normalize`.
      std: of the pixels, see `normalize`.

    Returns:
      predict(variables, images) to (B, num_classes) float32 probabilities; the images are
      (B, S, S, C) uint8, S at least image_size_px.
    """
    views_of = _image_views(image_size_px, flip_average, mean, std)

    def predict(variables: PyTree, images: jax.Array) -> jax.Array:
        return losses.probabilities(_mean_logits(model, variables, views_of(images)), head)

    return predict


def make_eval_step_of_views(
    model: nn.Module,
    loss_fn: LossFn,
    views: Views,
    *,
    head: str = "softmax",
    metrics: Mapping[str, Metric | GatheredMetric] = {"accuracy": ACCURACY},
) -> EvalStep:
    """Build the evaluation for any kind of input; `make_eval_step` is the one for images.

    Args:
      model: a Flax module called as `model(inputs, train=False)`.
      loss_fn: (logits, label) to one loss per example.
      views: batch to a list of inputs of the module, whose logits are averaged.
      head: "softmax" or "sigmoid", the network's kind of output.
      metrics: what is summed beside the loss, by name.

    Returns:
      eval_step(variables, batch) to (sums, probabilities), see `make_eval_step`.
    """

    def eval_step(variables: PyTree, batch: Batch) -> tuple[Sums, jax.Array]:
        logits = _mean_logits(model, variables, views(batch))
        per_example = loss_fn(logits, jnp.asarray(batch.label))
        outputs = Outputs(
            losses.class_logits(logits, head),
            jnp.asarray(batch.label),
            jnp.asarray(batch.mask),
            per_example,
        )
        return batch_sums(metrics, outputs), losses.probabilities(logits, head)

    return eval_step


def _image_views(
    size_px: int, flip_average: bool, mean: float | Sequence[float], std: float | Sequence[float]
) -> Callable[[Array], list[jax.Array]]:
    """Make the network's inputs of images from the host: as they are, and mirrored if asked for."""

    def views(images: Array) -> list[jax.Array]:
        inputs = to_unit_interval(jnp.asarray(images))
        inputs = jax.vmap(lambda image: center_crop(image, size_px))(inputs)
        inputs = normalize(inputs, mean=mean, std=std)
        return [inputs, inputs[:, :, ::-1]] if flip_average else [inputs]

    return views


def _mean_logits(model: nn.Module, variables: PyTree, views: Sequence[jax.Array]) -> jax.Array:
    each = [jnp.asarray(model.apply(variables, x, train=False)) for x in views]
    return sum(each[1:], start=each[0]) / len(each)

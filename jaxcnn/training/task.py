"""What `fit` trains on what: data, network, loss and metrics, read and checked together."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.losses import LossFn
from jaxcnn.metrics.metric import ACCURACY, GatheredMetric, Metric, Outputs, metric_label
from jaxcnn.metrics.registry import DEFAULT_BEST, check_for_several_labels
from jaxcnn.models import head_of
from jaxcnn.training.eval_step import Views, image_views
from jaxcnn.training.functions import as_metrics, as_network
from jaxcnn.training.history import check_best, make_rank
from jaxcnn.training.inputs import Input
from jaxcnn.types import Batch

logger = logging.getLogger(__name__)

Metrics = Mapping[str, Metric | GatheredMetric]


class Task(NamedTuple):
    """What is trained on what.

    Attributes:
      train: the training data.
      validation: the validation data; None for none.
      batch: the shapes of a batch of training.
      inputs: shape and dtype of one input of the network, (1, ...).
      network: with the methods of a Flax module and a `head`.
      outputs: shape and dtype of its outputs, (1, K).
      loss: that training lowers.
      reported_loss: that the history reports.
      metrics: by name.
      best: which of them chooses the best epoch, see `history.make_rank`.
      scaling: how uint8 images are normalised; None for others.
      views: batch to a list of inputs whose logits evaluation averages.
      prepares_images: whether `fit` makes the inputs, and not functions of the caller.
    """

    train: Input
    validation: Input | None
    batch: Batch
    inputs: jax.ShapeDtypeStruct
    network: Any
    outputs: jax.ShapeDtypeStruct
    loss: LossFn
    reported_loss: LossFn
    metrics: Metrics
    best: str
    scaling: Preprocessing | None
    views: Views
    prepares_images: bool

    @property
    def batch_size(self) -> int:
        """Examples per step of one network."""
        return len(self.batch.mask)

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps of an epoch; None where batches end with each epoch."""
        return self.train.steps_per_epoch(self.batch_size)


def check_names(metrics: Metrics | Sequence[str] | None, best: str | None) -> None:
    """Raise for a wrong name of a metric, before data are read."""
    either = as_metrics(None) | as_metrics(None, several=True)
    make_rank(best or "-loss", either if metrics is None else as_metrics(metrics))


def choose_metrics(
    metrics: Metrics | Sequence[str] | None,
    best: str | None,
    *,
    several: bool = False,
    validates: bool = True,
) -> tuple[dict[str, Metric | GatheredMetric], str]:
    """Give the metrics by name, and which of them chooses the best epoch.

    Args:
      metrics: as `fit` takes.
      best: as `fit` takes.
      several: whether examples have several labels each.
      validates: whether there are validation data, which some metrics need.
    """
    chosen = as_metrics(metrics, several=several)
    if several:
        check_for_several_labels(chosen)
    if best is None:
        metric = chosen.get(default := DEFAULT_BEST[several])
        is_there = metric is not None and (validates or isinstance(metric, Metric))
        best = default if is_there else "-loss"
    make_rank(best, chosen)  # raises for a wrong name
    return chosen, best


def read_task(
    model: Any,
    train: Input,
    validation: Input | None,
    *,
    batch_size: int,
    loss: str | LossFn | None,
    reported_loss: LossFn | None,
    metrics: Metrics | Sequence[str] | None,
    best: str | None,
    preprocessing: Preprocessing | None,
    views: Views | None,
    prepares_images: bool,
    validates_alike: bool,
) -> Task:
    """Read and check what `fit` is to train, on opened data; the arguments are those of `fit`.

    Args:
      model: also the further arguments, as `fit` takes them.
      train: the training data.
      validation: the validation data.
      batch_size: ignored where batches have their own size.
      loss: of training.
      reported_loss: of the history.
      metrics: beside the loss.
      best: which chooses the best epoch.
      preprocessing: of uint8 images.
      views: of evaluation.
      prepares_images: whether `fit` makes the network's inputs.
      validates_alike: whether validation takes images of the size that training takes.

    Returns:
      The task.

    Raises:
      ValueError, TypeError: if an argument does not fit.
    """
    batch = train.shapes(batch_size)
    if prepares_images:
        check_images(batch, validation if validates_alike else None, preprocessing)
    scaling = (preprocessing or Preprocessing()) if batch.image.dtype == np.uint8 else None
    # Training data may be crops that have no room for the corners that evaluation looks at.
    middle = views or image_views(scaling and dataclasses.replace(scaling, views=()))
    inputs = jax.eval_shape(lambda batch: middle(batch)[0][:1], batch)
    views = views or image_views(scaling)
    network, loss_fn, logits = as_network(model, inputs, batch.label, loss)
    several = head_of(network) == "multi_label"
    metrics, best = choose_metrics(metrics, best, several=several, validates=validation is not None)
    check_loss(reported_loss or loss_fn, logits, batch.label, metrics)
    check_choice(best, metrics, network, logits, batch.label, validation)
    check_labels(train, network, logits)
    if validation is not None:
        check_labels(validation, network, logits)
    return Task(
        *(train, validation, batch, inputs, network, logits, loss_fn, reported_loss or loss_fn),
        *(metrics, best, scaling, views, prepares_images),
    )


def check_images(
    batch: Batch, validation: Input | None, preprocessing: Preprocessing | None
) -> None:
    """Raise for images that cannot be prepared, or that differ between training and validation."""
    image = batch.image
    if image.dtype != np.uint8 and not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"images must be uint8 or floating point, got {image.dtype}.")
    if image.dtype == np.uint8 and len(image.shape) != 4:
        raise ValueError(f"uint8 images must be (N, H, W, C), got the shape {image.shape}.")
    if image.dtype != np.uint8 and preprocessing is not None:
        raise ValueError(
            f"preprocessing is for uint8 images, which it normalises; these are {image.dtype}, and "
            "are taken as they are: leave it out."
        )
    if validation is None:
        return
    other = validation.shapes(len(batch.mask)).image
    if (other.dtype, other.shape[1:]) != (image.dtype, image.shape[1:]):
        raise ValueError(
            f"validation has images of {other.dtype} {other.shape[1:]}, training of {image.dtype} "
            f"{image.shape[1:]}; both must be alike."
        )


def check_loss(loss_fn: LossFn, logits: jax.ShapeDtypeStruct, label: Any, metrics: Metrics) -> None:
    """Raise unless the loss is one per example and labels are integers, if accuracy is measured."""
    if ACCURACY in metrics.values() and label.ndim == 1 and label.dtype != np.int32:
        raise ValueError(
            f"accuracy needs labels that are classes, got {label.dtype}; give metrics={{}} or your "
            "own."
        )
    one_label = jax.ShapeDtypeStruct((1, *label.shape[1:]), label.dtype)
    shape = jax.eval_shape(loss_fn, logits, one_label).shape
    if shape != (1,):
        raise ValueError(
            f"loss must give one loss per example, (B,); for a batch of 1 it gave {shape}."
        )


def check_choice(
    best: str,
    metrics: Metrics,
    network: Any,
    logits: jax.ShapeDtypeStruct,
    label: Any,
    validation: Input | None,
) -> None:
    """Raise for a metric that cannot choose the best epoch."""
    if validation is None and isinstance(metrics.get(best.removeprefix("-")), GatheredMetric):
        raise ValueError(f"best={best} needs validation data, and there are none.")
    width = (2,) if head_of(network) == "sigmoid" else logits.shape[1:]
    found = jax.eval_shape(
        lambda label: metric_label(label, head_of(network)),
        jax.ShapeDtypeStruct((1, *label.shape[1:]), label.dtype),
    )
    parts = {
        "logits": ((1, *width), np.float32),
        "label": (found.shape, found.dtype),
        "mask": ((1,), bool),
        "loss": ((1,), np.float32),
    }
    outputs: Any = {name: jax.ShapeDtypeStruct(*part) for name, part in parts.items()}
    check_best(best, metrics, Outputs(**outputs))


def check_labels(data: Input, network: Any, logits: jax.ShapeDtypeStruct) -> None:
    """Raise for classes that the network has no logit for, where they are known beforehand."""
    labels = getattr(getattr(data, "split", None), "labels", np.zeros(0))
    if head_of(network) == "multi_label":
        check_sets(labels, logits.shape[1])
        return
    if labels.ndim != 1 or labels.dtype.kind != "i" or head_of(network) is None or not len(labels):
        return
    num_classes = logits.shape[1] if head_of(network) == "softmax" else 2
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels must be classes from 0 to {num_classes - 1}, one for each output of the "
            f"network; got {labels.min()} to {labels.max()}."
        )


def check_sets(labels: np.ndarray, num_classes: int) -> None:
    """Raise for labels that are not 0 or 1 for each class; warn of one class each, as one-hot."""
    if not len(labels):
        return
    if labels.ndim != 2 or labels.shape[1] != num_classes:
        raise ValueError(
            f"several labels per example must be (N, {num_classes}), 0 or 1 for each output of the "
            f"network; got the shape {labels.shape}."
        )
    if not ((labels >= 0) & (labels <= 1)).all():
        raise ValueError(
            f"several labels per example must be 0 or 1, got {labels.min()} to {labels.max()}."
        )
    if (labels.sum(axis=1) == 1).all():
        logger.warning(
            "each example has exactly one label: if one alone can apply, give class indices (N,) "
            "rather than a table, so that probabilities sum to 1"
        )

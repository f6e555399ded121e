"""From settings to the parts of a run: the network, the optimizer, the loss, the augmentation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.config import MODEL_OPTIONS, TrainConfig
from jaxcnn.models import create_model
from jaxcnn.train import Augment, EvalStep, LossFn, make_eval_step


class Parts(NamedTuple):
    """What a training step is made of."""

    model: nn.Module
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    loss_fn: LossFn  # to train by: smoothed and weighted as the settings say
    plain_loss_fn: LossFn  # to report: cross-entropy as it is
    augment: Augment


def build_model(config: TrainConfig, num_classes: int) -> nn.Module:
    """Create the network that the settings name.

    Args:
      config: complete settings, as `config.resolve` gives.
      num_classes: number of classes.

    Returns:
      A Flax module, whose variables are not yet made.

    Raises:
      ValueError: if the network or an option is unknown, or does not fit the image size.
    """
    options: dict[str, Any] = {
        name: getattr(config, name) for name in MODEL_OPTIONS if getattr(config, name) is not None
    }
    model = create_model(
        config.model,
        num_classes,
        head=config.head,
        dtype=jnp.dtype(config.compute_dtype),
        **options,
    )
    size, channels = config.image_size_px, config.num_channels
    images = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    # Traces without computing, so that a size that does not fit is said before data is read.
    jax.eval_shape(lambda key, x: model.init(key, x, train=False), jax.random.key(0), images)
    return model


def build_parts(config: TrainConfig, *, class_counts: Sequence[int], steps_per_epoch: int) -> Parts:
    """Create everything that a training step is made of.

    Args:
      config: complete settings, as `config.resolve` gives.
      class_counts: number of training examples of each class.
      steps_per_epoch: updates an epoch.

    Returns:
      The parts; nothing is compiled yet.

    Raises:
      ValueError: if a name is unknown or a value does not fit.
    """
    total_steps = config.num_epochs * steps_per_epoch
    warmup_steps = None
    if config.warmup_epochs is not None:  # a short run may end within its warm-up
        warmup_steps = min(round(config.warmup_epochs * steps_per_epoch), total_steps - 1)
    schedule = optim.make_schedule(
        config.schedule,
        learning_rate=config.learning_rate,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
    )
    optimizer = optim.make_optimizer(
        config.optimizer,
        schedule,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        gradient_clip_norm=config.gradient_clip_norm,
    )
    loss_fn = losses.make_loss(
        config.head,
        num_classes=len(class_counts),
        label_smoothing=config.label_smoothing,
        class_weights=parse_class_weights(config.class_weights, class_counts),
    )
    augment = make_augment(config.augment, image_size_px=config.image_size_px)
    plain_loss_fn = losses.make_loss(config.head, num_classes=len(class_counts))
    model = build_model(config, len(class_counts))
    return Parts(model, optimizer, schedule, loss_fn, plain_loss_fn, augment)


def build_eval_step(config: TrainConfig, model: nn.Module, num_classes: int) -> EvalStep:
    """Create the evaluation step; its loss is plain cross-entropy, without smoothing or weights.

    Args:
      config: complete settings.
      model: the network, as `build_model` gives.
      num_classes: number of classes.

    Returns:
      A pure function, to be compiled by the caller.
    """
    return make_eval_step(
        model,
        losses.make_loss(config.head, num_classes=num_classes),
        image_size_px=config.image_size_px,
        head=config.head,
        flip_average=config.flip_average,
    )


def parse_class_weights(text: str, class_counts: Sequence[int]) -> np.ndarray | None:
    """Turn the setting `class_weights` into a weight a class.

    Args:
      text: "none", "balanced", or one number a class, comma-separated.
      class_counts: number of training examples of each class.

    Returns:
      (K,) float32, or None for "none".

    Raises:
      ValueError: if the text is none of these or has another number of weights.

    Example:
      >>> parse_class_weights("1, 3", [30, 10])
      array([1., 3.], dtype=float32)
    """
    if text == "none":
        return None
    if text == "balanced":
        return losses.class_weights_from_counts(class_counts)
    try:
        weights = np.array([float(part) for part in text.split(",")], np.float32)
    except ValueError:
        raise ValueError(
            f"class_weights must be none, balanced, or {len(class_counts)} numbers separated by "
            f"commas, got {text!r}."
        ) from None
    if len(weights) != len(class_counts) or not (weights > 0).all():
        raise ValueError(
            f"class_weights must be {len(class_counts)} numbers above 0, one for each class, got "
            f"{text!r}."
        )
    return weights

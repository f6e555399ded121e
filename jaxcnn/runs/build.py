"""From settings to the parts of a run: the network, the optimizer, the loss, the augmentation."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import losses
from jaxcnn.augment import make_augment
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.data.image_size import size_text
from jaxcnn.losses import LossFn
from jaxcnn.metrics.metric import GatheredMetric, Metric, Outputs, batch_sums
from jaxcnn.metrics.registry import (
    DEFAULT_BEST,
    DEFAULT_METRICS,
    check_for_several_labels,
    get_metric,
    parse_metrics,
)
from jaxcnn.models import HEAD, StagedNetwork, create_model, stage_names
from jaxcnn.ops.precision import fastest_dtype
from jaxcnn.optim.differential_privacy import Privacy
from jaxcnn.runs.build_optimizer import build_optimizer
from jaxcnn.runs.config import MODEL_OPTIONS, TrainConfig
from jaxcnn.runs.config.checks import count_frozen
from jaxcnn.runs.model_options import check_kinds, parse_options
from jaxcnn.runs.phases import Phase
from jaxcnn.training.eval_step import EvalStep, make_eval_step
from jaxcnn.training.history import check_best
from jaxcnn.training.progressive_resizing import parse_shares, resized_shape
from jaxcnn.types import PyTree


class Parts(NamedTuple):
    """What a training step is made of."""

    model: StagedNetwork
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    loss_fn: LossFn  # to train by: smoothed and weighted as the settings say
    options: dict[str, Any]  # those of `make_train_step`, which `fit` has too


def settle_dtype(config: TrainConfig) -> TrainConfig:
    """Replace `compute_dtype` auto by what is fastest on this machine, float32 or bfloat16.

    L-BFGS has float32: its line search compares losses that bfloat16 would round to one number.
    """
    if config.network.compute_dtype != "auto":
        return config
    is_exact = config.training.optimizer == "lbfgs"
    return config.replace(compute_dtype="float32" if is_exact else fastest_dtype().dtype)


def build_model(config: TrainConfig, num_classes: int, *, freeze: str = "none") -> StagedNetwork:
    """Create the network that the settings name.

    Args:
      config: complete settings, as `config.resolve` gives.
      num_classes: number of classes.
      freeze: which of its stages are frozen, as the setting of that name says.

    Returns:
      A Flax module, whose variables are not yet made.

    Raises:
      ValueError: if the network or an option is unknown, or does not fit the image size.
    """
    config = settle_dtype(config)
    options: dict[str, Any] = {
        name: value
        for name in MODEL_OPTIONS
        if (value := getattr(config.network, name)) is not None
    }
    further = parse_options(config.network.model_options or "")
    check_kinds(config.network.model, further)
    options |= further
    model = create_model(
        config.network.model,
        num_classes,
        head=config.head,
        dtype=jnp.dtype(config.network.compute_dtype),
        **options,
    )
    # Traces without computing, so that a size that does not fit is said before data is read.
    _check_sizes(config, model)
    num_stages = len(stage_names(model, config.preprocessing.image_shape))
    return model.clone(frozen_stages=count_frozen(freeze, num_stages))


def variable_shapes(
    config: TrainConfig, model: nn.Module, image_shape: tuple[int, ...] | None = None
) -> PyTree:
    """Give the shapes of a network's variables, without computing any.

    Args:
      config: complete settings.
      model: as `build_model` gives.
      image_shape: (H, W, C) of its images; None for that in evaluation.

    Returns:
      {"params": ..., "batch_stats": ...} of `jax.ShapeDtypeStruct`.
    """
    image_shape = image_shape or config.preprocessing.image_shape
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    return {"params": shapes["params"], "batch_stats": shapes.get("batch_stats", {})}


def _check_sizes(config: TrainConfig, model: nn.Module) -> None:
    """Refuse sizes of images that the network cannot take, in training or in evaluation."""
    data, smaller = config.data, parse_shares(config.training.progressive_resizing or "")
    shape = config.training_preprocessing.image_shape
    trained = variable_shapes(config, model, shape)
    others: list[tuple[str, str, tuple[int, ...]]] = [
        ("progressive_resizing", str(s), resized_shape((1, *shape), s)[1:]) for s in smaller
    ]
    if data.eval_size_px:
        size_px, whole = size_text(data.eval_size_px), config.preprocessing.image_shape
        others.insert(0, ("eval_size_px", size_px, whole))
    for name, size_px, seen_shape in others:
        try:
            seen = variable_shapes(config, model, seen_shape)
        except ValueError as error:
            raise ValueError(f"{name} (={size_px}) does not fit the network: {error}") from error
        if seen != trained:
            raise ValueError(
                f"{config.network.model} has weights for each pixel of an image, so {name} "
                f"(={size_px}) must be image_size_px (={size_text(data.image_size_px)}); "
                "leave it out, or give global_pooling=average where the network has that."
            )


def build_parts(
    config: TrainConfig,
    phase: Phase,
    *,
    class_counts: Sequence[int],
    num_examples: int | None = None,
    steps_per_epoch: int,
    injected: Collection[str] = (),
) -> Parts:
    """Create everything that a training step is made of.

    Args:
      config: complete settings, as `config.resolve` gives.
      phase: one of `phases.plan_phases`.
      class_counts: number of training examples of each class.
      num_examples: training examples in all; None where each has one label, and so counts once.
      steps_per_epoch: updates per epoch.
      injected: hyper-parameters that are to be arrays in the optimizer's state, see
        `optim.make_optimizer`.

    Returns:
      The parts; nothing is compiled yet.

    Raises:
      ValueError: if a name is unknown or a value does not fit.
    """
    model = build_model(config, len(class_counts), freeze=phase.freeze)
    names = stage_names(model, config.preprocessing.image_shape)
    schedule, optimizer = build_optimizer(
        config,
        phase,
        layers=[*names, HEAD],
        params=variable_shapes(config, model)["params"],
        steps_per_epoch=steps_per_epoch,
        injected=injected,
    )
    training = config.training
    loss_fn = losses.make_loss(
        config.head,
        num_classes=len(class_counts),
        label_smoothing=config.training.label_smoothing,
        class_weights=parse_class_weights(
            config.training.class_weights,
            class_counts,
            num_examples if config.has_several_labels else None,
        ),
        loss=config.training.loss,
        target_threshold=config.training.target_threshold,
    )
    num_classes = len(class_counts)
    mixing = None
    if training.mixup or training.cutmix:
        alphas = {"mixup_alpha": training.mixup, "cutmix_alpha": training.cutmix}
        mixing = make_mixing(num_classes=num_classes, **alphas)
    frozen = names[: model.frozen_stages]
    options = {
        "augment": make_augment(training.augment, image_size_px=config.data.image_size_px),
        "mixing": mixing,
        "preprocessing": config.training_preprocessing,
        "ema_decay": training.ema_decay or None,
        # To report: cross-entropy as it is, as evaluation does.
        "reported_loss": losses.make_loss(config.head, num_classes=num_classes),
        "frozen": frozen,
        "accumulate_steps": training.accumulate_steps,
        "rematerialize": training.rematerialize,
        "private": _privacy(config, model, frozen),
    }
    return Parts(model, optimizer, schedule, loss_fn, options)


def _privacy(config: TrainConfig, model: StagedNetwork, frozen: tuple[str, ...]) -> Privacy | None:
    if not config.training.dp_clip_norm:
        return None
    collecting = set(variable_shapes(config, model)["batch_stats"]) - set(frozen)
    if collecting and not model.freeze_batch_norm:
        raise ValueError(
            "dp_clip_norm needs gradients of single photos, but BatchNorm mixes those of a batch: "
            "train the last layer alone (pretrained=True), or give freeze_batch_norm=True with "
            "weights to start from, or batch_norm=False where the network has that."
        )
    return Privacy(config.training.dp_clip_norm, config.training.dp_noise_multiplier or 0.0)


def build_metrics(config: TrainConfig) -> dict[str, Metric | GatheredMetric]:
    """Create the metrics that a run measures beside the loss: accuracy, and those asked for.

    With several labels per photo others stand for accuracy, see `registry.DEFAULT_METRICS`.

    Args:
      config: complete settings.

    Returns:
      Metrics by name.

    Raises:
      ValueError: if a name is unknown, or `best_metric` is none of them.
    """
    several = config.has_several_labels
    found = {name: get_metric(name) for name in DEFAULT_METRICS[several]}
    if config.training.metrics:
        found |= parse_metrics(config.training.metrics)
    best_metric = config.training.best_metric or DEFAULT_BEST[several]
    best = best_metric.removeprefix("-")
    if best not in (*found, "loss"):  # it need not be asked for twice
        found[best] = get_metric(best)
    if several:
        check_for_several_labels(found)
    outputs = _one_example(config, 1000) if several else None
    check_best(best_metric, found, outputs, argument="best_metric")
    return found


def check_metrics(config: TrainConfig, num_classes: int) -> None:
    """Check the metrics of a run on the shapes of one example, computing nothing.

    Raises:
      ValueError: if one does not fit the number of classes.
    """
    outputs = _one_example(config, num_classes)
    jax.eval_shape(lambda outputs: batch_sums(build_metrics(config), outputs), outputs)


def _one_example(config: TrainConfig, num_classes: int) -> Outputs:
    """Give the shapes of a network's outputs for one example."""
    label = (1, num_classes) if config.has_several_labels else (1,)
    shapes = ((1, num_classes), np.float32), (label, np.int32), ((1,), bool), ((1,), np.float32)
    parts: Any = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    return Outputs(*parts)


def build_eval_step(
    config: TrainConfig, model: nn.Module, num_classes: int, metrics: Mapping[str, Any]
) -> EvalStep:
    """Create the evaluation step, which gives features too.

    Its loss is plain cross-entropy, without smoothing or weights.

    Args:
      config: complete settings.
      model: the network, as `build_model` gives.
      num_classes: number of classes.
      metrics: as `build_metrics` gives.

    Returns:
      A pure function, to be compiled by the caller.
    """
    loss_fn = losses.make_loss(config.head, num_classes=num_classes)
    return make_eval_step(model, loss_fn, config.preprocessing, metrics=metrics, with_features=True)


def parse_class_weights(
    text: str, class_counts: Sequence[int], num_examples: int | None = None
) -> np.ndarray | None:
    """Turn the setting `class_weights` into a weight per class.

    Args:
      text: "none", "balanced", or one number per class, comma-separated.
      class_counts: number of training examples of each class.
      num_examples: training examples in all, where each may have several labels; None where each
        has one.

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
    if text == "balanced" and num_examples is not None:
        return losses.positive_weights_from_counts(class_counts, num_examples)
    if text == "balanced":
        return losses.class_weights_from_counts(class_counts)
    try:
        weights = np.array([float(part) for part in text.split(",")], np.float32)
    except ValueError:
        weights = np.zeros(0, np.float32)
    if len(weights) != len(class_counts) or not (weights > 0).all():
        raise ValueError(
            f"class_weights must be none, balanced, or {len(class_counts)} numbers above 0, "
            f"separated by commas, one for each class; got {text!r}."
        )
    return weights

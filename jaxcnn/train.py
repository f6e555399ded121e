"""The training and evaluation steps: pure functions, compiled once, state in and state out."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxcnn import losses, metrics, optim
from jaxcnn.augment import augment_batch, center_crop
from jaxcnn.types import Batch, Metrics, PyTree, TrainState

LossFn = Callable[[jax.Array, jax.Array], jax.Array]  # (logits, label) -> (B,) nats
Augment = Callable[[jax.Array, jax.Array], jax.Array]  # (key, image) -> image
TrainStep = Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Metrics]]
EvalStep = Callable[[PyTree, Batch], tuple[Metrics, jax.Array]]


def to_unit_interval(images: jax.Array) -> jax.Array:
    """Turn pixels from the host into the floats that augmentations take.

    Args:
      images: (..., H, W, C) uint8.

    Returns:
      The same shape, float32 in [0, 1].

    Raises:
      TypeError: if `images` is not uint8; floats would be scaled twice.

    Example:
      >>> float(to_unit_interval(jnp.full((1, 1, 1, 3), 255, jnp.uint8)).max())
      1.0
    """
    if images.dtype != jnp.uint8:
        raise TypeError(f"images must be uint8 from the host, got {images.dtype}.")
    return images.astype(jnp.float32) / 255.0


def normalize(images: jax.Array, *, mean: float = 0.5, std: float = 0.25) -> jax.Array:
    """Centre and scale pixels, `(images - mean) / std`, to what networks take.

    Args:
      images: (..., H, W, C) float32 in [0, 1].
      mean: the value that becomes 0. One half is close to the mean of natural photos.
      std: the spread that becomes 1.

    Returns:
      The same shape, float32; with the defaults in [-2, 2].
    """
    return (images - mean) / std


def init_state(
    key: jax.Array,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    *,
    with_ema: bool = False,
) -> TrainState:
    """Draw the first parameters and make the state that training starts from.

    Args:
      key: a PRNG key; the same key gives the same parameters.
      model: a network of `jaxcnn.models`.
      optimizer: an Optax gradient transformation.
      image_shape: (H, W, C) of the images that the network will see.
      with_ema: keep a moving average of parameters and batch statistics.

    Returns:
      A TrainState at step 0.
    """
    images = jnp.zeros((1, *image_shape), jnp.float32)
    variables = jax.jit(lambda key: model.init(key, images, train=False))(key)
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=batch_stats,
        opt_state=optimizer.init(params),
        # Copies, since a donated buffer must not stand in the state twice.
        ema_params=jax.tree.map(jnp.copy, params) if with_ema else {},
        ema_batch_stats=jax.tree.map(jnp.copy, batch_stats) if with_ema else {},
    )


def evaluation_variables(state: TrainState) -> PyTree:
    """Choose the variables to evaluate with: the moving average where one is kept.

    Args:
      state: the state of a run.

    Returns:
      {"params": ..., "batch_stats": ...} as Flax's `apply` takes them.
    """
    if state.ema_params:
        return {"params": state.ema_params, "batch_stats": state.ema_batch_stats}
    return {"params": state.params, "batch_stats": state.batch_stats}


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss_fn: LossFn,
    augment: Augment,
    *,
    head: str = "softmax",
    ema_decay: float | None = None,
    reported_loss_fn: LossFn | None = None,
) -> TrainStep:
    """Build one update of the parameters as a pure function; the caller compiles it.

    Args:
      model: a network of `jaxcnn.models`.
      optimizer: an Optax gradient transformation.
      loss_fn: (logits, label) to one loss an example, as `losses.make_loss` makes.
      augment: (key, image) to image, as `augment.make_augment` makes.
      head: "softmax" or "sigmoid", the network's kind of output.
      ema_decay: decay of the moving average for each step, in [0, 1); None keeps none.
      reported_loss_fn: the loss that the metrics add up; None takes `loss_fn`. Give the loss that
        evaluation uses where training smooths or weights its own, so that the two compare.

    Returns:
      train_step(state, batch, key) to (state, metrics). Give it the same run key each step: inside,
      the step's number is folded in, so a resumed run repeats every draw. Compile it with
      `jax.jit(train_step, donate_argnums=0)`.
    """

    def forward(params: PyTree, state: TrainState, images: jax.Array, key: jax.Array) -> Any:
        return model.apply(
            {"params": params, "batch_stats": state.batch_stats},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )

    def train_step(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        augment_key, dropout_key = jax.random.split(jax.random.fold_in(key, state.step))
        images = to_unit_interval(jnp.asarray(batch.image))
        images = normalize(augment_batch(augment, augment_key, images, jnp.asarray(batch.index)))

        def objective(params: PyTree) -> tuple[jax.Array, Any]:
            logits, updated = forward(params, state, images, dropout_key)
            per_example = loss_fn(logits, jnp.asarray(batch.label))
            return losses.mean_loss(per_example, batch.mask), (logits, updated)

        gradients, (logits, updated) = jax.grad(objective, has_aux=True)(state.params)
        new_state = _updated_state(
            state, gradients, updated.get("batch_stats", {}), optimizer, ema_decay
        )
        predicted = losses.predict_class(logits, head)
        per_example = (reported_loss_fn or loss_fn)(logits, jnp.asarray(batch.label))
        return new_state, metrics.batch_metrics(per_example, predicted, batch.label, batch.mask)

    return train_step


def _updated_state(
    state: TrainState,
    gradients: PyTree,
    batch_stats: PyTree,
    optimizer: optax.GradientTransformation,
    ema_decay: float | None,
) -> TrainState:
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema_params, ema_batch_stats = state.ema_params, state.ema_batch_stats
    if ema_decay is not None:
        ema_params, ema_batch_stats = optim.ema_update(
            (ema_params, ema_batch_stats), (params, batch_stats), decay=ema_decay, step=state.step
        )
    return TrainState(state.step + 1, params, batch_stats, opt_state, ema_params, ema_batch_stats)


def make_eval_step(
    model: nn.Module,
    loss_fn: LossFn,
    *,
    image_size_px: int,
    head: str = "softmax",
    flip_average: bool = False,
) -> EvalStep:
    """Build the evaluation of one batch as a pure function; the caller compiles it.

    Args:
      model: a network of `jaxcnn.models`.
      loss_fn: (logits, label) to one loss an example.
      image_size_px: side of the centre crop that the network sees.
      head: "softmax" or "sigmoid", the network's kind of output.
      flip_average: average the logits of each image and of its mirror image.

    Returns:
      eval_step(variables, batch) to (metrics, probabilities). Examples whose mask is False count
      nowhere; probabilities are (B, num_classes) float32 for every row, the padding's included.
    """

    def eval_step(variables: PyTree, batch: Batch) -> tuple[Metrics, jax.Array]:
        images = to_unit_interval(jnp.asarray(batch.image))
        images = normalize(jax.vmap(lambda image: center_crop(image, image_size_px))(images))
        logits = jnp.asarray(model.apply(variables, images, train=False))
        if flip_average:
            mirrored = jnp.asarray(model.apply(variables, images[:, :, ::-1], train=False))
            logits = (logits + mirrored) / 2
        predicted = losses.predict_class(logits, head)
        per_example = loss_fn(logits, jnp.asarray(batch.label))
        counted = metrics.batch_metrics(per_example, predicted, batch.label, batch.mask)
        return counted, losses.probabilities(logits, head)

    return eval_step

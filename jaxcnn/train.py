"""The training and evaluation steps: pure functions, compiled once, state in and state out."""

import functools
from collections.abc import Callable, Container, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxcnn import losses, metrics, optim, privacy
from jaxcnn.accumulation import accumulate_gradients
from jaxcnn.augment import augment_batch, center_crop
from jaxcnn.mixing import Mixing
from jaxcnn.models import STAGE_OUTPUT
from jaxcnn.types import Array, Batch, Metrics, PyTree, TrainState

LossFn = Callable[[jax.Array, jax.Array], jax.Array]  # (logits, label) -> (B,) nats
Augment = Callable[[jax.Array, jax.Array], jax.Array]  # (key, image) -> image
# (batch, key) -> the network's input, and the label to train by
Prepare = Callable[[Batch, jax.Array], tuple[jax.Array, jax.Array]]
Views = Callable[[Batch], list[jax.Array]]
TrainStep = Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Metrics]]
EvalStep = Callable[[PyTree, Batch], tuple[Metrics, jax.Array]]
Predict = Callable[[PyTree, jax.Array], jax.Array]  # (variables, images) -> probabilities


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


def normalize(
    images: jax.Array,
    *,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
) -> jax.Array:
    """Centre and scale pixels, `(images - mean) / std`, to what networks take.

    Args:
      images: (..., H, W, C) float32 in [0, 1].
      mean: the value that becomes 0, of all channels or of each. One half is close to the mean of
        natural photos.
      std: the spread that becomes 1, likewise.

    Returns:
      The same shape, float32; with the defaults in [-2, 2].

    Example:
      >>> normalize(jnp.full((1, 1, 3), 0.5), mean=(0.5, 0.4, 0.3), std=(0.1, 0.1, 0.1)).tolist()
      [[[0.0, 0.99..., 1.99...]]]
    """
    channels = (1,) * (images.ndim - 1) + (-1,)
    centre, spread = (jnp.asarray(v, jnp.float32).reshape(channels) for v in (mean, std))
    return (images - centre) / spread


def init_state(
    key: jax.Array,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    *,
    frozen: Container[str] = (),
    with_ema: bool = False,
) -> TrainState:
    """Draw the first parameters and make the state that training starts from.

    Args:
      key: a PRNG key; the same key gives the same parameters.
      model: a network of `jaxcnn.models`.
      optimizer: an Optax gradient transformation.
      image_shape: (H, W, C) of the images that the network will see.
      frozen: names at the top of the parameters that stay as they are; the optimizer keeps nothing
        of them.
      with_ema: keep a moving average of parameters and batch statistics.

    Returns:
      A TrainState at step 0.
    """
    images = jnp.zeros((1, *image_shape), jnp.float32)
    variables = jax.jit(lambda key: model.init(key, images, train=False))(key)
    return start_state(variables, optimizer, frozen=frozen, with_ema=with_ema)


def start_state(
    variables: PyTree,
    optimizer: optax.GradientTransformation,
    *,
    frozen: Container[str] = (),
    with_ema: bool = False,
    step: int = 0,
) -> TrainState:
    """Make the state that training starts from of given variables.

    Args:
      variables: {"params": ..., "batch_stats": ...}.
      optimizer: an Optax gradient transformation.
      frozen: as for `init_state`.
      with_ema: as for `init_state`.
      step: number of updates already made, by which random draws are told apart.

    Returns:
      A TrainState.
    """
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats=batch_stats,
        opt_state=optimizer.init(_without(params, frozen)),
        # Copies, since a donated buffer must not stand in the state twice.
        ema_params=jax.tree.map(jnp.copy, params) if with_ema else {},
        ema_batch_stats=jax.tree.map(jnp.copy, batch_stats) if with_ema else {},
    )


def _without(tree: PyTree, names: Container[str]) -> PyTree:
    """Leave out the branches of those names at the top of a tree."""
    return {name: branch for name, branch in tree.items() if name not in names}


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
    mixing: Mixing | None = None,
    head: str = "softmax",
    ema_decay: float | None = None,
    reported_loss_fn: LossFn | None = None,
    frozen: Container[str] = (),
    num_parts: int = 1,
    rematerialize: bool = False,
    private: privacy.Privacy | None = None,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
) -> TrainStep:
    """Build one update of the parameters as a pure function; the caller compiles it.

    Args:
      model: a network of `jaxcnn.models`.
      optimizer: an Optax gradient transformation.
      loss_fn: (logits, label) to one loss an example, as `losses.make_loss` makes.
      augment: (key, image) to image, as `augment.make_augment` makes.
      mixing: (key, batch) to a batch of mixed examples, as `mixing.make_mixing` makes, after the
        augmentation; None mixes none. The parameters learn the mixed labels; the metrics compare
        the answer to a mixed image with the example's own label, so they are worse than those of
        evaluation.
      head: "softmax" or "sigmoid", the network's kind of output.
      ema_decay: decay of the moving average for each step, in [0, 1); None keeps none.
      reported_loss_fn: the loss that the metrics add up; None takes `loss_fn`. Give the loss that
        evaluation uses where training smooths or weights its own, so that the two compare.
      frozen: names at the top of the parameters that stay as they are: no gradient of them is
        computed. The network should be told too (`frozen_stages`), for its BatchNorm and dropout.
      num_parts: compute the gradient of so many parts of the batch, one after the other, and add
        them up, see `accumulation.accumulate_gradients`.
      rematerialize: keep what comes out of each stage alone, and compute the rest again in the
        backward pass: about a third more work, for memory that grows with the largest stage.
      private: clip the gradient of each example and add noise, see `jaxcnn.privacy`; None does not.
        No BatchNorm may collect statistics then, for they tell of the examples what noise hides.
      mean: of the pixels, see `normalize`.
      std: of the pixels, see `normalize`.

    Returns:
      train_step(state, batch, key) to (state, metrics). Give it the same run key each step: inside,
      the step's number is folded in, so a resumed run repeats every draw. Compile it with
      `jax.jit(train_step, donate_argnums=0)`. Logits that the network sows into the collection
      "auxiliary" are trained too: the mean loss of each counts `model.auxiliary_weight` times.
    """

    def prepare(batch: Batch, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        augment_key, mixing_key = (key, key) if mixing is None else jax.random.split(key)
        images = to_unit_interval(jnp.asarray(batch.image))
        images = augment_batch(augment, augment_key, images, jnp.asarray(batch.index))
        batch = batch._replace(image=images)
        if mixing is not None:
            batch = mixing(mixing_key, batch)
        return normalize(jnp.asarray(batch.image), mean=mean, std=std), jnp.asarray(batch.label)

    return make_step(
        model,
        optimizer,
        loss_fn,
        prepare,
        head=head,
        ema_decay=ema_decay,
        reported_loss_fn=reported_loss_fn,
        frozen=frozen,
        num_parts=num_parts,
        rematerialize=rematerialize,
        private=private,
    )


def make_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss_fn: LossFn,
    prepare: Prepare,
    *,
    head: str = "softmax",
    ema_decay: float | None = None,
    reported_loss_fn: LossFn | None = None,
    frozen: Container[str] = (),
    num_parts: int = 1,
    rematerialize: bool = False,
    private: privacy.Privacy | None = None,
) -> TrainStep:
    """Build one update for any kind of input; `make_train_step` is the one for images.

    Args:
      model: a Flax module called as `model(inputs, train=...)`.
      optimizer: as for `make_train_step`.
      loss_fn: as for `make_train_step`.
      prepare: (batch, key) to what the module takes and the label to train by, which is
        `batch.label` where nothing changes it; random draws are folded by example index.
      head: as for `make_train_step`.
      ema_decay: as for `make_train_step`.
      reported_loss_fn: as for `make_train_step`.
      frozen: as for `make_train_step`.
      num_parts: as for `make_train_step`.
      rematerialize: as for `make_train_step`.
      private: as for `make_train_step`.

    Returns:
      As `make_train_step`.
    """
    saved = jax.checkpoint_policies.save_only_these_names(STAGE_OUTPUT)

    def train_step(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        prepare_key, dropout_key = jax.random.split(jax.random.fold_in(key, state.step))
        inputs, label = prepare(batch, prepare_key)
        examples = (inputs, label, jnp.asarray(batch.mask))
        trained = _without(state.params, frozen)

        def objective(
            trained: PyTree,
            batch_stats: PyTree,
            key: jax.Array,
            inputs: jax.Array,
            label: jax.Array,
            mask: jax.Array,
        ) -> tuple[jax.Array, tuple[jax.Array, PyTree]]:
            apply: Callable[..., Any] = functools.partial(
                model.apply,
                train=True,
                mutable=["batch_stats", "auxiliary"],
                rngs={"dropout": key},
            )
            if rematerialize:
                apply = jax.checkpoint(apply, policy=saved)
            params = {**state.params, **trained}
            logits, updated = apply({"params": params, "batch_stats": batch_stats}, inputs)
            loss = losses.mean_loss(loss_fn(logits, label), mask)
            loss += _auxiliary_loss(model, updated.get("auxiliary", {}), loss_fn, label, mask)
            return loss, (logits, {**batch_stats, **updated.get("batch_stats", {})})

        if private is None:
            gradients, (logits, batch_stats) = accumulate_gradients(
                objective, trained, state.batch_stats, dropout_key, examples, num_parts=num_parts
            )
        else:
            gradients, (logits, _) = privacy.private_gradients(
                lambda trained, *rest: objective(trained, state.batch_stats, *rest),
                trained,
                dropout_key,
                examples,
                index=batch.index,
                privacy=private,
            )
            # No statistics are collected, see `private`.
            logits, batch_stats = logits[:, 0], state.batch_stats
        updates, opt_state = optimizer.update(gradients, state.opt_state, trained)
        state = state._replace(
            step=state.step + 1,
            params={**state.params, **optax.apply_updates(trained, updates)},
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        if ema_decay is not None:
            state = _averaged(state, ema_decay, frozen)
        predicted = losses.predict_class(logits, head)
        per_example = (reported_loss_fn or loss_fn)(logits, jnp.asarray(batch.label))
        return state, metrics.batch_metrics(per_example, predicted, batch.label, batch.mask)

    return train_step


def _auxiliary_loss(
    model: nn.Module, sown: PyTree, loss_fn: LossFn, label: jax.Array, mask: jax.Array
) -> Any:
    """Add up the weighted mean losses of the logits that auxiliary heads sowed; 0 without any."""
    means = [losses.mean_loss(loss_fn(x, label), mask) for x in jax.tree.leaves(sown)]
    return getattr(model, "auxiliary_weight", 0.0) * sum(means)


def _averaged(state: TrainState, decay: float, frozen: Container[str]) -> TrainState:
    """Move the averages of what is trained; the frozen rest would change by rounding."""
    kept = (state.ema_params, state.ema_batch_stats)
    old, new = (
        tuple(_without(tree, frozen) for tree in trees)
        for trees in (kept, (state.params, state.batch_stats))
    )
    params, batch_stats = optim.ema_update(old, new, decay=decay, step=state.step - 1)
    return state._replace(
        ema_params={**kept[0], **params}, ema_batch_stats={**kept[1], **batch_stats}
    )


def make_eval_step(
    model: nn.Module,
    loss_fn: LossFn,
    *,
    image_size_px: int,
    head: str = "softmax",
    flip_average: bool = False,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
) -> EvalStep:
    """Build the evaluation of one batch as a pure function; the caller compiles it.

    Args:
      model: a network of `jaxcnn.models`.
      loss_fn: (logits, label) to one loss an example.
      image_size_px: side of the centre crop that the network sees.
      head: "softmax" or "sigmoid", the network's kind of output.
      flip_average: average the logits of each image and of its mirror image.
      mean: of the pixels, see `normalize`.
      std: of the pixels, see `normalize`.

    Returns:
      eval_step(variables, batch) to (metrics, probabilities). Examples whose mask is False count
      nowhere; probabilities are (B, num_classes) float32 for every row, the padding's included.
    """

    def views(batch: Batch) -> list[jax.Array]:
        return _views_of(
            batch.image, size_px=image_size_px, flip_average=flip_average, mean=mean, std=std
        )

    return make_eval_step_of_views(model, loss_fn, views, head=head)


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

    Args: as for `make_eval_step`.

    Returns:
      predict(variables, images) to (B, num_classes) float32 probabilities; the images are
      (B, S, S, C) uint8, S at least image_size_px.
    """

    def predict(variables: PyTree, images: jax.Array) -> jax.Array:
        views = _views_of(
            images, size_px=image_size_px, flip_average=flip_average, mean=mean, std=std
        )
        return losses.probabilities(_mean_logits(model, variables, views), head)

    return predict


def _views_of(
    images: Array,
    *,
    size_px: int,
    flip_average: bool,
    mean: float | Sequence[float],
    std: float | Sequence[float],
) -> list[jax.Array]:
    """Give the network's input for images from the host, and for their mirror images."""
    inputs = to_unit_interval(jnp.asarray(images))
    inputs = jax.vmap(lambda image: center_crop(image, size_px))(inputs)
    inputs = normalize(inputs, mean=mean, std=std)
    return [inputs, inputs[:, :, ::-1]] if flip_average else [inputs]


def _mean_logits(model: nn.Module, variables: PyTree, views: Sequence[jax.Array]) -> jax.Array:
    each = [jnp.asarray(model.apply(variables, x, train=False)) for x in views]
    return sum(each[1:], start=each[0]) / len(each)


def make_eval_step_of_views(
    model: nn.Module, loss_fn: LossFn, views: Views, *, head: str = "softmax"
) -> EvalStep:
    """Build the evaluation for any kind of input; `make_eval_step` is the one for images.

    Args:
      model: a Flax module called as `model(inputs, train=False)`.
      loss_fn: (logits, label) to one loss an example.
      views: batch to a list of inputs of the module, whose logits are averaged.
      head: "softmax" or "sigmoid", the network's kind of output.

    Returns:
      As `make_eval_step`.
    """

    def eval_step(variables: PyTree, batch: Batch) -> tuple[Metrics, jax.Array]:
        logits = _mean_logits(model, variables, views(batch))
        predicted = losses.predict_class(logits, head)
        per_example = loss_fn(logits, jnp.asarray(batch.label))
        counted = metrics.batch_metrics(per_example, predicted, batch.label, batch.mask)
        return counted, losses.probabilities(logits, head)

    return eval_step

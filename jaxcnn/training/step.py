"""The training step: a pure function, compiled once, state in and state out."""

import functools
import inspect
import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxcnn import losses
from jaxcnn.augment import augment_batch
from jaxcnn.augment.mixing import Mixing
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
from jaxcnn.models import STAGE_OUTPUT, head_of
from jaxcnn.optim import differential_privacy
from jaxcnn.optim.ema import ema_update
from jaxcnn.training.distillation import Teacher
from jaxcnn.training.gradient_accumulation import Objective, accumulate_gradients
from jaxcnn.training.preprocessing import normalize, seen_part, to_unit_interval
from jaxcnn.training.progressive_resizing import SizeUntil, at_size
from jaxcnn.training.state import only, without
from jaxcnn.types import Batch, PyTree, Sums, TrainState

Augment = Callable[[jax.Array, jax.Array], jax.Array]  # (key, image) -> image
# (batch, key) -> the network's input, and the label to train by, which may be a tree of arrays
Prepare = Callable[[Batch, jax.Array], tuple[jax.Array, Any]]
TrainStep = Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Sums]]


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss_fn: LossFn,
    augment: Augment | None = None,
    *,
    preprocessing: Preprocessing | None = Preprocessing(),
    metrics: Mapping[str, Metric | GatheredMetric] = {"accuracy": ACCURACY},
    mixing: Mixing | None = None,
    prepare: Prepare | None = None,
    ema_decay: float | None = None,
    reported_loss: LossFn | None = None,
    frozen: Container[str] = (),
    accumulate_steps: int = 1,
    rematerialize: bool = False,
    private: differential_privacy.Privacy | None = None,
    sizes: Sequence[SizeUntil] = (),
) -> TrainStep:
    """Build one update of the parameters as a pure function; the caller compiles it.

    Args:
      model: a network of `jaxcnn.models`, or any Flax module called as `model(inputs, train=...)`;
        one without a `head` gives logits for softmax.
      optimizer: an Optax gradient transformation. If it takes more than gradients, it gets, by
        Optax's names, the batch's mean loss (`value`), its gradients (`grad`), and functions from
        parameters to the loss (`value_fn`) and to the gradients (`grad_fn`), which use the same
        dropout and BatchNorm statistics. It gets none with `private`, and no `value_fn` with
        `accumulate_steps`. `optax.contrib.sam` must be the outermost transformation, and opaque.
      loss_fn: (logits, label) to one loss per example, as `jaxcnn.losses.make_loss` makes.
      augment: (key, image) to image, as `jaxcnn.augment.make_augment` makes; None crops the centre.
      preprocessing: how images become what the network takes; None for images that are so already.
      metrics: what is summed beside the loss, by name; those of evaluation alone are left out.
      mixing: (key, batch) to a batch of mixed examples, as `jaxcnn.augment.make_mixing` makes,
        after the augmentation; None mixes none. The parameters learn the mixed labels; the metrics
        compare the answer to a mixed image with the example's own label, so they are worse than
        those of evaluation.
      prepare: (batch, key) to what the module takes and the label to train by, which is
        `batch.label` where nothing changes it; random draws are folded by example index. For
        inputs that are no images; None augments, mixes and normalises as the three above say.
      ema_decay: decay of the moving average for each step, in [0, 1); None keeps none.
      reported_loss: the loss that the metrics add up; None takes `loss_fn`. Give the loss that
        evaluation uses where training smooths or weights its own, so that the two compare.
      frozen: names at the top of the parameters that stay as they are: no gradient of them is
        computed. The network should be told too (`frozen_stages`), for its BatchNorm and dropout.
      accumulate_steps: compute the gradient in this many parts, one after the other, and add
        them up, for less memory; BatchNorm normalises each part by its own statistics.
      rematerialize: keep only the output of each stage, and compute the rest again in the
        backward pass: about a third more work, for memory that grows with the largest stage.
      private: clip the gradient of each example and add noise, see `jaxcnn.optim.Privacy`; None
        does not. No BatchNorm may collect statistics then: they would tell what the noise hides.
      sizes: smaller image sizes for the first steps, each with the step where it ends; all are in
        one program, of which a step runs one. (Several steps under `jax.vmap` run all.)

    Returns:
      train_step(state, batch, key) to (state, sums), as `make_eval_step` has them. Give it the same
      run key each step: inside, the step's number is folded in, so a resumed run repeats every
      draw. Compile it with `jax.jit(train_step, donate_argnums=0)`. Logits that the network sows
      into the collection "auxiliary" are trained too: the mean loss of each counts
      `model.auxiliary_weight` times.

    Example:
      >>> import optax
      >>> from jaxcnn.losses import make_loss
      >>> from jaxcnn.models import create_model
      >>> from jaxcnn.training import init_state
      >>> model, optimizer = create_model("lenet5", 2), optax.adam(1e-3)
      >>> loss_fn = make_loss("softmax", num_classes=2)
      >>> train_step = jax.jit(make_train_step(model, optimizer, loss_fn))
      >>> state = init_state(jax.random.key(0), model, optimizer, (32, 32, 1))
      >>> images, index = jnp.zeros((4, 32, 32, 1), jnp.uint8), jnp.arange(4)
      >>> batch = Batch(images, index % 2, index >= 0, index)
      >>> state, sums = train_step(state, batch, jax.random.key(1))
      >>> int(state.step), int(sums["accuracy"]["count"])
      (1, 4)
    """
    prepare_batch = prepare or image_preparation(augment, mixing, preprocessing)
    objective_of = functools.partial(_objective, model, loss_fn, rematerialize=rematerialize)
    differentiate = functools.partial(_gradients, num_parts=accumulate_steps, private=private)
    update = _make_update(optimizer, is_private=private is not None, in_parts=accumulate_steps > 1)

    def train_step(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Sums]:
        prepare_key, dropout_key = jax.random.split(jax.random.fold_in(key, state.step))
        inputs, label = prepare_batch(batch, prepare_key)
        trained, objective = without(state.params, frozen), objective_of(state.params)

        def rows(inputs: jax.Array) -> Batch:
            return batch._replace(image=inputs, label=label)

        def learn(trained: PyTree) -> _Learned:
            def from_images(inputs: jax.Array) -> _Learned:
                more = state.batch_stats, dropout_key, rows(inputs)
                return differentiate(objective, trained, *more)

            return at_size(from_images, inputs, state.step, sizes)

        def loss_at(trained: PyTree) -> jax.Array:
            def from_images(inputs: jax.Array) -> jax.Array:
                more = state.batch_stats, dropout_key, *_examples(rows(inputs))
                return objective(trained, *more)[0]

            return at_size(from_images, inputs, state.step, sizes)

        learned = learn(trained)
        updates, opt_state = update(learned, state.opt_state, trained, learn, loss_at)
        state = state._replace(
            step=state.step + 1,
            params={**state.params, **optax.apply_updates(trained, updates)},
            batch_stats={**learned.batch_stats, **only(state.batch_stats, frozen)},
            opt_state=opt_state,
        )
        if ema_decay is not None:
            state = _averaged(state, ema_decay, frozen)
        label = jnp.asarray(batch.label)
        per_example = (reported_loss or loss_fn)(learned.logits, label)
        head = head_of(model)
        answers, label = losses.class_logits(learned.logits, head), metric_label(label, head)
        outputs = Outputs(answers, label, jnp.asarray(batch.mask), per_example)
        return state, batch_sums(metrics, outputs)

    return train_step


def image_preparation(
    augment: Augment | None,
    mixing: Mixing | None,
    preprocessing: Preprocessing | None,
    teacher: Teacher | None = None,
) -> Prepare:
    """Make the function by which a training step prepares images, see `make_train_step`.

    With a teacher, the label to train by is a pair: the label, and the teacher's answer.
    """
    answered = None if teacher is None else teacher.answered

    def prepare(batch: Batch, key: jax.Array) -> tuple[jax.Array, Any]:
        if answered is not None:
            batch, key = answered.draw(batch, key), jax.random.key(answered.seed)
        batch = draw_view(batch, key, augment, mixing, preprocessing)
        view, label = jnp.asarray(batch.image), jnp.asarray(batch.label)
        inputs = view if preprocessing is None else normalize(view, preprocessing)
        if teacher is None:
            return inputs, label
        if answered is not None:
            return inputs, (label, answered.of(jnp.asarray(batch.index)))
        return inputs, (label, teacher.answer(view))

    return prepare


def draw_view(
    batch: Batch,
    key: jax.Array,
    augment: Augment | None,
    mixing: Mixing | None = None,
    preprocessing: Preprocessing | None = Preprocessing(),
) -> Batch:
    """Augment and mix a batch as a training step does; its images are float32 in [0, 1] then."""
    augment_key, mixing_key = (key, key) if mixing is None else jax.random.split(key)
    images = jnp.asarray(batch.image)
    if preprocessing is not None:
        images = to_unit_interval(images)
    if augment is not None:
        images = augment_batch(augment, augment_key, images, jnp.asarray(batch.index))
    if preprocessing is not None:  # an augmentation may leave the images larger
        images = seen_part(images, preprocessing)
    batch = batch._replace(image=images)
    return batch if mixing is None else mixing(mixing_key, batch)


class _Learned(NamedTuple):
    """What a step learns from a batch: gradients, mean loss, logits, and the new statistics."""

    gradients: PyTree
    loss: jax.Array
    logits: jax.Array
    batch_stats: PyTree


def _make_update(
    optimizer: optax.GradientTransformation, *, is_private: bool, in_parts: bool
) -> Callable[..., tuple[optax.Updates, optax.OptState]]:
    """Make an optimizer's update that gets the loss too, under Optax's names.

    Args:
      optimizer: any.
      is_private: whether noise was added to the gradients: then it gets nothing else.
      in_parts: whether batches are too large to be seen at once: then it gets no `value_fn`.

    Returns:
      (learned, opt_state, params, learn, loss_at) to (updates, opt_state); the last two are
      functions of the parameters.
    """
    take = optax.with_extra_args_support(optimizer).update
    parameters = inspect.signature(take).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())

    def update(
        learned: _Learned, opt_state: optax.OptState, params: PyTree, learn: Any, loss_at: Any
    ) -> tuple[optax.Updates, optax.OptState]:
        # Optax's line searches hand `grad_fn` on to `value_fn`, which has no use for it.
        more = {
            "value": learned.loss,
            "grad": learned.gradients,
            "value_fn": lambda params, *, grad_fn=None: loss_at(params),
            "grad_fn": lambda params, _: learn(params).gradients,
        }
        left_out = more if is_private else {"value_fn"} if in_parts else set()
        more = {
            name: value
            for name, value in more.items()
            # `optax.contrib.sam` refuses arguments that it does not name.
            if name not in left_out and (takes_all or name in parameters)
        }
        try:
            return take(learned.gradients, opt_state, params, **more)
        except TypeError as error:
            if not re.search(r"argument.*'(value|grad|value_fn|grad_fn)'", str(error)):
                raise
            raise TypeError(
                f"the optimizer does not take what a step gives it: {error}. With `private` a step "
                "gives gradients alone, with `accumulate_steps` no value_fn; "
                "optax.contrib.sam must be opaque and the outermost transformation."
            ) from error

    return update


def _gradients(
    objective: Objective,
    trained: PyTree,
    batch_stats: PyTree,
    key: jax.Array,
    batch: Batch,
    *,
    num_parts: int,
    private: differential_privacy.Privacy | None,
) -> _Learned:
    """Differentiate the mean loss of a batch that is prepared."""
    examples = _examples(batch)
    if private is not None:
        gradients, (logits, _) = differential_privacy.private_gradients(
            lambda trained, *rest: objective(trained, batch_stats, *rest),
            trained,
            key,
            examples,
            index=batch.index,
            privacy=private,
        )
        # No statistics are collected, see `Privacy`; the loss would tell what the noise hides.
        return _Learned(gradients, jnp.float32(jnp.nan), logits[:, 0], batch_stats)
    if num_parts == 1:
        differentiate = jax.value_and_grad(objective, has_aux=True)
    else:
        differentiate = functools.partial(accumulate_gradients, objective, num_parts=num_parts)
    (loss, (logits, batch_stats)), gradients = differentiate(trained, batch_stats, key, *examples)
    return _Learned(gradients, loss, logits, batch_stats)


def _examples(batch: Batch) -> tuple[jax.Array, Any, jax.Array]:
    """Give what the objective takes of a batch that is prepared."""
    return jax.tree.map(jnp.asarray, (batch.image, batch.label, batch.mask))


def _objective(
    model: nn.Module, loss_fn: LossFn, params: PyTree, *, rematerialize: bool
) -> Objective:
    """Make what is minimised: the mean loss as a function of the trained parameters."""
    saved = jax.checkpoint_policies.save_only_these_names(STAGE_OUTPUT)

    def objective(
        trained: PyTree,
        batch_stats: PyTree,
        key: jax.Array,
        inputs: jax.Array,
        label: Any,
        mask: jax.Array,
    ) -> tuple[jax.Array, tuple[jax.Array, PyTree]]:
        apply: Callable[..., Any] = functools.partial(
            model.apply, train=True, mutable=["batch_stats", "auxiliary"], rngs={"dropout": key}
        )
        if rematerialize:
            apply = jax.checkpoint(apply, policy=saved)
        variables = {"params": {**params, **trained}, "batch_stats": batch_stats}
        logits, updated = apply(variables, inputs)
        loss = losses.mean_loss(loss_fn(logits, label), mask)
        sown = jax.tree.leaves(updated.get("auxiliary", {}))  # the logits of auxiliary heads
        auxiliary = [losses.mean_loss(loss_fn(x, label), mask) for x in sown]
        loss += getattr(model, "auxiliary_weight", 0.0) * sum(auxiliary)
        return loss, (logits, {**batch_stats, **updated.get("batch_stats", {})})

    return objective


def _averaged(state: TrainState, decay: float, frozen: Container[str]) -> TrainState:
    """Update the averages of what is trained alone; rounding would change the frozen rest."""
    kept = (state.ema_params, state.ema_batch_stats)
    old, new = (
        tuple(without(tree, frozen) for tree in trees)
        for trees in (kept, (state.params, state.batch_stats))
    )
    params, batch_stats = ema_update(old, new, decay=decay, step=state.step - 1)
    return state._replace(
        ema_params={**kept[0], **params}, ema_batch_stats={**kept[1], **batch_stats}
    )

"""`fit`: train a network on data, by the one loop that all training goes through."""

import functools
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import jax
import optax

from jaxcnn.augment.mixing import Mixing
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.losses import LossFn
from jaxcnn.models import head_of
from jaxcnn.optim.differential_privacy import Privacy
from jaxcnn.training.callbacks import Callback, View
from jaxcnn.training.checkpointing import Checkpoint, KeepBest
from jaxcnn.training.distillation import Teacher, check_teacher, make_distillation_loss
from jaxcnn.training.eval_step import EvalStep, Views, make_eval_step_of_views
from jaxcnn.training.evaluation import Evaluator
from jaxcnn.training.feed import make_feed
from jaxcnn.training.fit_arguments import (
    check_frozen,
    check_options,
    check_phase,
    check_progressive,
    constant_or,
    first_variables,
    make_layout,
    next_phase,
    open_inputs,
    seeds_and_keys,
)
from jaxcnn.training.fit_result import FitResult
from jaxcnn.training.functions import name_of
from jaxcnn.training.history import Progress
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.loop import Loop
from jaxcnn.training.progressive_resizing import area_of_steps, plan_sizes
from jaxcnn.training.sharding import Layout
from jaxcnn.training.state import count_parameters, evaluation_variables, start_state, without
from jaxcnn.training.step import Augment, Prepare, image_preparation, make_train_step
from jaxcnn.training.task import Metrics, Task, check_names, read_task
from jaxcnn.types import PyTree, TrainState

logger = logging.getLogger(__name__)


def fit(
    model: Any,
    train: Any,
    validation: Any = None,
    *,
    optimizer: optax.GradientTransformation,
    loss: str | LossFn | None = None,
    metrics: Metrics | Sequence[str] | None = None,
    augment: Augment | None = None,
    repeated_augmentation: int = 1,
    sampler: str = "none",
    progressive_resizing: Mapping[int, float] | None = None,
    mixing: Mixing | None = None,
    teacher: Teacher | None = None,
    preprocessing: Preprocessing | None = None,
    num_epochs: int = 1,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    key: int | jax.Array = 0,
    best: str | None = None,
    callbacks: Sequence[Callback] = (),
    variables: PyTree | Sequence[PyTree] | None = None,
    frozen: Container[str] = (),
    ema_decay: float | None = None,
    accumulate_steps: int = 1,
    rematerialize: bool = False,
    private: Privacy | None = None,
    mesh: str | Layout = "auto",
    num_members: int = 1,
    shared_batches: bool = False,
    members_mode: str = "auto",
    epoch_scan: str = "auto",
    learning_rate: float | Callable[[int], Any] | None = None,
    reported_loss: LossFn | None = None,
    prepare: Prepare | None = None,
    views: Views | None = None,
    eval_step: EvalStep | None = None,
    after: FitResult | Progress | None = None,
    phase: str = "",
    name: str = "",
) -> FitResult:
    """Train a network, validate it after each epoch, and keep the best.

    Args:
      model: a Flax Linen module called as `model(images, train=...)`; or a pair of pure functions,
        init(key, images, train) to (params, state) and apply(params, state, key, images, train) to
        (logits, state), as Haiku's transform_with_state gives; init is called with train=True.
      train: (images, labels) as arrays; photos as a source of `jaxcnn.data`; a folder of
        photos or the name of a data set, which bring their own validation split; a sequence of
        (image, label); or any iterable of batches, read again for each epoch. Images are (H, W, C):
        uint8, which are scaled to [0, 1], augmented and normalised; or floating point, which are
        only augmented. Labels are class indices (N,), or whole numbers (N, K), 0 or 1, where an
        example may have several of K labels.
      validation: the same; None: no validation.
      optimizer: an Optax gradient transformation.
      loss: "softmax_cross_entropy", "sigmoid_cross_entropy" (one logit for two classes) or
        "multi_label_cross_entropy" (a sigmoid per class); or (logits, label) to one loss per
        example, (B,); None takes that of the network's head, or of the labels where it has none.
      metrics: what is measured beside the loss: names that `jaxcnn.metrics.get_metric` knows, or a
        dict of such names and metrics of your own; None for the accuracy, or, with several labels
        per example, mean_average_precision, macro_f1 and subset_accuracy.
      augment: (key, image) to image, such as `jaxcnn.augment.random_flip` or what
        `jaxcnn.augment.make_augment` makes.
      repeated_augmentation: copies of each image in a batch, each augmented by itself; the steps of
        an epoch stay as many, so it shows a part of the images.
      sampler: how often classes come: "none", as often as they are; "balanced", all alike; "sqrt",
        by the square root of their size. The steps of an epoch stay as many.
      progressive_resizing: smaller sizes to train at first, side in px to share of the epochs, such
        as {64: 0.4, 80: 0.3}: augmented images are made that small. The network must take any size.
      mixing: (key, batch) to a batch of mixed examples, as `jaxcnn.augment.make_mixing` makes.
      teacher: a trained network whose answers to the same views are learned beside the labels, as
        `jaxcnn.training.make_teacher` makes.
      preprocessing: how photos become squares, and pixels the network's input; None normalises
        uint8 by mean 0.5 and standard deviation 0.25, and leaves floating point as it is.
      num_epochs: passes over the training data.
      batch_size: examples per step, of all devices and processes together; ignored for an
        iterable, whose batches have their own size.
      eval_batch_size: examples per evaluation step; no effect on results.
      key: seed or JAX key of every random draw: initial parameters, data order, augmentation,
        dropout.
      best: the metric that chooses the best epoch; "-" before it if lower is better; None for
        "accuracy", or "mean_average_precision" with several labels, if that is measured, else
        "-loss".
      callbacks: `ProgressBar()`, `Checkpoint(folder)`, which also resumes a run that was cut short,
        `EarlyStopping(patience)`, `TensorBoard(folder)`, your own.
      variables: to start from, {"params": ..., "batch_stats": ...}; for several networks a list;
        None: random.
      frozen: names at the top of the parameters that stay as they are; so do the BatchNorm
        statistics under these names.
      ema_decay: decay per step of the moving average of the parameters that is evaluated.
      accumulate_steps: parts that each batch is split into, to save memory.
      rematerialize: compute activations again in the backward pass instead of keeping them.
      private: differentially private training, see `make_train_step`.
      mesh: devices by axis, such as "data:4,fsdp:2": "data" splits each batch, "fsdp" parameters
        and optimizer state too; "auto" takes all along "data".
      num_members: networks that train side by side and differ in their seeds: key, key + 1, ...
      shared_batches: whether these see the same batches.
      members_mode: how these take a step: "vmap", "in_turn", or "auto": in turn on CPUs, where that
        is faster.
      epoch_scan: many steps as one program on data that lie on the device: "on", "off", or "auto":
        on where an accelerator has room for the data and a short trial says that it is faster.
      learning_rate: step of this phase to learning rate, for the history; None reads it where the
        optimizer's state holds it.
      reported_loss: the loss that history and evaluation report; None for `loss`.
      prepare: (batch, key) to the network's input and label, in place of scaling, augmenting,
        mixing and normalising.
      views: batch to a list of inputs whose logits evaluation averages, for inputs that are not
        images.
      eval_step: a compiled evaluation step to use instead of one made here.
      after: the result of an earlier phase, whose history goes on.
      phase: name of this phase of training, for the history.
      name: of the network, for the log; None for that of its class.

    Returns:
      The last state, the history, and the best epoch with its variables.

    Raises:
      ValueError, TypeError: if an argument does not fit.
      CheckpointError: if there are checkpoints of another run, or damaged ones only.
      NonFiniteLossError: if training diverges.
      Interrupted: on SIGTERM or Ctrl-C, after saving.

    Example:
      >>> import flax.linen as nn
      >>> import numpy as np
      >>> images, labels = np.zeros((8, 8, 8, 3), np.uint8), np.arange(8) % 2
      >>> model = nn.Sequential([lambda x, train: x.reshape(len(x), -1), nn.Dense(2)])
      >>> result = fit(model, (images, labels), optimizer=optax.sgd(0.1), batch_size=4)
      >>> int(result.state.step)
      2
    """
    check_options(
        optimizer,
        callbacks,
        num_epochs=num_epochs,
        epoch_scan=epoch_scan,
        members_mode=members_mode,
        batch_size=batch_size,
        eval_batch_size=eval_batch_size,
        accumulate_steps=accumulate_steps,
        num_members=num_members,
    )
    check_names(metrics, best)  # a wrong name is told before data are read
    task = read_task(
        model,
        *open_inputs(train, validation, preprocessing, num_epochs, repeated_augmentation, sampler),
        batch_size=batch_size,
        loss=loss,
        reported_loss=reported_loss,
        metrics=metrics,
        best=best,
        preprocessing=preprocessing,
        views=views,
        prepares_images=prepare is None and views is None,
        validates_alike=eval_step is None,
    )
    layout = make_layout(mesh, task.batch_size, num_members)
    earlier = after if isinstance(after, FitResult) else None
    progress = next_phase(after.progress if isinstance(after, FitResult) else after, num_members)
    seeds, init_keys, keys = seeds_and_keys(key, num_members)
    trained_loss = _loss_to_train_by(task, teacher, private=private, mixing=mixing)
    prepare = prepare or image_preparation(augment, mixing, task.scaling, teacher)
    prepared = jax.eval_shape(prepare, task.batch, keys[0])[0]
    shares = progressive_resizing or {}
    check_progressive(shares, task.train, task.network, prepared)
    sizes = plan_sizes(
        shares,
        num_epochs=num_epochs,
        steps_per_epoch=task.steps_per_epoch,
        first_step=progress.step,
    )
    step = make_train_step(
        task.network,
        optimizer,
        trained_loss,
        metrics=task.metrics,
        sizes=sizes,
        prepare=prepare,
        ema_decay=ema_decay or None,
        reported_loss=task.reported_loss,
        frozen=frozen,
        accumulate_steps=accumulate_steps,
        rematerialize=rematerialize,
        private=private,
    )
    starts = first_variables(variables, task.network, task.inputs, init_keys)
    check_frozen(frozen, starts[0]["params"])
    start = functools.partial(
        start_state,
        optimizer=optimizer,
        frozen=frozen,
        with_ema=bool(ema_decay),
        step=progress.step,
    )
    states = [layout.put_state(start(each)) for each in starts]
    eval_step = eval_step or make_eval_step_of_views(
        task.network, task.reported_loss, task.views, metrics=task.metrics
    )
    evaluator = Evaluator(eval_step, task.metrics, layout, eval_batch_size)
    evaluate, seconds = _compile_evaluation(evaluator, task, states[0])
    feed = make_feed(
        step,
        states,
        keys,
        task.train,
        task.batch,
        layout,
        seeds=seeds,
        epoch_scan=epoch_scan,
        # `vmap` would compute every size at each step.
        mode="in_turn" if sizes and members_mode == "auto" else members_mode,
        shared=shared_batches,
    )
    logger.info(
        f"{_about_networks(name or name_of(model), states, frozen, seeds, feed.about)}, "
        f"{' x '.join(map(str, task.inputs.shape[1:]))} inputs"
        f"{''.join(f', {s.size_px} px up to step {s.end_step:,}' for s in sizes)}, "
        f"{_about_steps(num_epochs, task.steps_per_epoch, task.batch_size, num_members)} on "
        f"{layout.describe()}; compiled in {feed.seconds + seconds:.1f} s"
    )
    keeper = next((c for c in callbacks if isinstance(c, Checkpoint)), None) or KeepBest()
    about = {"batch_size": task.batch_size, "key": seeds[0], "phase": phase} | task.train.about()
    about["progressive_resizing"] = {str(size_px): share for size_px, share in shares.items()}
    keeper.open(num_members, about)
    if found := keeper.restore(states, progress.step):
        check_phase(found[1], progress, after)
        states, progress, position = found
        feed.batches.set_state(position)
        logger.info(f"resuming at step {progress.step}")
    area = functools.partial(area_of_steps, sizes, min(prepared.shape[1:3])) if sizes else None
    last, progress = Loop(
        state=feed.pack(states),
        progress=progress,
        train_step=feed.step,
        batches=feed.batches,
        key=feed.key,
        num_epochs=num_epochs,
        steps_per_epoch=task.steps_per_epoch,
        batch_size=task.batch_size * num_members,
        evaluate=evaluate,
        metrics=task.metrics,
        best=task.best,
        callbacks=[keeper, *(c for c in callbacks if c is not keeper)],
        chunk_steps=feed.chunk_steps,
        unpack=feed.unpack,
        learning_rate=constant_or(learning_rate),
        phase=phase,
        area_of_steps=area or View.area_of_steps,
        await_each=layout.is_host and not layout.is_single,
    ).run()
    return FitResult(feed.unpack(last), progress, task, evaluator, preprocessing, keeper, earlier)


def _loss_to_train_by(
    task: Task, teacher: Teacher | None, *, private: Privacy | None, mixing: Mixing | None
) -> Any:
    """Take the task's loss, or with a teacher that of the label and of the teacher's answer."""
    if teacher is None:
        return task.loss
    check_teacher(
        teacher,
        prepares_images=task.prepares_images,
        private=private,
        mixing=mixing,
        num_examples=len(task.train.split) if isinstance(task.train, SplitInput) else None,
    )
    return make_distillation_loss(task.loss, teacher, head_of(task.network))


def _compile_evaluation(
    evaluator: Evaluator, task: Task, state: TrainState
) -> tuple[Callable[..., Any] | None, float]:
    """Compile what validates after each epoch, if anything does; tell how many seconds it took."""
    if task.validation is None:
        return None, 0.0
    compiled = evaluator.compile(task.validation, evaluation_variables(state))
    return functools.partial(evaluator, task.validation), compiled.seconds


def _about_networks(
    name: str,
    states: Sequence[TrainState],
    frozen: Container[str],
    seeds: Sequence[int],
    about: str,
) -> str:
    """Say what is about to be trained."""
    params = states[0].params
    total, trained = count_parameters(params), count_parameters(without(params, frozen))
    if len(states) > 1:
        name = f"{len(states)} x {name} (seeds {seeds[0]} to {seeds[-1]}), {about}"
        return f"{name}: {total:,} parameters each"
    count = f"{total:,}" if trained == total else f"{trained:,} of {total:,}"
    return f"{name}: {count} parameters{'' if trained == total else ' trained'}"


def _about_steps(
    num_epochs: int, steps_per_epoch: int | None, batch_size: int, num_members: int
) -> str:
    """Say how long."""
    members = f"{num_members} x " if num_members > 1 else ""
    if steps_per_epoch is None:
        return f"{num_epochs} epochs of batches of {members}{batch_size}"
    return f"{num_epochs * steps_per_epoch:,} steps of {members}{batch_size}"

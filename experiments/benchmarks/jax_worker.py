"""The contestants on JAX: jaxcnn as its programs run it, and stock Flax as its examples have it."""

import contextlib
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training import train_state

from experiments.benchmarks.serving import Task, process_peak_bytes
from jaxcnn import losses
from jaxcnn.host.start import prepare_process
from jaxcnn.models import StagedNetwork, create_model, fold_batch_norm
from jaxcnn.ops.lowering import stock_ops
from jaxcnn.training import step as train
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.eval_step import make_eval_step_of_views
from jaxcnn.training.state import evaluation_variables, init_state
from jaxcnn.types import Batch, PyTree

LEARNING_RATE, MOMENTUM = 1e-3, 0.9


class Contest(NamedTuple):
    """What both contestants are given."""

    model: StagedNetwork
    num_classes: int
    image: jax.Array  # (B, S, S, 3) float32
    label: jax.Array  # (B,) int32
    key: jax.Array


class Contestant(NamedTuple):
    """How long compiling took, and a call of the step that waits for its end."""

    compile_seconds: float
    step: Callable[[], None]
    params: PyTree


def make_task(spec: dict[str, Any]) -> Task:
    """Compile the step of a network.

    Args:
      spec: "contestant", "network", "size_px", "batch_size", "mode", "dtype", "num_classes",
        "options", "reuse_memory".

    Returns:
      A task whose step is one step of training or inference.
    """
    own = spec["contestant"] == "jaxcnn"
    # What compiling costs is measured, so nothing may be kept from an earlier run.
    if own:
        prepare_process(reuse_memory=spec["reuse_memory"], compilation_cache=False)
    jax.config.update("jax_enable_compilation_cache", False)
    make = _MAKERS[spec["contestant"], spec["mode"]]
    with contextlib.nullcontext() if own else stock_ops():
        made = make(make_contest(spec))
    batch_size = int(spec["batch_size"])

    def step() -> int:
        made.step()
        return batch_size

    return Task(step, _facts(made), peak_bytes)


def make_contest(spec: dict[str, Any]) -> Contest:
    """Make the network and a batch of random images on the device."""
    size_px, batch_size = spec["size_px"], spec["batch_size"]
    model = create_model(
        spec["network"], spec["num_classes"], dtype=jnp.dtype(spec["dtype"]), **spec["options"]
    )
    draws = np.random.default_rng(0)
    image = draws.standard_normal((batch_size, size_px, size_px, 3), np.float32)
    label = draws.integers(0, spec["num_classes"], batch_size, np.int32)
    return Contest(
        model, spec["num_classes"], jnp.asarray(image), jnp.asarray(label), jax.random.key(0)
    )


def peak_bytes() -> int:
    """Give the most memory in use so far: the accelerator's, or on a CPU this process's."""
    statistics = jax.devices()[0].memory_stats() or {}
    return statistics.get("peak_bytes_in_use") or process_peak_bytes()


def _facts(made: Contestant) -> dict[str, Any]:
    return {
        "compile_seconds": made.compile_seconds,
        "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(made.params)),
        "device": jax.devices()[0].device_kind,
        "versions": {p: metadata.version(p) for p in ("jax", "flax", "optax", "jaxcnn")},
    }


def _optimizer() -> optax.GradientTransformation:
    return optax.sgd(LEARNING_RATE, momentum=MOMENTUM)


def _image_shape(contest: Contest) -> tuple[int, int, int]:
    _, height, width, channels = contest.image.shape
    return height, width, channels


def _own_batch(contest: Contest) -> Batch:
    count = len(contest.label)
    return Batch(contest.image, contest.label, jnp.ones(count, bool), jnp.arange(count))


def _own_training(contest: Contest) -> Contestant:
    """Train as a run does: the library's own step, the state's memory handed on."""
    optimizer = _optimizer()
    loss_fn = losses.make_loss("softmax", num_classes=contest.num_classes)
    train_step = train.make_train_step(
        contest.model,
        optimizer,
        loss_fn,
        prepare=lambda batch, key: (jnp.asarray(batch.image), jnp.asarray(batch.label)),
    )
    batch = _own_batch(contest)
    state = init_state(contest.key, contest.model, optimizer, _image_shape(contest))
    compiled = compile_step(train_step, state, batch, contest.key, donate_argnums=0)
    params = jax.tree.map(np.asarray, state.params)

    def step() -> None:
        nonlocal state
        state, metrics = compiled(state, batch, contest.key)
        jax.block_until_ready((state, metrics))

    return Contestant(compiled.seconds, step, params)


def _own_inference(contest: Contest) -> Contestant:
    """Classify as `jaxcnn.Classifier` does: BatchNorm folded, probabilities by the evaluation step.

    Folding compiles too, so its time counts as compiling.
    """
    state = init_state(contest.key, contest.model, _optimizer(), _image_shape(contest))
    started = time.perf_counter()
    model, variables = fold_batch_norm(contest.model, evaluation_variables(state))
    jax.block_until_ready(variables)
    fold_seconds = time.perf_counter() - started
    loss_fn = losses.make_loss("softmax", num_classes=contest.num_classes)
    eval_step = make_eval_step_of_views(model, loss_fn, lambda batch: [jnp.asarray(batch.image)])
    batch = _own_batch(contest)
    compiled = compile_step(lambda v, b: eval_step(v, b)[1], variables, batch)
    return Contestant(
        fold_seconds + compiled.seconds,
        lambda: jax.block_until_ready(compiled(variables, batch)),
        state.params,
    )


class _FlaxState(train_state.TrainState):
    """Flax's own state, with the averages of BatchNorm as its examples add them."""

    batch_stats: Any


def _flax_variables(contest: Contest) -> PyTree:
    initialize = jax.jit(lambda key: contest.model.init(key, contest.image[:1], train=False))
    return initialize(contest.key)


def _flax_training(contest: Contest) -> Contestant:
    """Train as Flax's examples do."""
    variables = _flax_variables(contest)
    state = _FlaxState.create(
        apply_fn=contest.model.apply,
        params=variables["params"],
        tx=_optimizer(),
        batch_stats=variables.get("batch_stats", {}),
    )
    args = (contest.image, contest.label, contest.key)
    compiled = compile_step(_flax_train_step, state, *args)
    params = state.params

    def step() -> None:
        nonlocal state
        state, loss = compiled(state, *args)
        jax.block_until_ready((state, loss))

    return Contestant(compiled.seconds, step, params)


def _flax_train_step(
    state: _FlaxState, images: jax.Array, labels: jax.Array, key: jax.Array
) -> tuple[_FlaxState, jax.Array]:
    dropout_key = jax.random.fold_in(key, state.step)

    def mean_loss(params: PyTree) -> tuple[jax.Array, PyTree]:
        logits, updated = state.apply_fn(
            {"params": params, "batch_stats": state.batch_stats},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": dropout_key},
        )
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), updated

    (loss, updated), gradients = jax.value_and_grad(mean_loss, has_aux=True)(state.params)
    batch_stats = updated.get("batch_stats", state.batch_stats)
    return state.apply_gradients(grads=gradients, batch_stats=batch_stats), loss


def _flax_inference(contest: Contest) -> Contestant:
    """Classify by the network and nothing else."""
    variables = _flax_variables(contest)
    compiled = compile_step(
        lambda variables, images: contest.model.apply(variables, images, train=False),
        variables,
        contest.image,
    )
    return Contestant(
        compiled.seconds,
        lambda: jax.block_until_ready(compiled(variables, contest.image)),
        variables["params"],
    )


_MAKERS: dict[tuple[str, str], Callable[[Contest], Contestant]] = {
    ("jaxcnn", "train"): _own_training,
    ("jaxcnn", "inference"): _own_inference,
    ("flax", "train"): _flax_training,
    ("flax", "inference"): _flax_inference,
}

"""The contestants on JAX: jaxcnn as its programs run it, and stock Flax as its examples have it."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training import train_state

from experiments.benchmarks.serving import Task, process_peak_bytes
from jaxcnn import losses
from jaxcnn.host.extras import versions
from jaxcnn.host.start import prepare_process
from jaxcnn.models import StagedNetwork, create_model, fold_batch_norm
from jaxcnn.ops.lowering import stock_ops
from jaxcnn.training import step as train
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.eval_step import make_eval_step_of_views
from jaxcnn.training.state import evaluation_variables, init_state
from jaxcnn.types import Batch, PyTree, TrainState

OPTIMIZER = optax.sgd(1e-3, momentum=0.9)


class Program(NamedTuple):
    """A step that is not yet compiled, and what it takes.

    Attributes:
      function: of `state` and `inputs`; of training, the next state is the first of its results.
      state: the state that training starts from, or the variables that inference takes.
      inputs: the other arguments.
      params: of the network.
      seconds: spent on making the program, which count as compiling.
    """

    function: Callable[..., Any]
    state: Any
    inputs: tuple[Any, ...]
    params: PyTree
    seconds: float = 0.0


def make_task(spec: dict[str, Any]) -> Task:
    """Compile the step of a network.

    Args:
      spec: "contestant", "network", "size_px", "batch_size", "mode", "dtype", "num_classes",
        "options", "reuse_memory".

    Returns:
      A task whose step is one step of training or inference.
    """
    own, trains = spec["contestant"] == "jaxcnn", spec["mode"] == "train"
    # What compiling costs is measured, so nothing may be kept from an earlier run.
    if own:
        prepare_process(reuse_memory=spec["reuse_memory"], compilation_cache=False)
    jax.config.update("jax_enable_compilation_cache", False)
    with contextlib.nullcontext() if own else stock_ops():
        program = _PROGRAMS[spec["contestant"], spec["mode"]](make_model(spec), _make_batch(spec))
        state, inputs = program.state, program.inputs
        # The library's own step hands the state's memory on; Flax's examples do not.
        donated = 0 if own and trains else ()
        facts = {
            "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(program.params)),
            "device": jax.devices()[0].device_kind,
            "versions": versions(("jax", "flax", "optax", "jaxcnn")),
        }
        compiled = compile_step(program.function, state, *inputs, donate_argnums=donated)
    facts["compile_seconds"] = program.seconds + compiled.seconds
    del program  # on a device it would hold the first state for as long as the task lives

    def step() -> int:
        nonlocal state
        results = jax.block_until_ready(compiled(state, *inputs))
        if trains:
            state = results[0]
        return spec["batch_size"]

    return Task(facts, step, _peak_bytes)


def make_model(spec: dict[str, Any]) -> StagedNetwork:
    """Make the network that a description names."""
    dtype = jnp.dtype(spec["dtype"])
    return create_model(spec["network"], spec["num_classes"], dtype=dtype, **spec["options"])


def _make_batch(spec: dict[str, Any]) -> Batch:
    """Make random images, of mean 0 and variance 1, with random labels."""
    size_px, count = spec["size_px"], spec["batch_size"]
    draws = np.random.default_rng(0)
    image = draws.standard_normal((count, size_px, size_px, 3), np.float32)
    label = draws.integers(0, spec["num_classes"], count, np.int32)
    return Batch(jnp.asarray(image), jnp.asarray(label), jnp.ones(count, bool), jnp.arange(count))


def _peak_bytes() -> int:
    """Give the most memory in use so far: the accelerator's, or on a CPU this process's."""
    statistics = jax.devices()[0].memory_stats() or {}
    return statistics.get("peak_bytes_in_use") or process_peak_bytes()


def _own_training(model: StagedNetwork, batch: Batch) -> Program:
    """Train as a run does, by the library's own step."""
    loss_fn = losses.make_loss("softmax", num_classes=model.num_classes)
    train_step = train.make_train_step(
        model,
        OPTIMIZER,
        loss_fn,
        prepare=lambda batch, key: (jnp.asarray(batch.image), jnp.asarray(batch.label)),
    )
    state = _initial_state(model, batch)
    return Program(train_step, state, (batch, jax.random.key(0)), state.params)


def _own_inference(model: StagedNetwork, batch: Batch) -> Program:
    """Classify as `jaxcnn.Classifier` does: BatchNorm folded, probabilities by the evaluation step.

    Folding compiles too, so its time counts as compiling.
    """
    state = _initial_state(model, batch)
    started = time.perf_counter()
    model, variables = fold_batch_norm(model, evaluation_variables(state))
    jax.block_until_ready(variables)
    seconds = time.perf_counter() - started
    loss_fn = losses.make_loss("softmax", num_classes=model.num_classes)
    eval_step = make_eval_step_of_views(model, loss_fn, lambda batch: [jnp.asarray(batch.image)])
    return Program(lambda v, b: eval_step(v, b)[1], variables, (batch,), state.params, seconds)


def _initial_state(model: StagedNetwork, batch: Batch) -> TrainState:
    height, width, channels = batch.image.shape[1:]
    return init_state(jax.random.key(0), model, OPTIMIZER, (height, width, channels))


class _FlaxState(train_state.TrainState):
    """Flax's own state, with the averages of BatchNorm as its examples add them."""

    batch_stats: Any


def _flax_variables(model: StagedNetwork, batch: Batch) -> PyTree:
    initialize = jax.jit(lambda key: model.init(key, batch.image[:1], train=False))
    return initialize(jax.random.key(0))


def _flax_training(model: StagedNetwork, batch: Batch) -> Program:
    """Train as Flax's examples do."""
    variables = _flax_variables(model, batch)
    state = _FlaxState.create(
        apply_fn=model.apply,
        params=variables["params"],
        tx=OPTIMIZER,
        batch_stats=variables.get("batch_stats", {}),
    )
    inputs = (batch.image, batch.label, jax.random.key(0))
    return Program(_flax_train_step, state, inputs, state.params)


def _flax_train_step(
    state: _FlaxState, images: jax.Array, labels: jax.Array, key: jax.Array
) -> tuple[_FlaxState, jax.Array]:
    dropout_key = jax.random.fold_in(key, state.step)

    def mean_loss(params: PyTree) -> tuple[jax.Array, PyTree]:
        variables = {"params": params, "batch_stats": state.batch_stats}
        return stock_loss(state.apply_fn, variables, images, labels, dropout_key)

    (loss, updated), gradients = jax.value_and_grad(mean_loss, has_aux=True)(state.params)
    batch_stats = updated.get("batch_stats", state.batch_stats)
    return state.apply_gradients(grads=gradients, batch_stats=batch_stats), loss


def stock_loss(
    apply: Callable[..., Any], variables: PyTree, images: jax.Array, labels: Any, key: jax.Array
) -> tuple[jax.Array, PyTree]:
    """Compute the mean cross-entropy as Flax's examples do, and BatchNorm's new averages."""
    logits, updated = apply(
        variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": key}
    )
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), updated


def _flax_inference(model: StagedNetwork, batch: Batch) -> Program:
    """Classify by the network and nothing else."""
    variables = _flax_variables(model, batch)
    return Program(
        lambda variables, images: model.apply(variables, images, train=False),
        variables,
        (batch.image,),
        variables["params"],
    )


_PROGRAMS: dict[tuple[str, str], Callable[[StagedNetwork, Batch], Program]] = {
    ("jaxcnn", "train"): _own_training,
    ("jaxcnn", "inference"): _own_inference,
    ("flax", "train"): _flax_training,
    ("flax", "inference"): _flax_inference,
}

"""The state that training starts from, and what of it evaluation takes."""

from collections.abc import Container

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxcnn.optim.directions import evaluation_params
from jaxcnn.types import PyTree, TrainState


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

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, optimizer = create_model("lenet5", 10), optax.adam(1e-3)
      >>> state = init_state(jax.random.key(0), model, optimizer, (32, 32, 1))
      >>> int(state.step), sorted(state.params)[:2]
      (0, ['c1', 'c3'])
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
      frozen: names at the top of the parameters that stay as they are; the optimizer keeps nothing
        of them.
      with_ema: keep a moving average of parameters and batch statistics.
      step: number of updates already made, by which random draws are told apart.

    Returns:
      A TrainState.

    Example:
      >>> params = {"backbone": {"w": jnp.ones(3)}, "head": {"w": jnp.zeros(2)}}
      >>> state = start_state({"params": params}, optax.adam(1e-3), frozen=("backbone",))
      >>> list(state.opt_state[0].mu)
      ['head']
    """
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats=batch_stats,
        # Copies, since a donated buffer must not stand in the state twice.
        opt_state=jax.tree.map(jnp.copy, optimizer.init(without(params, frozen))),
        ema_params=jax.tree.map(jnp.copy, params) if with_ema else {},
        ema_batch_stats=jax.tree.map(jnp.copy, batch_stats) if with_ema else {},
    )


def without(tree: PyTree, names: Container[str]) -> PyTree:
    """Leave out the branches of those names at the top of a tree."""
    return {name: branch for name, branch in tree.items() if name not in names}


def only(tree: PyTree, names: Container[str]) -> PyTree:
    """Take the branches of those names at the top of a tree."""
    return {name: branch for name, branch in tree.items() if name in names}


def count_parameters(params: PyTree) -> int:
    """Count the numbers in a tree of arrays or their shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def evaluation_variables(state: TrainState) -> PyTree:
    """Choose the variables to evaluate with: an average where one is kept.

    That is the moving average, or the one that a schedule-free optimizer keeps.

    Args:
      state: the state of a run.

    Returns:
      {"params": ..., "batch_stats": ...} as Flax's `apply` takes them.

    Example:
      >>> state = start_state({"params": {"w": jnp.ones(1)}}, optax.sgd(0.1), with_ema=True)
      >>> state = state._replace(params={"w": jnp.zeros(1)})  # after a step
      >>> evaluation_variables(state)["params"]["w"].tolist()
      [1.0]
    """
    if state.ema_params:
        return {"params": state.ema_params, "batch_stats": state.ema_batch_stats}
    params = evaluation_params(state.opt_state, state.params)
    return {"params": params, "batch_stats": state.batch_stats}

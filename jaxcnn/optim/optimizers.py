"""Optimizers by name, from Optax's parts."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxcnn.host.names import unknown_name
from jaxcnn.optim.schedules import Schedule, check_range
from jaxcnn.types import Array, PyTree

# For batches of about 32. sgd: the 0.1 per 256 of He et al. 2016, rounded up, as small batches bear
# it; adam: Kingma & Ba 2015; adamw: higher, as its decay and a warm-up bear it; lion: a tenth of
# adamw's, after Chen et al. 2023; rmsprop: 1e-3 over the 1 / (1 - 0.9) gradients that its momentum
# adds up.
_DEFAULT_LEARNING_RATES = {
    "sgd": 0.02,
    "adam": 1e-3,
    "adamw": 3e-3,
    "lion": 3e-4,
    "lamb": 4e-3,
    "rmsprop": 1e-4,
}
# What may lie in the optimizer's state as arrays, see `make_optimizer`.
HYPERPARAMETERS = ("learning_rate", "weight_decay", "momentum")


def list_optimizers() -> list[str]:
    """List the names that `make_optimizer` knows.

    Example:
      >>> list_optimizers()
      ['sgd', 'adam', 'adamw', 'lion', 'lamb', 'rmsprop']
    """
    return list(_DEFAULT_LEARNING_RATES)


def default_learning_rate(name: str) -> float:
    """Look up a peak learning rate that suits an optimizer at batches of about 32 examples.

    A starting point, for networks with BatchNorm trained from scratch; fine-tuning wants about a
    tenth of it, and it scales with the batch size (Goyal et al. 2017, arXiv:1706.02677).

    Args:
      name: one of `list_optimizers()`.

    Returns:
      The learning rate, for `make_optimizer`'s default options.

    Raises:
      ValueError: if the name is unknown.

    Example:
      >>> default_learning_rate("adamw")
      0.003
    """
    if name not in _DEFAULT_LEARNING_RATES:
        raise unknown_name("optimizer", name, list_optimizers(), all_by="list_optimizers()")
    return _DEFAULT_LEARNING_RATES[name]


def decay_mask(params: PyTree) -> PyTree:
    """Tell which parameters weight decay shrinks: kernels, not biases or BatchNorm's scale.

    Args:
      params: tree of arrays.

    Returns:
      The same tree of bool, True on leaves of rank 2 and above.

    Example:
      >>> decay_mask({"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)})
      {'bias': False, 'kernel': True}

    Source: He et al. 2019, arXiv:1812.01187, section 3.1 ("no bias decay").
    """
    return jax.tree.map(lambda p: jnp.ndim(p) > 1, params)


def layer_factors(names: Sequence[str], decay: float) -> dict[str, float]:
    """Give deeper layers, whose features are more general, smaller learning rates.

    Args:
      names: of the layers at the top of the parameter tree, in order.
      decay: factor from one layer to the one before it, in (0, 1]; the last layer's factor is 1.

    Returns:
      {name: factor}.

    Raises:
      ValueError: if decay is out of its range.

    Example:
      >>> layer_factors(["stem", "stage_1", "head"], 0.5)
      {'stem': 0.25, 'stage_1': 0.5, 'head': 1.0}

    Source: Howard & Ruder 2018, arXiv:1801.06146, section 3.2 (discriminative fine-tuning).
    """
    check_range("decay", decay, 0 < decay <= 1, "in (0, 1]")
    return {name: decay ** (len(names) - 1 - i) for i, name in enumerate(names)}


def _scale_layers(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Multiply the updates of each layer at the top of the parameter tree by its factor."""

    def scale(updates: Any, params: Any) -> Any:
        del params
        return {
            name: jax.tree.map(lambda u, f=factors[name]: f * u, below)
            for name, below in updates.items()
        }

    return optax.stateless(scale)


def _scale_by_adam(b1: float | jax.Array, *, eps: float) -> optax.GradientTransformation:
    adam = optax.scale_by_adam(b1=b1, eps=eps)

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        # Its bias correction raises a float to an integer power, which strict promotion forbids.
        with jax.numpy_dtype_promotion("standard"):
            return adam.update(updates, state, params)

    return optax.GradientTransformation(adam.init, update)


def _scale_gradient(name: str, momentum: float | jax.Array) -> optax.GradientTransformation:
    """Turn gradients into a direction, before decoupled decay and the learning rate."""
    is_none = not isinstance(momentum, jax.Array) and momentum == 0
    trace = optax.identity() if is_none else optax.trace(momentum)
    if name == "sgd":
        return trace
    if name == "rmsprop":
        return optax.chain(optax.scale_by_rms(decay=0.9, eps=1e-8), trace)
    if name == "lion":
        return optax.scale_by_lion(b1=momentum, b2=0.99)
    return _scale_by_adam(momentum, eps=1e-6 if name == "lamb" else 1e-8)


def make_optimizer(
    name: str,
    learning_rate: float | Schedule,
    *,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    gradient_clip_norm: float | None = None,
    layer_factors: Mapping[str, float] | None = None,
    injected: Collection[str] = (),
    share: Schedule | optax.Schedule | None = None,
) -> optax.GradientTransformation:
    """Make an optimizer.

    An update first scales the whole gradient g so that its global norm is at most
    gradient_clip_norm. Weight decay, on kernels alone (see `decay_mask`), is then

        sgd, adam, rmsprop:   L2, g + weight_decay p before the optimizer sees it, so it is scaled
                              and averaged like any gradient
        adamw, lion, lamb:    decoupled, direction + weight_decay p; p thus shrinks by
                              learning_rate weight_decay an update (for lamb, times the trust ratio)

    The update of step s is scaled by learning_rate(s), last of all. Second moments keep 0.999 of
    the past (rmsprop 0.9), lion's momentum 0.99; epsilon is 1e-8 (lamb 1e-6), under the root for
    rmsprop. lamb's trust ratio leaves biases and norms alone, as its authors' code does and
    `optax.lamb` does not. The state holds arrays only; its structure depends on the name alone,
    except that sgd and rmsprop store no trace where momentum is 0.

    Args:
      name: one of `list_optimizers()`.
      learning_rate: the rate, or a function from the step to it, as `make_schedule` makes.
      weight_decay: >= 0.
      momentum: share of the past kept at each update, in [0, 1): the velocity's of sgd and rmsprop,
        the first moment's (b1) of the others.
      gradient_clip_norm: upper bound of the gradient's global norm, > 0, or None.
      layer_factors: {name at the top of params: factor on its learning rate}, see `layer_factors`;
        None for 1 everywhere.
      injected: names among `HYPERPARAMETERS` of values that are to lie in the state as arrays, so
        that members of one program may each have their own, see `with_hyperparameters`. An
        injected learning rate is a number; of an injected momentum, sgd and rmsprop store a trace.
      share: step to a factor on `learning_rate`, where that is a number; None for 1 at every step.

    Returns:
      An Optax transformation; its update needs params. Its state has `hyperparams` where some are
      injected.

    Raises:
      ValueError: if the name is unknown or an option is out of its range.

    Example:
      >>> optimizer = make_optimizer("sgd", 0.5)
      >>> params = {"bias": jnp.ones(1)}
      >>> updates, _ = optimizer.update(params, optimizer.init(params), params)
      >>> updates["bias"].tolist()
      [-0.5]

    Source: sgd Sutskever et al. 2013; adam Kingma & Ba 2015, arXiv:1412.6980; adamw Loshchilov &
    Hutter 2019, arXiv:1711.05101, decay scaled by the whole learning rate as in PyTorch; lion Chen
    et al. 2023, arXiv:2302.06675; lamb You et al. 2020, arXiv:1904.00962; rmsprop Tieleman & Hinton
    2012, lecture 6.5; clipping Pascanu et al. 2013, arXiv:1211.5063.
    """
    if name not in _DEFAULT_LEARNING_RATES:
        raise unknown_name("optimizer", name, list_optimizers(), all_by="list_optimizers()")
    if not callable(learning_rate):
        check_range("learning_rate", learning_rate, 0 < learning_rate < math.inf, "finite and > 0")
    check_range("weight_decay", weight_decay, 0 <= weight_decay < math.inf, "finite and >= 0")
    check_range("momentum", momentum, 0 <= momentum < 1, "in [0, 1)")
    if gradient_clip_norm is not None:
        check_range("gradient_clip_norm", gradient_clip_norm, gradient_clip_norm > 0, "> 0")
    for each in injected:
        if each not in HYPERPARAMETERS:
            raise unknown_name("hyper-parameter", each, HYPERPARAMETERS)

    def chain(
        learning_rate: Any, weight_decay: float | jax.Array, momentum: float | jax.Array
    ) -> optax.GradientTransformation:
        def rate(step: jax.Array) -> Any:
            if share is not None:
                return learning_rate * share(step)
            return learning_rate(step) if callable(learning_rate) else learning_rate

        decay = optax.add_decayed_weights(weight_decay, mask=decay_mask)
        direction = _scale_gradient(name, momentum)
        parts = [decay, direction] if name in ("sgd", "adam", "rmsprop") else [direction, decay]
        if name == "lamb":
            parts.append(optax.masked(optax.scale_by_trust_ratio(), decay_mask))
        clip = gradient_clip_norm
        return optax.chain(
            optax.identity() if clip is None else optax.clip_by_global_norm(clip),
            *parts,
            optax.scale_by_learning_rate(rate),
            optax.identity() if layer_factors is None else _scale_layers(layer_factors),
        )

    if not injected:
        return chain(learning_rate, weight_decay, momentum)
    fixed = [each for each in HYPERPARAMETERS if each not in injected]
    inject = optax.inject_hyperparams(chain, static_args=fixed, hyperparam_dtype=jnp.float32)
    return inject(learning_rate=learning_rate, weight_decay=weight_decay, momentum=momentum)


def with_hyperparameters(
    opt_state: optax.OptState, values: Mapping[str, float | Array]
) -> optax.OptState:
    """Set the hyper-parameters that an optimizer's state holds.

    Args:
      opt_state: of an optimizer with `injected` hyper-parameters.
      values: {name: its value}.

    Returns:
      The state with those values; others stay.

    Raises:
      ValueError: if the state does not hold one of the names.

    Example:
      >>> optimizer = make_optimizer("sgd", 0.1, injected=["learning_rate"])
      >>> params = {"bias": jnp.ones(1)}
      >>> state = with_hyperparameters(optimizer.init(params), {"learning_rate": 0.5})
      >>> optimizer.update(params, state, params)[0]["bias"].tolist()
      [-0.5]
    """
    held = opt_state.hyperparams
    for name in values:
        if name not in held:
            raise unknown_name("injected hyper-parameter", name, held)
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}
    return opt_state._replace(hyperparams={**held, **arrays})

"""From gradients to directions, for each optimizer that is put together here from Optax's parts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from jaxcnn.types import PyTree

_ADAM = {"b2": 0.999, "eps": 1e-8, "nesterov": False}


class Own(NamedTuple):
    """What is known of an optimizer."""

    learning_rate: float  # default, at batches of about 32
    options: Mapping[str, Any]  # further ones, and their defaults
    is_decoupled: bool  # whether weight decay is added to the direction, not to the gradient
    momentum: float = 0.9  # default


# sgd: the 0.1 per 256 of He et al. 2016, rounded up, as small batches bear it; adam: Kingma & Ba
# 2015; adamw: higher, as its decay and a warm-up bear it; lion: a tenth of adamw's, after Chen et
# al. 2023; rmsprop: 1e-3 over the 1 / (1 - 0.9) gradients that its momentum adds up; muon: adamw's,
# which its updates are as large as, after Liu et al. 2025; schedule_free_adamw: adamw's,
# schedule_free_sgd: ten times sgd's, after Defazio et al. 2024; sam: sgd's, and rho after
# Foret et al. 2021.
OWN: Mapping[str, Own] = {
    "sgd": Own(0.02, {"nesterov": False}, False),
    "adam": Own(1e-3, _ADAM, False),
    "adamw": Own(3e-3, _ADAM, True),
    "lion": Own(3e-4, {"b2": 0.99}, True),
    "lamb": Own(4e-3, {**_ADAM, "eps": 1e-6}, True),
    "rmsprop": Own(1e-4, {"decay": 0.9, "eps": 1e-8}, False),
    "muon": Own(
        3e-3,
        {
            **{"ns_steps": 5, "eps": 1e-8, "nesterov": True, "consistent_rms": 0.2},
            **{"adam_b1": 0.9, "adam_b2": 0.999},
        },
        True,
        momentum=0.95,
    ),
    "schedule_free_adamw": Own(
        3e-3, {"b2": 0.999, "eps": 1e-8, "weight_lr_power": 2.0}, is_decoupled=True
    ),
    "sam": Own(0.02, {"nesterov": False, "rho": 0.05}, False),
    "sam_adamw": Own(3e-3, {**_ADAM, "rho": 0.05}, True),
    "schedule_free_sgd": Own(0.2, {"weight_lr_power": 2.0}, is_decoupled=False),
}


def is_schedule_free(name: str) -> bool:
    """Tell whether an optimizer averages its parameters in place of lowering the learning rate.

    Args:
      name: one of `list_optimizers()`.

    Example:
      >>> is_schedule_free("schedule_free_sgd"), is_schedule_free("sgd")
      (True, False)
    """
    return name in ("schedule_free_adamw", "schedule_free_sgd")


def is_sharpness_aware(name: str) -> bool:
    """Tell whether an optimizer of `OWN` takes a second gradient, nearer to a maximum."""
    return name in ("sam", "sam_adamw")


def sharpness_aware(
    base: optax.GradientTransformation, rho: float, *before: optax.GradientTransformation
) -> optax.GradientTransformation:
    """Give a base optimizer the gradient at rho from the parameters, up the gradient.

    Args:
      base: the optimizer of that gradient.
      rho: distance, a Euclidean norm over all parameters.
      *before: what the first gradient goes through.

    Source: Foret et al. 2021, arXiv:2010.01412, algorithm 1.
    """
    climb = optax.chain(*before, optax.normalize_by_update_norm(eps=1e-12), optax.sgd(rho))
    made = contrib.sam(base, climb, opaque_mode=True)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        grad_fn: Any,
        **_: Any,  # Optax's update takes no other argument
    ) -> tuple[optax.Updates, optax.OptState]:
        return made.update(updates, state, params, grad_fn=grad_fn)

    return promoting(optax.GradientTransformationExtraArgs(made.init, update))


def scale_gradient(
    name: str, momentum: float | jax.Array, options: Mapping[str, Any]
) -> optax.GradientTransformation:
    """Turn gradients into a direction, before decoupled decay and the learning rate.

    Args:
      name: one of `OWN`.
      momentum: share of the past kept.
      options: all of the optimizer's further options.

    Returns:
      A transformation whose state holds arrays only.
    """
    return promoting(_direction(name, momentum, options))


def _direction(
    name: str, momentum: float | jax.Array, options: Mapping[str, Any]
) -> optax.GradientTransformation:
    is_none = not isinstance(momentum, jax.Array) and momentum == 0
    nesterov = options.get("nesterov", False)
    trace = optax.identity() if is_none else optax.trace(momentum, nesterov=nesterov)
    if name in ("sgd", "sam"):
        return trace
    if name == "schedule_free_sgd":
        return optax.identity()
    if name == "rmsprop":
        rms = optax.scale_by_rms(decay=options["decay"], eps=options["eps"])
        return optax.chain(rms, trace)
    if name == "lion":
        return optax.scale_by_lion(b1=momentum, b2=options["b2"])
    if name == "schedule_free_adamw":  # Adam without its first moment
        return optax.scale_by_rms(
            decay=options["b2"], eps=options["eps"], eps_in_sqrt=False, bias_correction=True
        )
    if name == "muon":
        return _scale_by_muon(momentum, **options)
    return optax.scale_by_adam(b1=momentum, b2=options["b2"], eps=options["eps"], nesterov=nesterov)


def _scale_by_muon(
    momentum: float | jax.Array,
    *,
    ns_steps: int,
    eps: float,
    nesterov: bool,
    consistent_rms: float,
    adam_b1: float,
    adam_b2: float,
) -> optax.GradientTransformation:
    """Orthogonalise the momentum of matrices and convolution kernels; take Adam for the rest."""

    def dimensions(params: PyTree) -> PyTree:
        return jax.tree.map(_matrix_axes, params)

    def resize(update: jax.Array) -> jax.Array:  # the root mean square becomes `consistent_rms`
        longer = max(update.size // update.shape[-1], update.shape[-1])
        return consistent_rms * longer**0.5 * update

    muon = optax.chain(
        contrib.scale_by_muon(
            ns_steps=ns_steps,
            beta=momentum,
            eps=eps,
            nesterov=nesterov,
            weight_dimension_numbers=dimensions,
        ),
        optax.stateless(lambda updates, _: jax.tree.map(resize, updates)),
    )
    adam = optax.scale_by_adam(b1=adam_b1, b2=adam_b2, eps=eps)
    return optax.partition({"muon": muon, "adam": adam}, muon_labels)


def muon_labels(params: PyTree) -> PyTree:
    """Tell which parameters Muon updates: those that are matrices between hidden layers.

    These are kernels of dense layers and of convolutions. AdamW's direction is for biases,
    BatchNorm, the layer named "head", and kernels that see one input channel: those of depthwise
    convolutions, which mix no channels, and of a first layer on grey images.

    Args:
      params: tree of arrays.

    Returns:
      The same tree of "muon" and "adam".

    Example:
      >>> muon_labels({"conv": {"kernel": jnp.ones((3, 3, 8, 16)), "bias": jnp.ones(16)}})
      {'conv': {'bias': 'adam', 'kernel': 'muon'}}
    """

    def label(path: Any, p: Any) -> str:
        in_head = any(getattr(key, "key", None) == "head" for key in path)
        is_matrix = jnp.ndim(p) in (2, 4) and jnp.shape(p)[-2] > 1
        return "muon" if is_matrix and not in_head else "adam"

    return jax.tree.map_with_path(label, params)


def _matrix_axes(p: Any) -> contrib.MuonDimensionNumbers:
    """Take a convolution's height, width and input channels as the rows of one matrix."""
    *rows, columns = range(jnp.ndim(p))
    return contrib.MuonDimensionNumbers(tuple(rows), columns)


def promoting(optimizer: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Let an optimizer mix dtypes, as Optax does with its integer counts."""
    inner = optax.with_extra_args_support(optimizer)

    def init(params: optax.Params) -> optax.OptState:
        with jax.numpy_dtype_promotion("standard"):
            return inner.init(params)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **more: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        with jax.numpy_dtype_promotion("standard"):
            return inner.update(updates, state, params, **more)

    return optax.GradientTransformationExtraArgs(init, update)


def schedule_free(
    base: optax.GradientTransformation, rate: Any, momentum: float, weight_lr_power: float
) -> optax.GradientTransformation:
    """Average the parameters that a base optimizer without momentum goes through."""
    found = contrib.schedule_free(
        base,
        lambda count: rate(count - 1),  # it counts from 1, schedules count from 0
        b1=momentum,
        weight_lr_power=weight_lr_power,
    )
    return promoting(found)


def evaluation_params(opt_state: optax.OptState, params: PyTree) -> PyTree:
    """Give the parameters to evaluate with: of a schedule-free optimizer the average that it keeps.

    Args:
      opt_state: of any optimizer.
      params: those that it trains, with or without frozen ones.

    Returns:
      The average where there is one, else `params`.

    Example:
      >>> params = {"w": jnp.ones(1)}
      >>> evaluation_params(optax.sgd(0.1).init(params), params) is params
      True

    Source: Defazio et al. 2024, arXiv:2405.15682, algorithm 1; x is the average there.
    """

    def is_averaging(node: Any) -> bool:
        return isinstance(node, contrib.ScheduleFreeState)

    for node in jax.tree.leaves(opt_state, is_leaf=is_averaging):
        if is_averaging(node):
            trained = {name: params[name] for name in node.z}
            return {**params, **contrib.schedule_free_eval_params(node, trained)}
    return params

"""Optimizers by name, from Optax's parts."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import jax.numpy as jnp
import optax

from jaxcnn.host.names import unknown_name
from jaxcnn.optim.directions import (
    OWN,
    is_schedule_free,
    is_sharpness_aware,
    scale_gradient,
    schedule_free,
    sharpness_aware,
)
from jaxcnn.optim.factories import (
    check_name,
    check_options,
    default_momentum,
    goes_by_loss,
    make_from_factory,
    momentum_of,
)
from jaxcnn.optim.parameter_groups import (
    Multipliers,
    decay_mask,
    name_mask,
    scale_layers,
    scale_matching,
    unfreeze,
)
from jaxcnn.optim.schedules import Schedule, check_range
from jaxcnn.types import Array

# What may lie in the optimizer's state as arrays, see `make_optimizer`.
HYPERPARAMETERS = ("learning_rate", "weight_decay", "momentum")


def make_optimizer(
    name: str,
    learning_rate: float | Schedule,
    *,
    weight_decay: float = 0.0,
    momentum: float | None = None,
    options: Mapping[str, Any] | None = None,
    gradient_clip_norm: float | None = None,
    layer_factors: Mapping[str, float] | None = None,
    multipliers: Multipliers = (),
    weight_decay_on: str | None = None,
    start_steps: Mapping[str, int] | None = None,
    injected: Collection[str] = (),
    share: Schedule | optax.Schedule | None = None,
) -> optax.GradientTransformation:
    """Make an optimizer.

    An update first scales the whole gradient g so that its global norm is at most
    gradient_clip_norm. Weight decay, on kernels alone (see `decay_mask`), is then

        sgd, sam, adam,       L2, g + weight_decay p before the optimizer sees it, so it is scaled
        rmsprop:              and averaged like any gradient
        adamw, sam_adamw,     decoupled, direction + weight_decay p; p thus shrinks by
        lion, lamb, muon:     learning_rate weight_decay an update (for lamb, times the trust ratio)

    The update of step s is scaled by learning_rate(s), last of all. Second moments keep 0.999 of
    the past (rmsprop 0.9), lion's momentum 0.99; epsilon is 1e-8 (lamb 1e-6), under the root for
    rmsprop. lamb's trust ratio leaves biases and norms alone, as its authors' code does and
    `optax.lamb` does not. The state holds arrays only; its structure depends on the name alone,
    except that sgd and rmsprop store no trace where momentum is 0.

    muon orthogonalises the momentum of dense kernels and of convolutions' kernels, taken as
    matrices of (height x width x inputs, outputs); what is no such matrix has AdamW's update: see
    `jaxcnn.optim.directions.muon_labels`. Its updates are scaled to the size of AdamW's
    (consistent_rms), so that one learning rate and one weight decay serve both.

    schedule_free_adamw and schedule_free_sgd want a constant learning rate (after a warm-up) and
    keep an average of the parameters, which `evaluation_params` takes out of their state.
    BatchNorm's running averages are those of the parameters that are trained.

    sam and sam_adamw take their gradient at a distance of rho from the parameters, where the loss
    is about the highest, and are sgd and adamw with it: two gradients per update. Their update
    needs `grad_fn`. momo, momo_adam and polyak_sgd choose their step size by the loss, `value`;
    lbfgs by a line search, which needs `value`, `grad` and `value_fn`. These take neither weight
    decay nor clipping. `jaxcnn.training.make_train_step` gives all of that.

    Other names are factories of Optax, with Optax's defaults. Weight decay is the factory's where
    that has a mask for it, else an L2 penalty.

    Args:
      name: one of `list_optimizers()`.
      learning_rate: the rate, or a function from the step to it, as `make_schedule` makes.
      weight_decay: >= 0.
      momentum: share of the past kept at each update, in [0, 1): the velocity's of sgd and rmsprop,
        the first moment's (b1) of the others, the weight of the average in the parameters that
        are trained of schedule-free ones; None for 0.9, for muon 0.95, else Optax's default.
      options: further ones, see `optimizer_options`.
      gradient_clip_norm: upper bound of the gradient's global norm, > 0, or None.
      layer_factors: {name at the top of params: factor on its learning rate}, see `layer_factors`;
        None for 1 everywhere.
      multipliers: (regular expression, factor on the learning rate) each; the first that matches
        the start of a parameter's name holds, see `parse_multipliers`. 0 keeps parameters as they
        are.
      weight_decay_on: regular expression of the names of parameters that decay; None for kernels.
      start_steps: {name at the top of params: number of updates before its first}; None for 0.
      injected: names among `HYPERPARAMETERS` of values that are to lie in the state as arrays, so
        that members of one program may each have their own, see `with_hyperparameters`. An
        injected learning rate is a number; of an injected momentum, sgd and rmsprop store a trace.
      share: step to a factor on `learning_rate`, where that is a number; None for 1 at every step.

    Returns:
      An Optax transformation; its update needs params. Its state has `hyperparams` where some are
      injected.

    Raises:
      ValueError: if the name or an option is unknown, or a value is out of its range.

    Example:
      >>> optimizer = make_optimizer("sgd", 0.5)
      >>> params = {"bias": jnp.ones(1)}
      >>> updates, _ = optimizer.update(params, optimizer.init(params), params)
      >>> updates["bias"].tolist()
      [-0.5]

    Source: sgd Sutskever et al. 2013; adam Kingma & Ba 2015, arXiv:1412.6980; adamw Loshchilov &
    Hutter 2019, arXiv:1711.05101, decay scaled by the whole learning rate as in PyTorch; lion Chen
    et al. 2023, arXiv:2302.06675; lamb You et al. 2020, arXiv:1904.00962; rmsprop Tieleman & Hinton
    2012, lecture 6.5; muon Jordan et al. 2024, https://kellerjordan.github.io/posts/muon, scaled as
    in Liu et al. 2025, arXiv:2502.16982; schedule-free Defazio et al. 2024, arXiv:2405.15682;
    sam Foret et al. 2021, arXiv:2010.01412; clipping Pascanu et al. 2013, arXiv:1211.5063.
    """
    check_name(name)
    check_options(name, options or {})
    _check_numbers(learning_rate, weight_decay, gradient_clip_norm)
    _check_momentum(name, momentum, injected)
    if goes_by_loss(name):
        _check_nothing_changes_the_gradient(name, weight_decay, gradient_clip_norm, injected)
    for each in injected:
        if each not in HYPERPARAMETERS:
            raise unknown_name("hyper-parameter", each, HYPERPARAMETERS)
    momentum = default_momentum(name) if momentum is None else momentum
    mask = name_mask(weight_decay_on) if weight_decay_on else decay_mask
    after: list[optax.GradientTransformation] = [
        *([] if layer_factors is None else [scale_layers(layer_factors)]),
        *([scale_matching(multipliers)] if multipliers else []),
        *([] if start_steps is None else [unfreeze(start_steps)]),
    ]

    def chain(learning_rate: Any, weight_decay: Any, momentum: Any) -> optax.GradientTransformation:
        def rate(step: Any) -> Any:
            if share is not None:
                return learning_rate * share(step)
            return learning_rate(step) if callable(learning_rate) else learning_rate

        if name in OWN:
            parts = _own_parts(name, rate, weight_decay, momentum, mask, options or {}, after)
        else:
            made = make_from_factory(
                name,
                rate,
                weight_decay=weight_decay,
                momentum=momentum,
                mask=mask,
                options=options or {},
            )
            parts = [made, *after]
        clip = gradient_clip_norm
        kept = [_without_gradient(multipliers)] if multipliers else []
        made = optax.chain(
            *kept,
            optax.identity() if clip is None else optax.clip_by_global_norm(clip),
            *parts,
            *(kept if is_schedule_free(name) else []),  # whose averages round, step by step
        )
        if not is_sharpness_aware(name):
            return made
        rho = {**OWN[name].options, **(options or {})}["rho"]
        return sharpness_aware(made, rho, *kept)

    if not injected:
        return chain(learning_rate, weight_decay, momentum)
    fixed = [each for each in HYPERPARAMETERS if each not in injected]
    inject = optax.inject_hyperparams(chain, static_args=fixed, hyperparam_dtype=jnp.float32)
    return inject(learning_rate=learning_rate, weight_decay=weight_decay, momentum=momentum)


def _check_numbers(
    learning_rate: float | Schedule, weight_decay: float, gradient_clip_norm: float | None
) -> None:
    if not callable(learning_rate):
        check_range("learning_rate", learning_rate, 0 < learning_rate < math.inf, "finite and > 0")
    check_range("weight_decay", weight_decay, 0 <= weight_decay < math.inf, "finite and >= 0")
    if gradient_clip_norm is not None:
        check_range("gradient_clip_norm", gradient_clip_norm, gradient_clip_norm > 0, "> 0")


def _check_nothing_changes_the_gradient(
    name: str, weight_decay: float, gradient_clip_norm: float | None, injected: Collection[str]
) -> None:
    if weight_decay or "weight_decay" in injected:
        raise ValueError(
            f"optimizer={name} takes no weight_decay: its step size goes by the loss, which "
            "has no such penalty; give weight_decay=0, and do not search it."
        )
    if gradient_clip_norm is not None:
        raise ValueError(
            f"optimizer={name} takes no gradient_clip_norm (={gradient_clip_norm}): its step "
            "size goes by the loss and the whole gradient; leave it out."
        )


def _check_momentum(name: str, momentum: float | None, injected: Collection[str]) -> None:
    given = momentum is not None or "momentum" in injected
    if given and momentum_of(name) is None:
        raise ValueError(f"optimizer={name} has no momentum; leave momentum out.")
    if "momentum" in injected and (name not in OWN or is_schedule_free(name)):
        raise ValueError(
            f"momentum of optimizer={name} cannot be searched; give it, or search learning_rate "
            "and weight_decay alone."
        )
    if momentum is not None:
        check_range("momentum", momentum, 0 <= momentum < 1, "in [0, 1)")
    if momentum == 0 and is_schedule_free(name):
        raise ValueError(
            f"momentum of optimizer={name} must be above 0, got 0: it is the weight of the average."
        )


def _own_parts(
    name: str,
    rate: Any,
    weight_decay: Any,
    momentum: Any,
    mask: Any,
    options: Mapping[str, Any],
    after: list[optax.GradientTransformation],
) -> list[optax.GradientTransformation]:
    """List the parts of an optimizer that is put together here, after the clipping."""
    options = {**OWN[name].options, **options}
    decay = optax.add_decayed_weights(weight_decay, mask=mask)
    direction = scale_gradient(name, momentum, options)
    parts = [direction, decay] if OWN[name].is_decoupled else [decay, direction]
    if name == "lamb":
        parts.append(optax.masked(optax.scale_by_trust_ratio(), decay_mask))
    parts += [optax.scale_by_learning_rate(rate), *after]
    if is_schedule_free(name):  # its average must see what the factors leave of an update
        power = options["weight_lr_power"]
        return [schedule_free(optax.chain(*parts), rate, momentum, power)]
    return parts


def _without_gradient(multipliers: Multipliers) -> optax.GradientTransformation:
    """Take no gradient of what a multiplier of 0 keeps, so that it need not be computed."""
    return scale_matching([(pattern, float(factor > 0)) for pattern, factor in multipliers])


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

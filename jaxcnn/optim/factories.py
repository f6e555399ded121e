"""Optax's other optimizers by name: functions of `optax` and `optax.contrib` that make one."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import optax
from optax import contrib

from jaxcnn.host.names import unknown_name
from jaxcnn.optim.directions import OWN, is_sharpness_aware, promoting
from jaxcnn.optim.parameter_groups import decay_mask
from jaxcnn.optim.schedules import check_range

Factory = Callable[..., optax.GradientTransformation]

_REFUSED = {
    "sophia": "it needs second derivatives, which the convolutions here do not have",
    "lookahead": "it trains two sets of parameters, and a training state has one; "
    "schedule_free_adamw averages too",
    "mechanize": "it wraps another optimizer; use prodigy or dog",
    "schedule_free": "it wraps another optimizer; use schedule_free_adamw or schedule_free_sgd",
    "noisy_sgd": "it keeps a random key of its own, and draws here depend on the run's key and the "
    "step alone",
    "dpsgd": "it needs each example's gradient; give dp_clip_norm and dp_noise_multiplier instead",
    "rprop": "it goes by the signs of gradients of the whole data, and those of batches change",
    "optimistic_adam": "Optax replaced it; use optimistic_adam_v2",
}
# Starting points of the papers or of Optax's pages. Most that find their own step size have 1.
_DEFAULT_LEARNING_RATES = {
    **dict.fromkeys(("prodigy", "dadapt_adamw", "dog", "dowg", "cocob", "adadelta"), 1.0),
    **dict.fromkeys(("lbfgs", "momo", "polyak_sgd"), 1.0),
    **dict.fromkeys(("adagrad", "yogi", "fromage", "adafactor", "novograd", "momo_adam"), 1e-2),
    **dict.fromkeys(("adamax", "adamaxw"), 2e-3),
    **dict.fromkeys(("sign_sgd", "signum"), 3e-4),
    "optimistic_gradient_descent": 0.02,
    "lars": 0.3,
    "sm3": 0.1,
    "simplified_ademamix": 1e-4,
}
_FINDS_ITS_RATE = (
    *("prodigy", "dadapt_adamw", "dog", "dowg", "cocob"),
    *("lbfgs", "momo", "momo_adam", "polyak_sgd"),
)
_GO_BY_LOSS = ("lbfgs", "momo", "momo_adam", "polyak_sgd")
_DECOUPLED = ("adamaxw", "nadamw", "adan", "acprop", "ademamix", "simplified_ademamix", "galore")
_MASKS = ("mask", "weight_decay_mask")
_MOMENTUM = ("momentum", "b1", "beta")
_MOMENTUM_OF_OWN = {"muon": "beta", "sgd": "momentum", "sam": "momentum", "rmsprop": "momentum"}
_SHARES = ("b2", "b3", "beta3", "betas", "decay", "adam_b1", "adam_b2")  # of the past kept
_RHO_IS_A_SHARE = ("adadelta",)  # of SAM it is a distance
_OTHER_BETA = ("optimistic_gradient_descent",)  # whose beta is no momentum
# Their learning rate must be a number; the schedule scales their updates.
_WANT_A_NUMBER = ("sm3", "lbfgs")


@functools.cache
def factories() -> Mapping[str, Factory]:
    """Find what Optax has beside the optimizers that are put together here."""
    found: dict[str, Factory] = {}
    for module in (optax, contrib):
        for name, function in vars(module).items():
            is_function = inspect.isfunction(function) or isinstance(function, functools.partial)
            if not is_function or name.startswith(("_", "scale_by_")):
                continue
            if "learning_rate" in inspect.signature(function).parameters:
                found[name] = function
    found["polyak_sgd"] = _polyak_sgd
    return {name: found[name] for name in sorted(found) if name not in {**_REFUSED, **OWN}}


def _polyak_sgd(
    learning_rate: Any = 1.0, max_learning_rate: float = 1.0, f_min: float = 0.0, eps: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """Make Optax's optimizer, whose learning rate is called scaling there."""
    return optax.polyak_sgd(max_learning_rate, scaling=learning_rate, f_min=f_min, eps=eps)


def list_optimizers() -> list[str]:
    """List the names that `make_optimizer` knows: the usual ones first, then Optax's others.

    Example:
      >>> list_optimizers()[:4], "prodigy" in list_optimizers()
      (['sgd', 'adam', 'adamw', 'lion'], True)
    """
    return [*OWN, *factories()]


def check_name(name: str) -> None:
    """Refuse a name that is unknown, or whose optimizer needs more than a gradient.

    Raises:
      ValueError: saying why, and what is known.
    """
    if name in _REFUSED:
        raise ValueError(f"optimizer={name} does not work here: {_REFUSED[name]}.")
    if name not in OWN and name not in factories():
        raise unknown_name("optimizer", name, list_optimizers(), all_by="list_optimizers()")


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
      >>> default_learning_rate("adamw"), default_learning_rate("prodigy")
      (0.003, 1.0)
    """
    check_name(name)
    return OWN[name].learning_rate if name in OWN else _DEFAULT_LEARNING_RATES.get(name, 1e-3)


def default_momentum(name: str) -> float | None:
    """Look up the momentum coefficient that holds where none is given.

    Args:
      name: one of `list_optimizers()`.

    Returns:
      The coefficient; None for that of Optax's factory, if it has one.

    Example:
      >>> default_momentum("sgd"), default_momentum("muon"), default_momentum("prodigy")
      (0.9, 0.95, None)
    """
    return OWN[name].momentum if name in OWN else None


def finds_learning_rate(name: str) -> bool:
    """Tell whether an optimizer finds its own step size, so that its default rate suits all data.

    Args:
      name: one of `list_optimizers()`.

    Example:
      >>> finds_learning_rate("prodigy"), finds_learning_rate("adam")
      (True, False)
    """
    return name in _FINDS_ITS_RATE


def goes_by_loss(name: str) -> bool:
    """Tell whether an optimizer chooses its step size by the loss.

    Args:
      name: one of `list_optimizers()`.

    Example:
      >>> goes_by_loss("momo"), goes_by_loss("sam")
      (True, False)
    """
    return name in _GO_BY_LOSS


def needs_more_than_gradients(name: str) -> bool:
    """Tell whether an update needs the loss, or a second gradient, beside the gradient.

    Args:
      name: one of `list_optimizers()`.

    Example:
      >>> needs_more_than_gradients("sam"), needs_more_than_gradients("adam")
      (True, False)
    """
    return goes_by_loss(name) or is_sharpness_aware(name)


def decays_decoupled(name: str) -> bool:
    """Tell whether weight decay acts on the parameters alone, and not through the gradient.

    Args:
      name: one of `list_optimizers()`.

    Example:
      >>> decays_decoupled("adamw"), decays_decoupled("adam")
      (True, False)
    """
    return OWN[name].is_decoupled if name in OWN else name in _DECOUPLED


def optimizer_options(name: str) -> dict[str, Any]:
    """List the further options of an optimizer.

    Args:
      name: one of `list_optimizers()`.

    Returns:
      {name: default}.

    Raises:
      ValueError: if the name is unknown.

    Example:
      >>> optimizer_options("lion")
      {'b2': 0.99}
    """
    check_name(name)
    if name in OWN:
        return dict(OWN[name].options)
    own = ("learning_rate", "weight_decay", "weight_decay_rate", momentum_of(name), *_MASKS)
    parameters = inspect.signature(factories()[name]).parameters.items()
    known = {key: p.default for key, p in parameters if key not in own}
    return {key: value for key, value in known.items() if _is_plain(key, value)}


def _is_plain(key: str, value: Any) -> bool:
    is_number = isinstance(value, (int, float))
    is_pair = isinstance(value, tuple) and all(isinstance(v, (int, float)) for v in value)
    may_be_number = value is None and key not in ("base_optimizer", "weight_dimension_numbers")
    is_other = "dtype" in key or "mask" in key or key == "ns_coeffs"
    return not is_other and (is_number or is_pair or may_be_number)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that an optimizer does not have, or of another kind than its default.

    Args:
      name: one of `list_optimizers()`.
      options: {name: value}.

    Raises:
      ValueError: listing those that there are.

    Example:
      >>> check_options("adamw", {"b2": 0.99})
    """
    known = optimizer_options(name)
    for key, value in options.items():
        if key in ("learning_rate", "weight_decay", "momentum", *_MASKS, momentum_of(name)):
            setting = "weight_decay_on" if key in _MASKS else key
            setting = "momentum" if key == momentum_of(name) else setting
            raise ValueError(
                f"{key} of {name} has a setting of its own; give {setting}={_written(value)}."
            )
        if key not in known:
            if not known:
                raise ValueError(f"optimizer={name} has no options, got {key}; leave it out.")
            raise unknown_name(f"option of {name}", key, known)
        if not _fits(value, known[key]):
            raise ValueError(
                f"{key} of {name} must be {_kind(known[key])}, such as {_written(known[key])}; "
                f"got {_written(value)}."
            )
        for number in value if isinstance(value, tuple) else (value,):
            _check_option(name, key, number, known[key])


def _check_option(name: str, key: str, value: Any, default: Any) -> None:
    """Refuse a number that no optimizer can work with: most such give NaN at the first update."""
    if isinstance(value, bool):
        return
    if key in _SHARES or (key == "rho" and name in _RHO_IS_A_SHARE):
        check_range(f"{key} of {name}", value, 0 <= value < 1, "in [0, 1)")
    elif key == "max_learning_rate":
        check_range(f"{key} of {name}", value, 0 < value < math.inf, "finite and above 0")
    elif isinstance(default, int) and default > 0:
        check_range(f"{key} of {name}", value, value >= 1, "at least 1")
    else:
        check_range(f"{key} of {name}", value, 0 <= value < math.inf, "finite and at least 0")


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, tuple):
        return isinstance(value, tuple) and len(value) == len(default)
    if isinstance(default, int):
        return type(value) is int
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(default: Any) -> str:
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, tuple):
        return f"{len(default)} numbers with ':' between them"
    return "a whole number" if isinstance(default, int) else "a number"


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return "0.9" if value is None else str(value).lower()


def momentum_of(name: str) -> str | None:
    """Name the parameter that the setting momentum stands for; None where there is none."""
    if name in OWN:
        return _MOMENTUM_OF_OWN.get(name, "b1")
    parameters = () if name in _OTHER_BETA else inspect.signature(factories()[name]).parameters
    return next((each for each in _MOMENTUM if each in parameters), None)


def make_from_factory(
    name: str,
    rate: Any,
    *,
    weight_decay: Any,
    momentum: Any,
    mask: Callable[[Any], Any],
    options: Mapping[str, Any],
) -> optax.GradientTransformation:
    """Call one of Optax's factories.

    Where it masks weight decay by itself, the decay is the factory's; else it is an L2 penalty.

    Args:
      name: one of `factories()`.
      rate: learning rate, or a function from the step to it.
      weight_decay: >= 0.
      momentum: None for the factory's own.
      mask: from parameters to those that decay.
      options: further arguments.

    Returns:
      The optimizer.
    """
    parameters = inspect.signature(factories()[name]).parameters
    arguments = dict(options)
    if momentum is not None:
        arguments[str(momentum_of(name))] = momentum
    masks = [each for each in _MASKS if each in parameters]
    decays_by_itself = bool(masks) and "weight_decay" in parameters
    if decays_by_itself:
        arguments |= {"weight_decay": weight_decay, masks[0]: mask}
    elif "weight_decay" in parameters:
        arguments["weight_decay"] = 0.0
    if "trust_ratio_mask" in parameters:  # as for lamb
        arguments["trust_ratio_mask"] = decay_mask
    if name in _WANT_A_NUMBER:
        made = optax.chain(factories()[name](1.0, **arguments), optax.scale_by_schedule(rate))
    else:
        made = factories()[name](rate, **arguments)
    if not decays_by_itself:
        made = optax.chain(optax.add_decayed_weights(weight_decay, mask=mask), made)
    return promoting(made)

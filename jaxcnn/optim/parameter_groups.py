"""Parameters by name: which of them decay, at what learning rate, and from which step on."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxcnn.host.text import comma_separated, listed
from jaxcnn.optim.schedules import check_range
from jaxcnn.types import PyTree

# (regular expression, factor on the learning rate) each
Multipliers = Sequence[tuple[str, float]]


def parameter_names(params: PyTree) -> list[str]:
    """List the names of parameters: the keys on the way to each, joined by slashes.

    Args:
      params: tree of arrays or their shapes.

    Returns:
      A name for each leaf, in the order of `jax.tree.leaves`.

    Example:
      >>> parameter_names({"head": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}})
      ['head/bias', 'head/kernel']
    """
    return [_name(path) for path, _ in jax.tree.leaves_with_path(params)]


def _name(path: Iterable[Any]) -> str:
    return "/".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path)


def parse_multipliers(text: str) -> list[tuple[str, float]]:
    """Read factors on learning rates written as PATTERN=FACTOR, comma-separated.

    Args:
      text: patterns are regular expressions without commas, which begin to match at the start of a
        parameter's name.

    Returns:
      (pattern, factor) in the order given.

    Raises:
      ValueError: if a part has another form, its pattern cannot be compiled, or its factor is below
        0.

    Example:
      >>> parse_multipliers("head=1,stage_[34]=0.1,.*=0")
      [('head', 1.0), ('stage_[34]', 0.1), ('.*', 0.0)]
    """
    found = []
    for part in comma_separated(text):
        pattern, _, factor = (word.strip() for word in part.rpartition("="))
        try:
            found.append((pattern, float(factor)))
        except ValueError:
            found.append(("", -1.0))
        if not pattern or not 0 <= found[-1][1] < float("inf"):
            raise ValueError(
                "lr_multipliers must be PATTERN=FACTOR, comma-separated, with factors of at least "
                f"0, e.g. stage_4=1,.*=0.1; got {part!r}."
            )
        _compiled(pattern, "lr_multipliers")
    return found


def check_patterns(patterns: Iterable[str], names: Sequence[str], *, setting: str) -> None:
    """Check that each pattern matches a parameter that none before it matches.

    Args:
      patterns: regular expressions; of those that match a name the first holds.
      names: of all parameters that are trained, as `parameter_names` gives.
      setting: what the message calls them.

    Raises:
      ValueError: if a pattern cannot be compiled or matches nothing; the message lists names.

    Example:
      >>> check_patterns(["head"], ["stem/kernel", "head/kernel"], setting="lr_multipliers")
    """
    left = list(names)
    for pattern in patterns:
        matches = _compiled(pattern, setting).match
        before, left = left, [name for name in left if not matches(name)]
        if any(map(matches, names)) and len(left) == len(before):
            raise ValueError(
                f"{setting}: {pattern!r} matches only parameters that a pattern before it matches, "
                "and the first one holds; write it before that one."
            )
        if not any(map(matches, names)):
            tops = list(dict.fromkeys(name.split("/")[0] for name in names))
            raise ValueError(
                f"{setting}: {pattern!r} matches no parameter that is trained. Names begin with "
                f"{listed(tops, 20)}; one of them is {names[-1]}."
            )


def _compiled(pattern: str, setting: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"{setting}: {pattern!r} is no regular expression ({error}); write dots and brackets "
            "that stand for themselves as \\. and \\[."
        ) from None


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


def name_mask(pattern: str) -> Callable[[PyTree], PyTree]:
    """Make a mask like `decay_mask` that is True on parameters whose name matches.

    Args:
      pattern: regular expression, which begins to match at the start of a name.

    Returns:
      A function from a tree of arrays to the same tree of bool.

    Example:
      >>> name_mask("head")({"stem": jnp.ones(1), "head": jnp.ones(1)})
      {'head': True, 'stem': False}
    """
    matches = _compiled(pattern, "pattern").match
    return lambda params: jax.tree.map_with_path(lambda path, _: bool(matches(_name(path))), params)


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


def scale_layers(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Multiply the updates of each layer at the top of the parameter tree by its factor."""
    return _scale_names(lambda name: factors[name.split("/")[0]])


def factor_of(name: str, multipliers: Multipliers) -> float:
    """Give a parameter's factor on the learning rate.

    Args:
      name: of the parameter.
      multipliers: (pattern, factor) each.

    Returns:
      The factor of the first pattern that matches the start of the name; 1 where none does.

    Raises:
      ValueError: if a pattern cannot be compiled.

    Example:
      >>> factor_of("head/bias", [("head", 0.5), (".*", 0.0)])
      0.5
    """
    found = (factor for pattern, factor in multipliers if _compiled(pattern, "pattern").match(name))
    return next(found, 1.0)


def scale_matching(multipliers: Multipliers) -> optax.GradientTransformation:
    """Multiply the update of each parameter by `factor_of` its name."""
    return _scale_names(lambda name: factor_of(name, multipliers))


def _scale_names(factor_of: Callable[[str], float]) -> optax.GradientTransformation:
    def scale(path: Any, update: jax.Array) -> jax.Array:
        factor = factor_of(_name(path))
        return factor * update if factor else jnp.zeros_like(update)

    return optax.stateless(lambda updates, _: jax.tree.map_with_path(scale, updates))


def unfreeze(start_steps: Mapping[str, int]) -> optax.GradientTransformation:
    """Hold each layer at the top of the parameter tree until a step.

    Args:
      start_steps: {name: number of updates before its first}.

    Returns:
      A transformation that makes earlier updates zero.
    """

    def init(params: optax.Params) -> jax.Array:
        return jnp.zeros((), jnp.int32)

    def update(
        updates: optax.Updates, count: Any, params: optax.Params | None = None
    ) -> tuple[optax.Updates, Any]:
        def hold(path: Any, u: jax.Array) -> jax.Array:
            begins = start_steps.get(_name(path).split("/")[0], 0)
            return jnp.where(count >= begins, u, jnp.zeros_like(u))

        return jax.tree.map_with_path(hold, updates), count + 1

    return optax.GradientTransformation(init, update)

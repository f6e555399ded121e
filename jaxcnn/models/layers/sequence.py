"""Layers one after the other."""

import inspect
from collections.abc import Callable

import flax.linen as nn
import jax


def in_turn(*layers: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Put modules and functions one after the other.

    Args:
      *layers: each maps what the one before it gives.

    Returns:
      A function of `x` and, by keyword, `train`, which those layers are told that take it.
    """

    def apply(x: jax.Array, *, train: bool) -> jax.Array:
        for layer in layers:
            takes_train = "train" in inspect.signature(layer).parameters
            x = layer(x, train=train) if takes_train else layer(x)
        return x

    return apply


class InTurn(nn.Module, kw_only=True):
    """Modules one after the other, their variables under one name.

    Attributes:
      make_layers: makes each of them, in order.
    """

    make_layers: tuple[Callable[[], nn.Module], ...]

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', C')."""
        return in_turn(*(make() for make in self.make_layers))(x, train=train)

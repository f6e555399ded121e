"""What stands on the branch of a residual block."""

import itertools
from collections.abc import Sequence

import flax.linen as nn
import jax
import numpy as np
from jax import lax


class DropPath(nn.Module, kw_only=True):
    """Stochastic depth: drop a whole residual branch, for each example by itself.

    What stays is divided by the probability of staying, so that evaluation needs no factor. Draws
    from the RNG collection 'dropout'.

    Attributes:
      rate: probability that the branch is dropped, in [0, 1).

    Source: Huang et al. 2016, arXiv:1603.09382; deviation: scaled in training, not in evaluation.
    """

    rate: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, ...) to the same shape."""
        axes = tuple(range(1, x.ndim))
        return nn.Dropout(self.rate, broadcast_dims=axes, deterministic=not train)(x)


def drop_path_rates(last_rate: float, stage_sizes: Sequence[int]) -> list[tuple[float, ...]]:
    """List the rates of all blocks: a line from 0 at the first block to `last_rate` at the last.

    Args:
      last_rate: probability that the last block's branch is dropped, in [0, 1).
      stage_sizes: number of blocks of each stage.

    Returns:
      The rates of each stage's blocks.

    Example:
      >>> drop_path_rates(0.5, (2, 1))
      [(0.0, 0.25), (0.5,)]

    Source: Huang et al. 2016, arXiv:1603.09382, section 3.
    """
    rates = iter(np.linspace(0, last_rate, sum(stage_sizes)).tolist())
    return [tuple(itertools.islice(rates, size)) for size in stage_sizes]


class LayerScale(nn.Module, kw_only=True):
    """Multiply each channel of a branch by a factor that is trained.

    Attributes:
      initial: value of all factors; small, so that the block starts near the identity.

    Source: Touvron et al. 2021, arXiv:2103.17239, section 2.
    """

    initial: float = 1e-6

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (..., C) to its shape and dtype."""
        factor = self.param("factor", nn.initializers.constant(self.initial), x.shape[-1:])
        return x * lax.broadcast_to_rank(factor.astype(x.dtype), x.ndim)

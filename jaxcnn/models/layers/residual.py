"""What stands on the branch of a residual block."""

import flax.linen as nn
import jax


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

"""Squeeze and excitation, and the rounding of widths that its networks use."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models.layers.batch_norm import ACTIVATIONS


def make_divisible(width: float, divisor: int = 8) -> int:
    """Round a scaled number of channels to a multiple, but down by no more than a tenth.

    Args:
      width: number of channels times a multiplier.
      divisor: of the result; also the least result.

    Returns:
      The nearest multiple, or the next one where that loses more than a tenth.

    Example:
      >>> make_divisible(32 * 0.75), make_divisible(16 * 0.7)
      (24, 16)

    Source: _make_divisible of TensorFlow slim's mobilenet; also torchvision's and timm's.
    """
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


class SqueezeExcite(nn.Module, kw_only=True):
    """Weigh each channel by a gate computed from the mean of all channels.

    Attributes:
      width: channels of the squeezed vector, as they are; see `make_divisible`.
      activation: a name in `ACTIVATIONS`, of the squeezed vector.
      gate: a name in `ACTIVATIONS`, of the gate.
      dtype: of the computation; parameters are float32.

    Source: Hu et al. 2018, arXiv:1709.01507, section 3.
    """

    width: int
    activation: str = "relu"
    gate: str = "hard_sigmoid"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to the same shape."""
        mean = x.mean(axis=(1, 2), keepdims=True)
        squeezed = nn.Conv(self.width, (1, 1), dtype=self.dtype, name="reduce")(mean)
        squeezed = ACTIVATIONS[self.activation](squeezed)
        weight = nn.Conv(x.shape[-1], (1, 1), dtype=self.dtype, name="expand")(squeezed)
        return x * ACTIVATIONS[self.gate](weight)

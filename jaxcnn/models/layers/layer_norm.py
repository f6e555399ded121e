"""Normalisations that see one example at a time: over the channels of a pixel, over the pixels."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax


class LayerNorm(nn.Module, kw_only=True):
    """Normalise each pixel by the mean and variance of its channels, then scale and shift.

    XLA makes two passes of it on a CPU, within 10 % of the fused forms that were tried.

    Attributes:
      epsilon: added to the variance.

    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (..., C) to its shape and dtype, computed in float32."""
        scale, bias = _scale_and_bias(self, x, nn.initializers.ones)
        wide = x.astype(jnp.float32)
        centred = wide - wide.mean(axis=-1, keepdims=True)
        variance = jnp.square(centred).mean(axis=-1, keepdims=True)
        return (centred * lax.rsqrt(variance + self.epsilon) * scale + bias).astype(x.dtype)


class GlobalResponseNorm(nn.Module, kw_only=True):
    """Scale each channel by its energy over the image, relative to that of the other channels.

    x + scale * x * n + bias, where n is the channel's L2 norm over all pixels, divided by the mean
    of the norms of all channels. Scale and bias start at 0, so the layer starts as the identity.

    Attributes:
      epsilon: added to the mean of the norms.

    Source: Woo et al. 2023, arXiv:2301.00808, section 3.2, algorithm 1.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to its shape and dtype, computed in float32."""
        scale, bias = _scale_and_bias(self, x, nn.initializers.zeros)
        wide = x.astype(jnp.float32)
        norms = _norm_over_pixels(wide)
        relative = norms / (norms.mean(axis=-1, keepdims=True) + self.epsilon)
        return (wide * (1 + scale * relative) + bias).astype(x.dtype)


def _scale_and_bias(
    module: nn.Module, x: jax.Array, scale_init: nn.initializers.Initializer
) -> tuple[jax.Array, jax.Array]:
    """Make the parameters of a layer, (C,) each, and give them the rank of `x`."""
    scale = module.param("scale", scale_init, x.shape[-1:])
    bias = module.param("bias", nn.initializers.zeros, x.shape[-1:])
    return lax.broadcast_to_rank(scale, x.ndim), lax.broadcast_to_rank(bias, x.ndim)


def _norm_over_pixels(x: jax.Array) -> jax.Array:
    """Give (B, 1, 1, C); the gradient is 0, not NaN, where a channel is 0 everywhere."""
    energy = jnp.square(x).sum(axis=(1, 2), keepdims=True)
    is_zero = energy == 0
    return jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, energy)))

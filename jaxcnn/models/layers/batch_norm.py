"""BatchNorm with the activation after it, as one layer."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.batch_norm import batch_norm as normalize_batch, normalize
from jaxcnn.ops.conv_layer import gelu
from jaxcnn.ops.lowering import uses_stock_ops

ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "relu6": nn.relu6,
    "leaky_relu": nn.leaky_relu,
    "elu": nn.elu,
    "gelu": gelu,
    "gelu_tanh": functools.partial(nn.gelu, approximate=True),
    "silu": nn.silu,
    "hard_swish": nn.hard_swish,
    "hard_sigmoid": nn.hard_sigmoid,
    "linear": lambda x: x,
    "tanh": nn.tanh,
    "sigmoid": nn.sigmoid,
}


class BatchNorm(NamedTuple):
    """The constants of a BatchNorm layer, from the paper or the source of the weights.

    The defaults are PyTorch's; its momentum of 0.1 weighs the new batch, this one the old average.

    Source: torch.nn.BatchNorm2d (momentum=0.1, eps=1e-5); Ioffe & Szegedy 2015, arXiv:1502.03167.
    """

    momentum: float = 0.9  # share of the average that a step keeps, in [0, 1)
    epsilon: float = 1e-5  # added to the variance
    frozen: bool = False  # normalise by the averages, and keep them, in training too
    folded: bool = False  # other parameters do its work, see `models.folding`


class BatchNormLayer(nn.Module, kw_only=True):
    """BatchNorm and the activation after it, with the variables of Flax's `nn.BatchNorm`.

    Attributes:
      constants: momentum and epsilon, and whether the averages are frozen.
      activation: a name in `ACTIVATIONS`.
      scale_init: initial scale; zeros make a residual branch start as the identity.
    """

    constants: BatchNorm = BatchNorm()
    activation: str = "linear"
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (..., C) to its shape and dtype, computed in float32.

        In training by the batch's statistics, which move the averages in 'batch_stats'; else by
        the averages.
        """
        shape = x.shape[-1:]
        scale = self.param("scale", self.scale_init, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        averages = (
            self.variable("batch_stats", "mean", jnp.zeros, shape),
            self.variable("batch_stats", "var", jnp.ones, shape),
        )
        epsilon = self.constants.epsilon
        activation = ACTIVATIONS[self.activation]
        if self.constants.frozen or not train:
            kept = (average.value for average in averages)
            normal = normalize(x, scale, bias, *kept, epsilon=epsilon)
            return activation(normal).astype(x.dtype)
        result, *of_batch = normalize_batch(x, scale, bias, epsilon=epsilon, activation=activation)
        if not self.is_initializing():
            momentum = self.constants.momentum
            for average, value in zip(averages, of_batch, strict=True):
                average.value = momentum * average.value + (1 - momentum) * value
        return result


class AffineLayer(nn.Module, kw_only=True):
    """What is left of a folded BatchNorm that follows no convolution: a factor and a shift.

    Attributes:
      activation: a name in `ACTIVATIONS`.
    """

    activation: str = "linear"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (..., C) to its shape and dtype, computed in float32."""
        shape = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        scale, bias = (lax.broadcast_to_rank(channels, x.ndim) for channels in (scale, bias))
        return ACTIVATIONS[self.activation](x.astype(jnp.float32) * scale + bias).astype(x.dtype)


def batch_norm(
    x: jax.Array,
    *,
    train: bool,
    name: str,
    constants: BatchNorm = BatchNorm(),  # noqa: B008, an immutable tuple
    activation: str = "linear",
    scale_init: nn.initializers.Initializer = nn.initializers.ones,
) -> jax.Array:
    """Apply a BatchNorm layer and an activation; to be called inside a compact method.

    Args:
      x: (..., C), normalised in float32 whatever its dtype.
      train: whether to normalise by the batch (and move the averages, in 'batch_stats'), or by the
        averages.
      name: of the layer in the parameter tree.
      constants: momentum and epsilon, and whether the averages are frozen or folded.
      activation: a name in `ACTIVATIONS`.
      scale_init: initial scale; zeros make a residual branch start as the identity.

    Returns:
      Shape and dtype of `x`.
    """
    if constants.folded:
        return AffineLayer(activation=activation, name=name)(x)
    if uses_stock_ops():
        stock = nn.BatchNorm(
            use_running_average=constants.frozen or not train,
            momentum=constants.momentum,
            epsilon=constants.epsilon,
            scale_init=scale_init,
            name=name,
        )
        # Flax computes in float32 in any case; the cast spares an implicit promotion.
        return ACTIVATIONS[activation](stock(x.astype(jnp.float32)).astype(x.dtype))
    layer = BatchNormLayer(
        constants=constants, activation=activation, scale_init=scale_init, name=name
    )
    return layer(x, train=train)

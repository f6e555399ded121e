"""Linear layers on vectors, and the head that makes logits."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models.layers.batch_norm import ACTIVATIONS
from jaxcnn.models.layers.convolution import kernel_init, promote
from jaxcnn.ops.convolution import dot_general

Dense = functools.partial(nn.Dense, dot_general=dot_general, promote_dtype=promote)


class HiddenLinear(nn.Module, kw_only=True):
    """Dropout, a linear layer on all that comes in, activation.

    Attributes:
      width: number of units.
      dropout_rate: probability that an input is dropped in training, in [0, 1).
      activation: a name in `ACTIVATIONS`.
      kernel_init: initial kernel; by default as suits the activation.
      dtype: of the computation; parameters are float32.
    """

    width: int
    dropout_rate: float = 0.0
    activation: str = "relu"
    kernel_init: nn.initializers.Initializer | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, D) or (B, H, W, C), whose pixels are laid in a row, to (B, width)."""
        x = nn.Dropout(self.dropout_rate, deterministic=not train, name="dropout")(x)
        init = self.kernel_init or kernel_init(self.activation)
        linear = Dense(self.width, kernel_init=init, dtype=self.dtype, name="linear")
        return ACTIVATIONS[self.activation](linear(x.reshape(x.shape[0], -1)))


class Head(nn.Module, kw_only=True):
    """Dropout, then the linear layer that makes logits; in float32, whatever comes in.

    Attributes:
      num_classes: number of classes.
      kind: "sigmoid" for a single logit, that of class 1; else one logit per class.
      dropout_rate: probability that a feature is dropped in training.
    """

    num_classes: int
    kind: str = "softmax"
    dropout_rate: float = 0.0

    @nn.compact
    def __call__(self, features: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, D) features to (B, num_classes) or (B, 1) float32 logits."""
        features = features.astype(jnp.float32)
        features = nn.Dropout(self.dropout_rate, deterministic=not train, name="dropout")(features)
        num_logits = 1 if self.kind == "sigmoid" else self.num_classes
        return nn.Dense(num_logits, name="linear")(features)

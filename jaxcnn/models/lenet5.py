"""LeNet-5, the convolutional network for 32x32 digits, with its own subsampling and sparse C3."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.models.layers import in_turn
from jaxcnn.models.staged import Stage, StagedNetwork
from jaxcnn.ops.pooling import avg_pool

# Table I of the paper: for each map of C3, the maps of S2 that it is connected to.
_CONNECTIONS = """
    012 123 234 345 045 015
    0123 1234 2345 0345 0145 0125
    0134 1245 0235 012345
"""
C3_INPUTS = tuple(tuple(map(int, maps)) for maps in _CONNECTIONS.split())
_KERNEL_SIZE = 5
_INIT = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


def scaled_tanh(x: jax.Array) -> jax.Array:
    """Squash: 1.7159 tanh(2x/3), so that +-1 map to +-1 and the gain is near 1 between them.

    Args:
      x: any shape, floating.

    Returns:
      Shape and dtype of `x`, in (-1.7159, 1.7159).

    Source: LeCun et al. 1998, appendix A.
    """
    return 1.7159 * jnp.tanh(2 / 3 * x)


class Subsampling(nn.Module, kw_only=True):
    """Sum each 2x2 window, times a coefficient, plus a bias; both are trainable, one per map.

    The coefficient starts at 1/4, so that the layer starts as the mean.

    Attributes:
      dtype: of the computation; parameters are float32.

    Source: LeCun et al. 1998, section II.B, layers S2 and S4.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to (B, H // 2, W // 2, C)."""
        num_maps = x.shape[-1]
        coefficient = self.param("coefficient", nn.initializers.constant(0.25), (num_maps,))
        bias = self.param("bias", nn.initializers.zeros, (num_maps,))
        total = 4 * avg_pool(x, window=2)
        per_map = (1, 1, 1, num_maps)
        coefficient, bias = (v.astype(self.dtype).reshape(per_map) for v in (coefficient, bias))
        return total * coefficient + bias


class SparseConv(nn.Module, kw_only=True):
    """Convolution without padding in which each output map sees only some of the input maps.

    Only the kernels of existing connections are parameters: (5, 5, number of connections).

    Attributes:
      inputs: for each output map, the input maps that it is connected to.
      dtype: of the computation; parameters are float32.
    """

    inputs: tuple[tuple[int, ...], ...]
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to (B, H - 4, W - 4, len(inputs))."""
        num_maps = len(self.inputs)
        source = np.concatenate(self.inputs)
        target = np.repeat(np.arange(num_maps), [len(maps) for maps in self.inputs])
        fan_in = _KERNEL_SIZE**2 * np.bincount(target)[target]

        def init(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            scale = jnp.asarray(fan_in**-0.5, jnp.float32).reshape(1, 1, -1)
            return scale * jax.random.normal(key, shape)

        kernel = self.param("kernel", init, (_KERNEL_SIZE, _KERNEL_SIZE, len(source)))
        bias = self.param("bias", nn.initializers.zeros, (num_maps,))
        dense = jnp.zeros((_KERNEL_SIZE, _KERNEL_SIZE, x.shape[-1], num_maps))
        dense = dense.at[:, :, source, target].set(kernel)
        x = lax.conv_general_dilated(
            x.astype(self.dtype),
            dense.astype(self.dtype),
            window_strides=(1, 1),
            padding="VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return x + bias.astype(self.dtype).reshape(1, 1, 1, num_maps)


class LeNet5(StagedNetwork, kw_only=True):
    """LeNet-5: C1, S2, C3, S4, C5 and F6 as published, each squashed, then a linear layer.

    For 32x32 images of one channel the layers up to F6 have the published 60,000 trainable
    parameters. Larger images and more channels are accepted: C5's maps are then larger than 1x1,
    or C1's kernels deeper, and F6 sees all of C5. The stages are c1, s2, c3, s4, c5 and f6; the
    attributes those of `StagedNetwork`.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or below 32 px a side.

    Example:
      >>> model = LeNet5(num_classes=10)
      >>> images = jnp.zeros((1, 32, 32, 1))
      >>> params = jax.eval_shape(
      ...     lambda key: model.init(key, images, train=False), jax.random.key(0)
      ... )["params"]
      >>> sum(v.size for name in params if name != "head" for v in params[name].values())
      60000

    Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document
    recognition", section II.B; deviations: a linear output layer with a bias in place of the
    Euclidean radial basis functions on fixed bitmaps; normal initial weights of standard
    deviation fan_in**-0.5 (LeCun et al. 1998, "Efficient BackProp", section 4.6, made for this
    squashing function) in place of uniform ones in +-2.4 / fan_in.
    """

    smallest_image_px = 32

    def stages(self) -> Sequence[Stage]:
        """List C1, S2, C3, S4, C5 and F6."""
        convolution = functools.partial(
            nn.Conv,
            kernel_size=(_KERNEL_SIZE, _KERNEL_SIZE),
            padding="VALID",
            kernel_init=_INIT,
            dtype=self.dtype,
        )
        s2, s4 = (Subsampling(dtype=self.dtype, name=name) for name in ("s2", "s4"))
        c3 = SparseConv(inputs=C3_INPUTS, dtype=self.dtype, name="c3")
        f6 = nn.Dense(84, kernel_init=_INIT, dtype=self.dtype, name="f6")
        return [
            Stage("c1", 1, in_turn(convolution(6, name="c1"), scaled_tanh)),
            Stage("s2", 2, in_turn(s2, scaled_tanh)),
            Stage("c3", 2, in_turn(c3, scaled_tanh)),
            Stage("s4", 4, in_turn(s4, scaled_tanh)),
            Stage("c5", 4, in_turn(convolution(120, name="c5"), scaled_tanh)),
            Stage("f6", 0, in_turn(lambda x: x.reshape(x.shape[0], -1), f6, scaled_tanh)),
        ]


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "lenet5": LeNet5,
}

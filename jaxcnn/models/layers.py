"""The layers that networks share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.models.batch_norm import ACTIVATIONS, BatchNorm, batch_norm
from jaxcnn.ops.conv_layer import ACTIVATIONS as FUSED, conv_layer
from jaxcnn.ops.convolution import conv_general_dilated, dot_general
from jaxcnn.ops.pooling import avg_pool, max_pool

POOLINGS: Mapping[str, Callable[..., jax.Array]] = {
    "max": max_pool,
    "avg": functools.partial(avg_pool, count_include_pad=False),
}
PADDINGS = ("same", "valid")
# With a stride of 2 these two differ: PyTorch pads both sides alike, TensorFlow so that the output
# is the input over the stride, rounded up, with more at the end. Weights keep to what they had.
PADDINGS_OF_ORIGINS = ("symmetric", "same")


def _promote(*arrays: jax.Array | None, dtype: Any = None, inexact: bool = True) -> list[Any]:
    """Cast inputs, kernel and bias to a dtype, but for a float32 kernel that would be rounded.

    The operation rounds it, so that its gradient is added up in float32 and stays so.
    """
    kernel = arrays[1]
    cast = nn.dtypes.promote_dtype(*arrays, dtype=dtype, inexact=inexact)
    keeps = kernel is not None and kernel.dtype == jnp.float32 and cast[1].dtype.itemsize < 4
    return [cast[0], kernel if keeps else cast[1], cast[2]]


Conv = functools.partial(nn.Conv, conv_general_dilated=conv_general_dilated, promote_dtype=_promote)
Dense = functools.partial(nn.Dense, dot_general=dot_general, promote_dtype=_promote)


class FoldedConv(nn.Module):
    """A convolution that does BatchNorm's work, and its activation: for evaluation.

    Attributes, with the variables of Flax's `nn.Conv`:
      features: number of output channels.
      kernel_size: height and width, px.
      activation: a name in `ACTIVATIONS`.
      strides: step of the kernel, px.
      padding: as `conv_layer.conv_layer` takes it.
      feature_group_count: number of groups of channels.
      kernel_init: initial kernel.
      dtype: of the computation; parameters are float32.
    """

    features: int
    kernel_size: tuple[int, int]
    activation: str
    strides: int
    padding: str | tuple[tuple[int, int], tuple[int, int]]
    feature_group_count: int
    kernel_init: nn.initializers.Initializer
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, addend: jax.Array | None = None) -> jax.Array:
        """Map (B, H, W, C), and what is added before the activation, to (B, H', W', features)."""
        shape = (*self.kernel_size, x.shape[-1] // self.feature_group_count, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, shape[3:])
        fused = self.activation if self.activation in FUSED else "linear"
        x, kernel, bias = _promote(x, kernel, bias, dtype=self.dtype)
        result = conv_layer(
            x,
            kernel,
            bias,
            self.strides,
            self.padding,
            groups=self.feature_group_count,
            addend=addend,
            activation=fused,
        )
        return result if fused == self.activation else ACTIVATIONS[self.activation](result)


def kernel_init(activation: str) -> nn.initializers.Initializer:
    """Choose the initial weights that keep the signal's variance through `activation`.

    Args:
      activation: a name in `ACTIVATIONS`.

    Returns:
      Glorot uniform for the saturating tanh and sigmoid, He normal for the others.

    Source: He et al. 2015, arXiv:1502.01852, section 2.2; Glorot & Bengio 2010, section 4.2.1.
    """
    if activation in ("tanh", "sigmoid"):
        return nn.initializers.glorot_uniform()
    return nn.initializers.he_normal()


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


class ConvBlock(nn.Module, kw_only=True):
    """Convolution, optional BatchNorm, activation.

    Attributes:
      width: number of output channels.
      kernel_size: height and width of the kernel in px, one int for both.
      strides: step of the kernel in px.
      padding: "same" (TensorFlow's), "valid", "symmetric" (PyTorch's: (kernel - 1) // 2 px on every
        side), or that number of px for every side.
      groups: number of groups of channels that are convolved separately.
      activation: a name in `ACTIVATIONS`; "linear" for none.
      use_batch_norm: whether BatchNorm stands between the two; the convolution then has no bias,
        since BatchNorm would subtract it again.
      use_bias: whether the convolution has a bias; None for "where there is no BatchNorm".
      bn: the constants of BatchNorm.
      zero_init_scale: whether BatchNorm's scale starts at zero.
      kernel_init: initial kernel; by default as suits the activation.
      dtype: of the computation; parameters are float32.
    """

    width: int
    kernel_size: int | tuple[int, int] = 3
    strides: int = 1
    padding: str | int = "same"
    groups: int = 1
    activation: str = "relu"
    use_batch_norm: bool = False
    use_bias: bool | None = None
    bn: BatchNorm = BatchNorm()
    zero_init_scale: bool = False
    kernel_init: nn.initializers.Initializer | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, addend: jax.Array | None = None) -> jax.Array:
        """Map (B, H, W, C), and what is added before the activation, to (B, H', W', width)."""
        height, width = np.broadcast_to(self.kernel_size, 2).tolist()
        options: dict[str, Any] = {
            "strides": self.strides,
            "padding": conv_padding(self.padding, (height, width)),
            "feature_group_count": self.groups,
            "kernel_init": self.kernel_init or kernel_init(self.activation),
            "dtype": self.dtype,
            "name": "conv",
        }
        if self.use_batch_norm and self.bn.folded:
            options["activation"] = self.activation
            return FoldedConv(self.width, (height, width), **options)(x, addend)
        use_bias = not self.use_batch_norm if self.use_bias is None else self.use_bias
        x = Conv(self.width, (height, width), use_bias=use_bias, **options)(x)
        activation = self.activation if addend is None else "linear"
        if self.use_batch_norm:
            x = batch_norm(
                x,
                train=train,
                name="bn",
                constants=self.bn,
                activation=activation,
                scale_init=nn.initializers.zeros if self.zero_init_scale else nn.initializers.ones,
            )
        else:
            x = ACTIVATIONS[activation](x)
        return x if addend is None else ACTIVATIONS[self.activation](x + addend)


conv_bn = functools.partial(ConvBlock, use_batch_norm=True)


def conv_padding(
    padding: str | int, kernel_size: tuple[int, int]
) -> str | tuple[tuple[int, int], tuple[int, int]]:
    """Turn a name of padding, or px, into what convolutions take.

    Args:
      padding: "same", "valid", "symmetric", or px on every side.
      kernel_size: height and width, px.

    Returns:
      "SAME", "VALID", or (before, after) for each of H and W, px.

    Example:
      >>> conv_padding("symmetric", (1, 7))
      ((0, 0), (3, 3))
    """
    if isinstance(padding, int):
        return ((padding, padding), (padding, padding))
    if padding != "symmetric":
        return padding.upper()
    height, width = ((size - 1) // 2 for size in kernel_size)
    return ((height, height), (width, width))


def max_pool_like_torch(
    x: jax.Array, *, size: int, stride: int, padding: int = 0, ceil_mode: bool = False
) -> jax.Array:
    """Take the maximum of windows, as torch.nn.MaxPool2d lays them.

    Args:
      x: (B, H, W, C).
      size: height and width of the window, px.
      stride: step of the window, px.
      padding: px on every side.
      ceil_mode: whether a last window that hangs over the end counts, unless it would start in the
        padding there.

    Returns:
      (B, H', W', C).
    """
    pads = tuple(
        (padding, padding + _overhang(n, size, stride, padding) * ceil_mode) for n in x.shape[1:3]
    )
    return max_pool(x, window=size, strides=stride, padding=pads)


def _overhang(size_px: int, window: int, stride: int, padding: int) -> int:
    """Px by which a last, incomplete window hangs over the padded end."""
    rest = (size_px + 2 * padding - window) % stride
    last_start = size_px + 2 * padding - window - rest + stride
    return stride - rest if rest and last_start < size_px + padding else 0


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


class SqueezeExcite(nn.Module, kw_only=True):
    """Weigh each channel by a gate computed from the mean of all channels.

    Attributes:
      width: channels of the squeezed vector.
      gate: a name in `ACTIVATIONS`, of the gate.
      dtype: of the computation; parameters are float32.

    Source: Hu et al. 2018, arXiv:1709.01507, section 3.
    """

    width: int
    gate: str = "hard_sigmoid"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to the same shape."""
        mean = x.mean(axis=(1, 2), keepdims=True)
        squeezed = nn.relu(nn.Conv(self.width, (1, 1), dtype=self.dtype, name="reduce")(mean))
        weight = nn.Conv(x.shape[-1], (1, 1), dtype=self.dtype, name="expand")(squeezed)
        return x * ACTIVATIONS[self.gate](weight)


class Pool(nn.Module, kw_only=True):
    """Pooling; a module only so that summaries and feature maps show it.

    Attributes:
      kind: a name in `POOLINGS`.
      size: height and width of the window in px.
      stride: step of the window in px.
      padding: "valid" drops a remainder that fills no window; with "same" it has a window of its
        own, whose padding does not count.
    """

    kind: str = "max"
    size: int = 2
    stride: int = 2
    padding: str = "valid"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', C)."""
        pool = POOLINGS[self.kind]
        return pool(x, window=self.size, strides=self.stride, padding=self.padding.upper())


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

"""The layers that networks share, and the checks on their options."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.ops.convolution import conv_general_dilated
from jaxcnn.ops.pooling import avg_pool, max_pool
from jaxcnn.registry import unknown_name

# PyTorch's defaults, on which most published recipes and weights rest. PyTorch's momentum of 0.1
# weighs the new batch; Flax's weighs the old average, hence 0.9.
# Source: torch.nn.BatchNorm2d (momentum=0.1, eps=1e-5); Ioffe & Szegedy 2015, arXiv:1502.03167.
BATCH_NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = 1e-5

ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "relu6": nn.relu6,
    "leaky_relu": nn.leaky_relu,
    "elu": nn.elu,
    "gelu": nn.gelu,
    "silu": nn.silu,
    "hard_swish": nn.hard_swish,
    "tanh": nn.tanh,
    "sigmoid": nn.sigmoid,
}
POOLINGS: Mapping[str, Callable[..., jax.Array]] = {"max": max_pool, "avg": avg_pool}
PADDINGS = ("same", "valid")
HEADS = ("softmax", "sigmoid")


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


def batch_norm(x: jax.Array, *, train: bool, name: str) -> jax.Array:
    """Apply a BatchNorm layer with PyTorch's constants; to be called inside a compact method.

    Args:
      x: (..., C), normalised in float32 whatever its dtype.
      train: whether to normalise by the batch (and move the averages, in 'batch_stats'), or by the
        averages.
      name: of the layer in the parameter tree.

    Returns:
      Shape and dtype of `x`.
    """
    layer = nn.BatchNorm(
        use_running_average=not train,
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=BATCH_NORM_EPSILON,
        name=name,
    )
    # Flax computes in float32 in any case; the cast is fused, and spares an implicit promotion.
    return layer(x.astype(jnp.float32)).astype(x.dtype)


class ConvBlock(nn.Module, kw_only=True):
    """Convolution, optional BatchNorm, activation.

    Attributes:
      width: number of output channels.
      kernel_size: height and width of the kernel in px.
      strides: step of the kernel in px.
      padding: "same" or "valid".
      activation: a name in `ACTIVATIONS`.
      use_batch_norm: whether BatchNorm stands between the two; the convolution then has no bias,
        since BatchNorm would subtract it again.
      dtype: of the computation; parameters are float32.
    """

    width: int
    kernel_size: int = 3
    strides: int = 1
    padding: str = "same"
    activation: str = "relu"
    use_batch_norm: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', width)."""
        x = nn.Conv(
            self.width,
            (self.kernel_size, self.kernel_size),
            strides=self.strides,
            padding=self.padding.upper(),
            use_bias=not self.use_batch_norm,
            kernel_init=kernel_init(self.activation),
            dtype=self.dtype,
            conv_general_dilated=conv_general_dilated,
            name="conv",
        )(x)
        if self.use_batch_norm:
            x = batch_norm(x, train=train, name="bn")
        return ACTIVATIONS[self.activation](x)


class Pool(nn.Module, kw_only=True):
    """Pooling without padding; a module only so that summaries and feature maps show it.

    Attributes:
      kind: a name in `POOLINGS`.
      size: height and width of the window in px.
      stride: step of the window in px.
    """

    kind: str = "max"
    size: int = 2
    stride: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', C)."""
        return POOLINGS[self.kind](x, window=self.size, strides=self.stride, padding="VALID")


class Head(nn.Module, kw_only=True):
    """Dropout, then the linear layer that makes logits; in float32, whatever comes in.

    Attributes:
      num_classes: number of classes.
      kind: "softmax" for one logit a class, "sigmoid" for a single logit, that of class 1.
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


def check_name(option: str, name: str, known: Iterable[str]) -> None:
    """Raise a ValueError that lists the known names unless `name` is one of them."""
    if name not in known:
        raise unknown_name(option, name, known)


def check_positive_int(option: str, *values: int) -> None:
    """Raise a ValueError unless every value is an int of at least 1."""
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{option} must be positive ints, got {value!r}.")


def check_head(num_classes: int, head: str, dropout_rate: float = 0.0) -> None:
    """Raise a ValueError unless `Head` can be made of these options."""
    check_positive_int("num_classes", num_classes)
    check_name("head", head, HEADS)
    if num_classes < 2:
        raise ValueError(f"num_classes (={num_classes}) must be at least 2.")
    if head == "sigmoid" and num_classes != 2:
        raise ValueError(
            f"head='sigmoid' gives one logit for two classes, but num_classes={num_classes}; "
            "use head='softmax'."
        )
    if not 0.0 <= dropout_rate < 1.0:
        raise ValueError(f"dropout_rate (={dropout_rate}) must lie in [0, 1); 0 turns dropout off.")


def check_dtype(dtype: Any) -> None:
    """Raise a ValueError unless `dtype` is one that networks compute in."""
    known = ("float32", "bfloat16", "float16")
    try:
        name = jnp.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    check_name("dtype", name, known)


def check_images(images: jax.Array) -> None:
    """Raise a ValueError unless `images` are floating (B, H, W, C)."""
    if images.ndim != 4:
        raise ValueError(
            f"images must be (B, H, W, C), got shape {images.shape}; add the missing axes."
        )
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(
            f"images must be normalised floats, got {images.dtype}; divide by 255, subtract the "
            "mean and divide by the standard deviation first."
        )

"""Six 3x3 convolutions with pooling, for small photos of two or more classes."""

from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax

from jaxcnn.models import checks, layers
from jaxcnn.models.staged import Stage, StagedNetwork

GLOBAL_POOLINGS = ("none", "average")


class SixConv(StagedNetwork, kw_only=True):
    """Blocks of convolution, activation and pooling, then dense layers, dropout and a linear layer.

    The defaults are six 3x3 convolutions with 2x2 max pooling for 150x150 photos. Any image size
    and number of channels that the pooling leaves a pixel of will do. With `batch_norm=True`,
    `global_pooling="average"`, `dense_widths=()` and `dropout_rate=0.4` there are no large dense
    layers, and training from scratch generalises better.

    Dropout (RNG collection 'dropout') acts once, on the input of the last layer. The 'batch_stats'
    collection exists only with `batch_norm`. The stages are block_1, block_2, ... and dense_1, ...

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      widths: channels of each convolution.
      width_multiplier: factor on `widths`, rounded, at least 1 channel; below 1 is smaller.
      depth: number of convolution blocks; uses the first `depth` of `widths`.
      kernel_size: height and width of the kernels in px.
      dense_widths: units of each hidden dense layer; () for none.
      dropout_rate: probability that a feature is dropped in training, in [0, 1).
      padding: "same" keeps the image size in a convolution, "valid" trims kernel_size - 1 px.
      pooling: "max" or "avg".
      pool_size: height and width of the pooling window in px.
      pool_stride: step of the pooling window in px.
      pool_padding: "valid" drops a remainder that fills no pooling window, "same" pools it too.
      activation: of convolutions and dense layers: "relu", "relu6", "leaky_relu", "elu", "gelu",
        "silu", "hard_swish", "hard_sigmoid", "tanh" or "linear".
      batch_norm: whether BatchNorm stands between convolution (then without bias) and activation.
      global_pooling: "none" flattens the last feature map, "average" takes its mean over pixels.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C) or too small for the blocks.

    Example:
      >>> model = SixConv(num_classes=2)
      >>> images = jax.numpy.zeros((4, 150, 150, 3))
      >>> logits, variables = jax.eval_shape(
      ...     lambda key: model.init_with_output(key, images, train=False), jax.random.key(0)
      ... )
      >>> logits.shape
      (4, 2)
    """

    widths: tuple[int, ...] = (32, 64, 128, 128, 256, 256)
    width_multiplier: float = 1.0
    depth: int = 6
    kernel_size: int = 3
    dense_widths: tuple[int, ...] = (128,)
    dropout_rate: float = 0.5
    padding: str = "same"
    pooling: str = "max"
    pool_size: int = 2
    pool_stride: int = 2
    pool_padding: str = "valid"
    activation: str = "relu"
    batch_norm: bool = False
    global_pooling: str = "none"

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        # Lists would make the module unhashable, and so no static argument of jit.
        self.widths = tuple(self.widths)
        self.dense_widths = tuple(self.dense_widths)
        _check_options(self)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the blocks, each with its pooling, and the dense layers."""
        blocks = [
            Stage(f"block_{number}", self.pool_stride**number, self._block(number, width))
            for number, width in enumerate(self.widths[: self.depth], start=1)
        ]
        dense = [
            Stage(f"dense_{number}", 0, self._dense(number, width))
            for number, width in enumerate(self.dense_widths, start=1)
        ]
        return [*blocks, *dense]

    @nn.nowrap
    def check_image_size(self, height: int, width: int) -> None:
        """Raise a ValueError at the first block that the image is too small for."""
        trim = _trimmed_px(self)
        size = (height, width)
        for block in range(1, self.depth + 1):
            convolved = (size[0] - trim, size[1] - trim)
            if min(convolved) < _least_pooled(self):
                raise _too_small(self, (height, width), block, size)
            size = (_pooled(convolved[0], self), _pooled(convolved[1], self))

    def pool(self, x: jax.Array) -> jax.Array:
        """Map (B, H, W, C) to (B, D): the mean over pixels, or all of them in a row."""
        if self.global_pooling == "average":
            x = x.mean(axis=(1, 2))
        return x.reshape(x.shape[0], -1)

    @nn.nowrap
    def _block(self, number: int, width: int) -> Callable[..., jax.Array]:
        convolution = layers.ConvBlock(
            width=max(1, round(width * self.width_multiplier)),
            kernel_size=self.kernel_size,
            padding=self.padding,
            activation=self.activation,
            use_batch_norm=self.batch_norm,
            bn=self.bn,
            dtype=self.dtype,
            name=f"block_{number}",
        )
        pool = layers.Pool(
            kind=self.pooling,
            size=self.pool_size,
            stride=self.pool_stride,
            padding=self.pool_padding,
            name=f"pool_{number}",
        )
        return layers.in_turn(convolution, pool)

    @nn.nowrap
    def _dense(self, number: int, width: int) -> Callable[..., jax.Array]:
        init = layers.kernel_init(self.activation)
        dense = layers.Dense(width, kernel_init=init, dtype=self.dtype, name=f"dense_{number}")

        def flatten(x: jax.Array) -> jax.Array:
            return self.pool(x) if x.ndim == 4 else x

        return layers.in_turn(flatten, dense, layers.ACTIVATIONS[self.activation])


def _check_options(model: SixConv) -> None:
    for option in ("widths", "depth", "kernel_size", "pool_size", "pool_stride", "dense_widths"):
        value = getattr(model, option)
        checks.check_positive_int(option, *(value if isinstance(value, tuple) else (value,)))
    if model.depth > len(model.widths):
        raise ValueError(
            f"depth (={model.depth}) exceeds the {len(model.widths)} widths {model.widths}; "
            "lower depth or give more widths."
        )
    checks.check_positive("width_multiplier", model.width_multiplier)
    checks.check_name("padding", model.padding, layers.PADDINGS)
    checks.check_name("pooling", model.pooling, layers.POOLINGS)
    checks.check_name("pool_padding", model.pool_padding, layers.PADDINGS)
    checks.check_name("activation", model.activation, layers.ACTIVATIONS)
    checks.check_name("global_pooling", model.global_pooling, GLOBAL_POOLINGS)


def _too_small(
    model: SixConv, image_size: tuple[int, int], block: int, block_size: tuple[int, int]
) -> ValueError:
    """Name the block, the size it gets and every cure."""
    least = _least_pooled(model)
    needs = f"a {least}x{least} pooling window"
    cures = [f"images of at least {_smallest_image_px(model)} px a side"]
    if block > 1:
        cures.append(f"depth={block - 1}")
    if _trimmed_px(model):
        needs = f"a {model.kernel_size}x{model.kernel_size} kernel without padding and then {needs}"
        cures.append("padding='same'")
    return ValueError(
        f"{image_size[0]}x{image_size[1]} images are too small: block {block} of {model.depth} "
        f"gets a feature map of {block_size[0]}x{block_size[1]}, which does not hold {needs}; "
        f"use {' or '.join(cures)}."
    )


def _trimmed_px(model: SixConv) -> int:
    return 0 if model.padding == "same" else model.kernel_size - 1


def _pooled(size_px: int, model: SixConv) -> int:
    if model.pool_padding == "same":
        return -(-size_px // model.pool_stride)
    return (size_px - model.pool_size) // model.pool_stride + 1


def _least_pooled(model: SixConv) -> int:
    """Tell the smallest map that a pooling takes, px."""
    return 1 if model.pool_padding == "same" else model.pool_size


def _smallest_image_px(model: SixConv) -> int:
    """Work back from one pixel behind the last pooling to the image."""
    size_px = 1
    for _ in range(model.depth):
        size_px = (size_px - 1) * model.pool_stride + _least_pooled(model)
        size_px += _trimmed_px(model)
    return size_px


MODELS: Mapping[str, Callable[..., StagedNetwork]] = {
    "six_conv": SixConv,
}

"""The layers that networks share."""

from jaxcnn.models.layers.batch_norm import ACTIVATIONS, BatchNorm, batch_norm
from jaxcnn.models.layers.convolution import (
    PADDINGS_OF_ORIGINS,
    Conv,
    ConvBlock,
    ConvLayer,
    conv_bn,
    conv_padding,
    kernel_init,
)
from jaxcnn.models.layers.layer_norm import GlobalResponseNorm, LayerNorm
from jaxcnn.models.layers.linear import Dense, Head, HiddenLinear
from jaxcnn.models.layers.pooling import PADDINGS, POOLINGS, Pool, max_pool_like_torch
from jaxcnn.models.layers.residual import DropPath, LayerScale, drop_path_rates
from jaxcnn.models.layers.sequence import InTurn, in_turn
from jaxcnn.models.layers.squeeze_excite import SqueezeExcite, make_divisible

__all__ = [
    "ACTIVATIONS",
    "PADDINGS",
    "PADDINGS_OF_ORIGINS",
    "POOLINGS",
    "BatchNorm",
    "Conv",
    "ConvBlock",
    "ConvLayer",
    "Dense",
    "DropPath",
    "GlobalResponseNorm",
    "Head",
    "HiddenLinear",
    "InTurn",
    "LayerNorm",
    "LayerScale",
    "Pool",
    "SqueezeExcite",
    "batch_norm",
    "conv_bn",
    "conv_padding",
    "drop_path_rates",
    "in_turn",
    "kernel_init",
    "make_divisible",
    "max_pool_like_torch",
]

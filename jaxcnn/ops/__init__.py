"""Operations that networks are made of, each with the semantics of `lax`.

`convolution`, `conv_layer`, `pooling` and `batch_norm` are operations, `cpu` how the CPU computes
them; `lowering` chooses between that and what `lax` has, `precision` between float32 and bfloat16.
Imports `jaxcnn.host`.
"""

from jaxcnn.ops.batch_norm import batch_norm
from jaxcnn.ops.convolution import conv2d, conv_general_dilated
from jaxcnn.ops.lowering import stock_ops, uses_stock_ops
from jaxcnn.ops.pooling import adaptive_avg_pool, avg_pool, max_pool

__all__ = [
    "adaptive_avg_pool",
    "avg_pool",
    "batch_norm",
    "conv2d",
    "conv_general_dilated",
    "max_pool",
    "stock_ops",
    "uses_stock_ops",
]

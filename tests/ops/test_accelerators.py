"""A program for an accelerator holds XLA's operations and nothing that was made for the CPU."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest

from jaxcnn import ops


def network(images, pointwise, depthwise, dense, scale):
    """Every operation once, as networks put them together."""
    x = ops.conv2d(images, dense, strides=2)
    x, *_ = ops.batch_norm(x, scale, scale, epsilon=1e-5, activation=jax.nn.relu)
    x = ops.max_pool(x, window=3, strides=2, padding="SAME")
    x = ops.conv2d(x, pointwise)
    x = ops.conv2d(x, depthwise, groups=depthwise.shape[3])
    x = ops.avg_pool(x, window=2)
    return x.astype(jnp.float32).sum()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_for_accelerators_hold_no_barrier_and_no_call(dtype, platform):
    shapes = [(2, 32, 32, 3), (1, 1, 16, 24), (3, 3, 1, 24), (3, 3, 3, 16)]
    arguments = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    arguments.append(jax.ShapeDtypeStruct((16,), "float32"))
    gradients = jax.jit(jax.grad(network, argnums=range(5)))
    lower = functools.partial(gradients.trace(*arguments).lower, lowering_platforms=(platform,))
    found = set(re.findall(r"stablehlo\.(\w+)", lower().as_text()))
    assert {"convolution", "reduce_window", "select_and_scatter"} <= found
    assert not found & {"optimization_barrier", "custom_call", "while", "dot_general"}

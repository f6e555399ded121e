"""A portable program is computed the CPU's own way on a CPU, and as XLA has it elsewhere."""

import collections
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops import avg_pool, conv2d, max_pool
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.lowering import portable_ops, stock_ops

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def every_operation(images):
    """Dense, depthwise, grouped and pointwise convolutions, and both poolings."""
    kernels = {
        (3, 3, 6, 8): {},
        (3, 3, 1, 8): {"groups": 8, "strides": 2},
        (3, 3, 4, 8): {"groups": 2},
        (1, 1, 8, 5): {},
        (1, 1, 5, 7): {"strides": 2},
    }
    draws = np.random.default_rng(0)
    for shape, options in kernels.items():
        kernel = jnp.asarray(draws.normal(size=shape) / 3, images.dtype)
        images = conv2d(images, kernel, **options)
    return max_pool(images, window=3, strides=2, padding="SAME") + avg_pool(images, window=2)


def exported(ways, *, platforms=PLATFORMS, dtype="float32"):
    (count,) = jax.export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((count, 16, 16, 6), dtype)
    with ways():
        return jax.export.export(jax.jit(lambda x: every_operation(x)), platforms=platforms)(images)


def operations(program):
    return collections.Counter(re.findall(r"stablehlo\.(\w+)", program.mlir_module()))


@pytest.mark.parametrize("platform", PLATFORMS[1:])
def test_a_portable_program_is_xlas_on_an_accelerator(platform):
    portable, stock = (
        operations(exported(ways, platforms=[platform])) for ways in (portable_ops, stock_ops)
    )
    for wrapping in ("case", "constant", "return"):  # of a choice with one branch left
        portable.pop(wrapping, None)
        stock.pop(wrapping, None)
    assert portable == stock


def test_a_portable_program_is_the_cpus_own_there():
    found = operations(exported(portable_ops, platforms=["cpu"]))
    assert found["convolution"] == 2  # dense, and in groups of several channels
    assert found["dot_general"] == 2
    assert found["reduce_window"] == 0
    assert found["gather"] == 0


def test_it_holds_no_call_of_this_machine(monkeypatch):
    monkeypatch.setattr(onednn, "is_available", lambda: True)
    monkeypatch.setattr(onednn, "has_bfloat16", lambda: True)
    for dtype in ("float32", "bfloat16"):
        with onednn.not_serialized():
            assert onednn.is_usable(dtype)
            text = exported(portable_ops, dtype=dtype).mlir_module()
        # Checks that there is an image, and is gone when the program is compiled.
        assert set(re.findall(r"custom_call @([\w.$]+)", text)) <= {"shape_assertion"}


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-6), ("float16", 2e-3), ("bfloat16", 1e-2)]
)
def test_its_answers_are_laxs_for_any_number_of_images(dtype, tolerance):
    program = exported(portable_ops, dtype=dtype)
    for count in (1, 3):
        images = jnp.asarray(np.random.default_rng(count).normal(size=(count, 16, 16, 6)), dtype)
        with stock_ops():
            expected = every_operation(images.astype("float32"))
        found = program.call(images)
        assert found.dtype == dtype
        error = jnp.abs(found.astype("float32") - expected).max()
        assert error <= tolerance * jnp.abs(expected).max()

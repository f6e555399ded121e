"""The trial of oneDNN's calls: each kind of them against what JAX has."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.cpu.geometry import Geometry, by_xla

_CALLS = 20


def check_against_lax(dtype: str = "float32") -> None:
    """Compare every kind of call with `lax` in float32 on small arrays.

    Args:
      dtype: of the operands, "float32" or "bfloat16".

    Raises:
      AssertionError: where they differ by more than the rounding of the results.
    """
    draws = np.random.default_rng(0)
    cases = (  # channels, features, groups, kernel size, stride, dilation
        (16, 24, 1, 3, 1, 1),
        (3, 16, 1, 7, 2, 1),
        (16, 16, 16, 3, 2, 1),
        (16, 32, 4, 3, 1, 2),
        (20, 16, 1, 1, 1, 1),
    )
    for channels, features, groups, size, stride, dilation in cases:
        x = jnp.asarray(draws.normal(size=(2, 13, 12, channels)), dtype)
        w = jnp.asarray(draws.normal(size=(size, size, channels // groups, features)), dtype)
        pads = ((size // 2, size // 2), (0, size // 2))
        geometry = Geometry((stride, stride), pads, (dilation, dilation), groups)
        got = _call(functools.partial(onednn.convolution, geometry=geometry), x, w)
        _check_close(got, by_xla(x.astype(jnp.float32), w.astype(jnp.float32), geometry))
    _check_what_follows(draws, dtype)
    _check_swapped_and_products(draws, dtype)


def _check_what_follows(draws: np.random.Generator, dtype: str) -> None:
    x = jnp.asarray(draws.normal(size=(2, 6, 5, 8)), dtype)
    w = jnp.asarray(draws.normal(size=(3, 3, 8, 8)), dtype)
    bias = jnp.asarray(draws.normal(size=8), jnp.float32)
    same = Geometry((1, 1), ((1, 1), (1, 1)))
    plain = by_xla(x.astype(jnp.float32), w.astype(jnp.float32), same) + bias.reshape(1, 1, 1, 8)
    others: dict[str, Callable[[jax.Array], jax.Array]] = {
        "linear": lambda x: x,
        "gelu": functools.partial(jax.nn.gelu, approximate=False),
    }
    for name in onednn.ACTIVATIONS:
        activation = others.get(name) or getattr(jax.nn, name)
        for addend in (None, x):
            options: dict[str, Any] = {"bias": bias, "addend": addend, "activation": name}
            got = _call(functools.partial(onednn.convolution, geometry=same, **options), x, w)
            total = plain if addend is None else plain + x.astype(jnp.float32)
            _check_close(got, activation(total))


def _check_swapped_and_products(draws: np.random.Generator, dtype: str) -> None:
    x = jnp.asarray(draws.normal(size=(2, 6, 5, 4)), dtype)
    w = jnp.asarray(draws.normal(size=(3, 3, 7, 4)), dtype)
    plain = Geometry((1, 1), ((1, 1), (1, 1)))
    swapped = plain._replace(swap_channels=True)
    got = _call(functools.partial(onednn.convolution, geometry=swapped), x, w)
    expected = jax.jit(lambda x, w: onednn.convolution(x, jnp.swapaxes(w, 2, 3), plain))(x, w)
    _check_close(got, expected)
    if dtype == "bfloat16" and not onednn.multiplies_bfloat16():
        return  # there the product hangs, and is not called
    for ta, tb in ((False, False), (True, False), (False, True)):
        a = jnp.asarray(draws.normal(size=(9, 40) if not ta else (40, 9)), dtype)
        b = jnp.asarray(draws.normal(size=(40, 7) if not tb else (7, 40)), dtype)
        product = functools.partial(onednn.matrix_product, transpose_a=ta, transpose_b=tb)
        expected = (a.T if ta else a).astype(jnp.float32) @ (b.T if tb else b).astype(jnp.float32)
        _check_close(_call(product, a, b), expected)


def _call(function: Callable[..., jax.Array], *operands: jax.Array) -> jax.Array:
    """Call often: where threads wait for each other for ever, a single call may still pass."""
    jitted = jax.jit(function)
    for _ in range(_CALLS):
        result = jax.block_until_ready(jitted(*operands))
    return result


def _check_close(found: jax.Array, expected: jax.Array) -> None:
    tolerance = 1e-4 if found.dtype == jnp.float32 else 1e-2
    at_most = tolerance * max(1.0, float(jnp.abs(expected).max()))
    np.testing.assert_allclose(
        found.astype(jnp.float32), expected.astype(jnp.float32), rtol=tolerance, atol=at_most
    )

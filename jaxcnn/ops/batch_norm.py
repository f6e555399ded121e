"""Batch normalisation, with the activation that follows it, in as few passes as it takes.

What a network spends on BatchNorm is reading and writing memory. Derived step by step, the gradient
keeps the normalised images and the activation's input and passes over them again and again. Here
nothing is kept but the images that came in: the forward pass reads them for the sums and once more
to write the result; the backward pass reads them and the gradient for two sums and once more to
write the images' gradient.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxcnn.ops.cpu import sums
from jaxcnn.ops.lowering import uses_stock_ops

Activation = Callable[[jax.Array], jax.Array]


def _identity(x: jax.Array) -> jax.Array:
    return x


def batch_norm(
    images: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    *,
    epsilon: float,
    activation: Activation = _identity,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalise by the statistics of the batch, for training.

    Computes activation(scale * (images - mean) / sqrt(variance + epsilon) + bias), the mean and the
    (biased) variance being taken over all axes but the last, in float32 or wider.

    Args:
      images: (..., C) floating.
      scale: (C,).
      bias: (C,).
      epsilon: added to the variance, > 0.
      activation: elementwise, applied to the result in float32.

    Returns:
      Shape and dtype of `images`; mean and variance of the batch, (C,) float32 or wider.

    Raises:
      ValueError: if `scale` or `bias` is not (C,).

    Example:
      >>> images = jnp.array([[1.0], [3.0]])
      >>> normalised, mean, variance = batch_norm(images, jnp.ones(1), jnp.zeros(1), epsilon=1e-5)
      >>> normalised.round(3).tolist(), mean.tolist(), variance.tolist()
      ([[-1.0], [1.0]], [2.0], [1.0])

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """
    _check(images, scale, bias)
    return _batch_norm(images, scale, bias, epsilon, activation)


def normalize(
    images: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    *,
    epsilon: float,
) -> jax.Array:
    """Normalise by given statistics, for evaluation: one multiplication and one addition.

    Args:
      images: (..., C) floating.
      scale: (C,).
      bias: (C,).
      mean: (C,).
      variance: (C,), at least 0.
      epsilon: added to the variance, > 0.

    Returns:
      Shape of `images`, in float32 or wider; not cast back, so that an activation can follow.

    Raises:
      ValueError: if `scale` or `bias` is not (C,).
    """
    _check(images, scale, bias)
    factor, shift = _affine(scale, bias, mean, variance, epsilon)
    return _widen(images) * _wide(factor, images) + _wide(shift, images)


def _check(images: jax.Array, scale: jax.Array, bias: jax.Array) -> None:
    expected = images.shape[-1:]
    if images.ndim < 2 or scale.shape != expected or bias.shape != expected:
        raise ValueError(
            f"scale and bias must be (C,) for images (..., C), got shapes {scale.shape}, "
            f"{bias.shape} and {images.shape}."
        )


def _widen(x: jax.Array) -> jax.Array:
    if _has_own_way(x):
        stock = functools.partial(jax.lax.convert_element_type, new_dtype=jnp.float32)
        return jax.lax.platform_dependent(x, cpu=sums.as_float32, default=stock)
    return x if x.dtype.itemsize >= 4 else x.astype(jnp.float32)


def _has_own_way(x: jax.Array) -> bool:
    """Tell whether the CPU reads this precision in its own way."""
    return x.dtype == jnp.bfloat16 and not uses_stock_ops()


def _wide(channels: jax.Array, images: jax.Array) -> jax.Array:
    """Give (C,) the rank of the images."""
    return channels.reshape((1,) * (images.ndim - 1) + (-1,))


def _affine(
    scale: jax.Array, bias: jax.Array, mean: jax.Array, variance: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array]:
    factor = scale * jax.lax.rsqrt(variance + epsilon)
    return factor, bias - mean * factor


def _sum_pixels(function: Callable[..., sums.Sums], *images: jax.Array) -> sums.Sums:
    """Sum what a function makes of the pixels, in float32 or wider: (C,) each."""

    def plain(*images: jax.Array) -> sums.Sums:
        return tuple(x.sum(tuple(range(x.ndim - 1))) for x in function(*map(_widen, images)))

    if all(map(_has_own_way, images)):
        own = functools.partial(sums.sum_pixels, function)
        return jax.lax.platform_dependent(*images, cpu=own, default=plain)
    return plain(*images)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _batch_norm(
    images: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, activation: Activation
) -> tuple[jax.Array, jax.Array, jax.Array]:
    wide = _widen(images)
    count = math.prod(images.shape[:-1])
    total, squares = _sum_pixels(lambda x: (x, jnp.square(x)), images)
    mean = total / count
    variance = jnp.maximum(0.0, squares / count - jnp.square(mean))
    factor, shift = _affine(scale, bias, mean, variance, epsilon)
    result = activation(wide * _wide(factor, wide) + _wide(shift, wide))
    return result.astype(images.dtype), mean, variance


def _forward(
    images: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, activation: Activation
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, ...]]:
    result = _batch_norm(images, scale, bias, epsilon, activation)
    return result, (images, scale, bias, *result[1:])


def _backward(
    epsilon: float,
    activation: Activation,
    residuals: tuple[jax.Array, ...],
    gradients: tuple[jax.Array, jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array, jax.Array]:
    images, scale, bias, mean, variance = residuals
    of_result, of_mean, of_variance = gradients
    wide = _widen(images)
    count = math.prod(images.shape[:-1])
    inverse = jax.lax.rsqrt(variance + epsilon)
    factor, shift = _affine(scale, bias, mean, variance, epsilon)

    def before_activation(x: jax.Array, gradient: jax.Array) -> jax.Array:
        normal = x * _wide(factor, x) + _wide(shift, x)
        return jax.vjp(activation, normal)[1](gradient)[0]

    def summands(x: jax.Array, gradient: jax.Array) -> sums.Sums:
        gradient = before_activation(x, gradient)
        return gradient, gradient * x

    to_bias, to_scale = _sum_pixels(summands, images, of_result)
    to_scale = inverse * (to_scale - mean * to_bias)
    gradient = before_activation(wide, _widen(of_result))
    # factor * (gradient - (to_bias + normalised * to_scale) / count) is linear in the images.
    slope = (2 * of_variance - factor * inverse * to_scale) / count
    offset = (of_mean - factor * to_bias) / count - mean * slope
    to_images = gradient * _wide(factor, wide) + wide * _wide(slope, wide) + _wide(offset, wide)
    return to_images.astype(images.dtype), to_scale, to_bias


_batch_norm.defvjp(_forward, _backward)

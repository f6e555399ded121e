"""Choose between this package's own lowerings and `lax`'s, while a program is traced."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax import lax

_OWN, _PORTABLE, _STOCK, _SLICES = "own", "portable", "stock", "slices"
_LOWERING = contextvars.ContextVar("jaxcnn_lowering", default=_OWN)


@contextlib.contextmanager
def stock_ops(*, windows_as_slices: bool = False) -> Iterator[None]:
    """Trace every operation as `lax` has it, on every platform.

    For comparisons, and for converters: what is traced inside holds XLA's standard operations
    alone. A function that `jit` has traced already keeps what it was traced with.

    Args:
      windows_as_slices: trace pooling as elementwise operations over strided slices instead, for
        readers of a program that do not know windowed reductions.

    Example:
      >>> with stock_ops():
      ...     uses_stock_ops()
      True
    """
    with _lowering(_SLICES if windows_as_slices else _STOCK):
        yield


@contextlib.contextmanager
def portable_ops() -> Iterator[None]:
    """Trace every operation as jaxcnn has it, but without the calls that only this machine knows.

    For programs that leave this process: traced inside, and exported for several platforms, one
    program runs as the CPU likes it on a CPU, and as XLA has it elsewhere. The number of images may
    be symbolic.

    Example:
      >>> with portable_ops():
      ...     uses_stock_ops(), uses_calls()
      (False, False)
    """
    with _lowering(_PORTABLE):
        yield


@contextlib.contextmanager
def _lowering(mode: str) -> Iterator[None]:
    token = _LOWERING.set(mode)
    try:
        yield
    finally:
        _LOWERING.reset(token)


def uses_stock_ops() -> bool:
    """Tell whether operations are traced as `lax` has them.

    Example:
      >>> uses_stock_ops()
      False
    """
    return _LOWERING.get() in (_STOCK, _SLICES)


def uses_calls() -> bool:
    """Tell whether operations may be traced as calls that only this machine knows."""
    return _LOWERING.get() == _OWN


def uses_slices() -> bool:
    """Tell whether pooling is traced as slices where operations are traced as `lax` has them."""
    return _LOWERING.get() == _SLICES


def in_dtype(dtype: Any, function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Cast what a function gives."""
    return lambda *arrays: function(*arrays).astype(dtype)


def over_batches(
    function: Callable[[jax.Array, jax.Array], jax.Array],
) -> Callable[..., jax.Array]:
    """Make `vmap` over images alone one larger batch, and over kernels one call after the other."""
    mapped = jax.custom_batching.custom_vmap(function)

    @mapped.def_vmap
    def rule(
        size: int, is_mapped: Sequence[bool], images: jax.Array, kernel: jax.Array
    ) -> tuple[jax.Array, bool]:
        if all(is_mapped):
            return lax.map(lambda both: mapped(*both), (images, kernel)), True
        if is_mapped[1]:
            return lax.map(lambda kernel: mapped(images, kernel), kernel), True
        result = mapped(images.reshape(-1, *images.shape[2:]), kernel)
        return result.reshape(size, -1, *result.shape[1:]), True

    return mapped

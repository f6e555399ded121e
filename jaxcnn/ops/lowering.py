"""Choose between this package's own lowerings and `lax`'s, while a program is traced."""

import contextlib
import contextvars
from collections.abc import Iterator

_STOCK = contextvars.ContextVar("jaxcnn_stock_ops", default=False)
_SLICES = contextvars.ContextVar("jaxcnn_windows_as_slices", default=False)


@contextlib.contextmanager
def stock_ops() -> Iterator[None]:
    """Trace every operation as `lax` has it, on every platform.

    For comparisons, and for programs that leave this process: what is traced inside holds XLA's
    standard operations alone. A function that `jit` has traced already keeps what it was traced
    with.

    Example:
      >>> with stock_ops():
      ...     uses_stock_ops()
      True
    """
    token = _STOCK.set(True)
    try:
        yield
    finally:
        _STOCK.reset(token)


def uses_stock_ops() -> bool:
    """Tell whether operations are traced as `lax` has them."""
    return _STOCK.get()


@contextlib.contextmanager
def windows_as_slices() -> Iterator[None]:
    """Trace pooling, inside `stock_ops`, as elementwise operations over strided slices.

    For readers of a program that do not know windowed reductions.
    """
    token = _SLICES.set(True)
    try:
        yield
    finally:
        _SLICES.reset(token)


def uses_slices() -> bool:
    """Tell whether pooling is traced as slices where operations are traced as `lax` has them."""
    return _SLICES.get()

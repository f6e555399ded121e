"""Choose between this package's own lowerings and `lax`'s, while a program is traced."""

import contextlib
import contextvars
from collections.abc import Iterator

_OWN, _STOCK, _SLICES = "own", "stock", "slices"
_LOWERING = contextvars.ContextVar("jaxcnn_lowering", default=_OWN)


@contextlib.contextmanager
def stock_ops(*, windows_as_slices: bool = False) -> Iterator[None]:
    """Trace every operation as `lax` has it, on every platform.

    For comparisons, and for programs that leave this process: what is traced inside holds XLA's
    standard operations alone. A function that `jit` has traced already keeps what it was traced
    with.

    Args:
      windows_as_slices: trace pooling as elementwise operations over strided slices instead, for
        readers of a program that do not know windowed reductions.

    Example:
      >>> with stock_ops():
      ...     uses_stock_ops()
      True
    """
    token = _LOWERING.set(_SLICES if windows_as_slices else _STOCK)
    try:
        yield
    finally:
        _LOWERING.reset(token)


def uses_stock_ops() -> bool:
    """Tell whether operations are traced as `lax` has them."""
    return _LOWERING.get() != _OWN


def uses_slices() -> bool:
    """Tell whether pooling is traced as slices where operations are traced as `lax` has them."""
    return _LOWERING.get() == _SLICES

"""Compile a step ahead of its first use: once, timed, for one shape of batch."""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax

from jaxcnn.ops.cpu.onednn import has_calls, not_serialized


@dataclasses.dataclass(frozen=True)
class CompiledStep:
    """A compiled pure function that takes arguments of one shape only."""

    program: Callable[..., Any]
    seconds: float  # how long tracing and compiling took

    def __call__(self, *args: Any) -> Any:
        """Run the step; arguments of another shape raise instead of compiling again."""
        return self.program(*args)


def compile_step(
    step: Callable[..., Any],
    *args: Any,
    donate_argnums: int | tuple[int, ...] = (),
    out_shardings: Any = None,
) -> CompiledStep:
    """Compile a pure function for the shapes of its arguments.

    Args:
      step: a pure function of trees of arrays.
      *args: arguments, or `jax.ShapeDtypeStruct` instead.
      donate_argnums: positions of arguments whose memory the result may take over.
      out_shardings: how the results lie on the devices, as for `jax.jit`; None lets the compiler
        choose.

    Returns:
      The compiled function.

    Example:
      >>> shape = jax.ShapeDtypeStruct((), "int32")
      >>> compile_step(lambda x: x + 1, shape)(jax.numpy.int32(1)).item()
      2
    """
    started = time.perf_counter()
    with not_serialized():  # so that tracing may make oneDNN's calls
        jitted = jax.jit(step, donate_argnums=donate_argnums, out_shardings=out_shardings)
        lowered = jitted.lower(*args)
    # A program without them is kept for the next start, see `compilation_cache`.
    with not_serialized() if has_calls(lowered) else contextlib.nullcontext():
        compiled = lowered.compile()
    return CompiledStep(compiled, time.perf_counter() - started)
